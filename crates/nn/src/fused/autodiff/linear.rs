//! Linear layers, alone and with what stands behind them.

use burn::backend::autodiff::{
    NodeId,
    checkpoint::base::Checkpointer,
    grads::Gradients,
    ops::{Backward, Ops},
};
use burn::backend::tensor::FloatTensor;

use super::super::{FusedOps, tied_linear};

/// x where the weight has a gradient, and the weight where x has one.
type Operands<B> = (Option<FloatTensor<B>>, Option<FloatTensor<B>>);

/// Hands on the gradient towards x·weight + bias.
fn register<B: FusedOps>(
    grads: &mut Gradients,
    [towards_x, towards_weight, towards_bias]: [Option<NodeId>; 3],
    (x, weight): Operands<B>,
    grad: FloatTensor<B>,
) {
    if let (Some(node), Some(weight)) = (towards_x, weight) {
        grads.register::<B>(node, B::projected_backward_x(weight, grad.clone()));
    }
    if let (Some(node), Some(x)) = (towards_weight, x) {
        grads.register::<B>(node, B::projected_backward_weight(x, grad.clone()));
    }
    if let Some(node) = towards_bias {
        grads.register::<B>(node, B::projected_backward_bias(grad));
    }
}

/// State: the operands. Parents: x, weight, bias.
#[derive(Debug)]
pub(super) struct Linear;

impl<B: FusedOps> Backward<B, 3> for Linear {
    type State = Operands<B>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let parents = ops.parents.map(|parent| parent.map(|node| node.id));
        register::<B>(grads, parents, ops.state, grad);
    }
}

/// [`Linear`] without a bias.
#[derive(Debug)]
pub(super) struct LinearWithoutBias;

impl<B: FusedOps> Backward<B, 2> for LinearWithoutBias {
    type State = Operands<B>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let [x, weight] = ops.parents.map(|parent| parent.map(|node| node.id));
        register::<B>(grads, [x, weight, None], ops.state, grad);
    }
}

/// State: (the operands, what GELU acted on, bias). Parents: x, weight, bias.
#[derive(Debug)]
pub(super) struct LinearGelu;

impl<B: FusedOps> Backward<B, 3> for LinearGelu {
    type State = (Operands<B>, FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (operands, before, bias) = ops.state;
        let grad = B::linear_gelu_backward(before, bias, grad);
        let parents = ops.parents.map(|parent| parent.map(|node| node.id));
        register::<B>(grads, parents, operands, grad);
    }
}

/// State: (x, table). Parents: x, table, bias.
#[derive(Debug)]
pub(super) struct TiedLinear;

impl<B: FusedOps> Backward<B, 3> for TiedLinear {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (x, table) = ops.state;
        let (towards_x, towards_table, towards_bias) = tied_linear::backward::<B>(x, table, grad);
        for (parent, gradient) in
            ops.parents
                .into_iter()
                .zip([towards_x, towards_table, towards_bias])
        {
            if let Some(node) = parent {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}
