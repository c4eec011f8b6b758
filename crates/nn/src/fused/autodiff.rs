//! One recorded step for each fused operation, with its gradient.
//!
//! An untracked input takes the plain forward, which saves nothing.

mod attention;
mod linear;

use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{
    Autodiff, TensorMetadata,
    tensor::{BoolTensor, FloatTensor, IntTensor},
};

use super::attention::AttentionInputs;
use super::{FusedOps, Maybe, Terms};
use attention::Attention;
use linear::{Linear, LinearGelu, LinearWithoutBias, TiedLinear};

/// State: x.
#[derive(Debug)]
struct GeluErf;

impl<B: FusedOps> Backward<B, 1> for GeluErf {
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = parent {
            grads.register::<B>(node.id, B::gelu_erf_backward(ops.state, grad));
        }
    }
}

/// State: (output, scale).
#[derive(Debug)]
struct Softmax;

impl<B: FusedOps> Backward<B, 1> for Softmax {
    type State = (FloatTensor<B>, f64);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = parent {
            let (output, scale) = ops.state;
            grads.register::<B>(node.id, B::softmax_backward(output, grad, scale));
        }
    }
}

/// State: (softmax, what tells the dropped entries, scale, probability).
#[derive(Debug)]
struct DroppedSoftmax;

impl<B: FusedOps> Backward<B, 1> for DroppedSoftmax {
    type State = (FloatTensor<B>, FloatTensor<B>, f64, f64);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = parent {
            let (softmax, dropped, scale, prob) = ops.state;
            let towards = B::dropped_softmax_backward(softmax, dropped, grad, scale, prob);
            grads.register::<B>(node.id, towards);
        }
    }
}

/// State: (normalised sum, inverse deviation, gamma, what tells the dropped entries, probability). Parents:
/// branch, residual, gamma, beta.
#[derive(Debug)]
struct ResidualNorm;

impl<B: FusedOps> Backward<B, 4> for ResidualNorm {
    type State = (
        FloatTensor<B>,
        FloatTensor<B>,
        FloatTensor<B>,
        FloatTensor<B>,
        f64,
    );

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (normalised, inverse, gamma, dropped, prob) = ops.state;
        let (branch, residual, gamma, beta) =
            B::residual_normalised_backward(normalised, inverse, gamma, dropped, grad, prob);
        for (parent, gradient) in ops.parents.into_iter().zip([branch, residual, gamma, beta]) {
            if let Some(node) = parent {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// State: (rows, starts, terms of each query or key, whose terms). Parents: scores, terms.
#[derive(Debug)]
struct AddRelative;

impl<B: FusedOps> Backward<B, 2> for AddRelative {
    type State = (IntTensor<B>, IntTensor<B>, usize, Terms);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let [scores, terms] = ops.parents;
        if let Some(node) = terms {
            let (rows, starts, count, kind) = ops.state;
            let towards = B::add_relative_backward(grad.clone(), rows, starts, count, kind);
            grads.register::<B>(node.id, towards);
        }
        if let Some(node) = scores {
            grads.register::<B>(node.id, grad);
        }
    }
}

/// State: (normalised x, inverse deviation, gamma). Parents: x, gamma, beta.
#[derive(Debug)]
struct LayerNorm;

impl<B: FusedOps> Backward<B, 3> for LayerNorm {
    type State = (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (normalised, inverse_deviation, gamma) = ops.state;
        let (towards_x, towards_gamma, towards_beta) =
            B::layer_normalised_backward(normalised, inverse_deviation, gamma, grad);
        for (parent, gradient) in
            ops.parents
                .into_iter()
                .zip([towards_x, towards_gamma, towards_beta])
        {
            if let Some(node) = parent {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// State: (what tells the dropped entries, probability).
#[derive(Debug)]
struct Dropout;

impl<B: FusedOps> Backward<B, 1> for Dropout {
    type State = (FloatTensor<B>, f64);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = parent {
            let (saved, prob) = ops.state;
            grads.register::<B>(node.id, B::dropout_backward(saved, grad, prob));
        }
    }
}

/// State: (logits, labels, weights, logsumexp). Parent: the logits; weights are constants.
#[derive(Debug)]
struct CrossEntropy;

impl<B: FusedOps> Backward<B, 1> for CrossEntropy {
    type State = (FloatTensor<B>, IntTensor<B>, FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = parent {
            let (logits, labels, weights, log_sums) = ops.state;
            let gradient = B::cross_entropy_backward(logits, labels, weights, log_sums, grad);
            grads.register::<B>(node.id, gradient);
        }
    }
}

/// State: (table, ids).
#[derive(Debug)]
struct Embedding;

impl<B: FusedOps> Backward<B, 1> for Embedding {
    type State = (FloatTensor<B>, IntTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = parent {
            let (table, ids) = ops.state;
            grads.register::<B>(node.id, B::embedded_backward(table, ids, grad));
        }
    }
}

impl<B: FusedOps, C: CheckpointStrategy> FusedOps for Autodiff<B, C> {
    fn gelu_erf(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match GeluErf.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let x = x.into_primitive();
                let output = B::gelu_erf(x.clone());
                step.finish(x, output)
            }
            OpsKind::UnTracked(step) => step.finish(B::gelu_erf(x.into_primitive())),
        }
    }

    fn scaled_softmax(scores: FloatTensor<Self>, scale: f64) -> FloatTensor<Self> {
        let node = scores.node();
        let output = B::scaled_softmax(scores.into_primitive(), scale);
        match Softmax.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(step) => step.finish((output.clone(), scale), output),
            OpsKind::UnTracked(step) => step.finish(output),
        }
    }

    fn masked_softmax(
        scores: FloatTensor<Self>,
        is_hidden: BoolTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        let node = scores.node();
        let output = B::masked_softmax(scores.into_primitive(), is_hidden, scale);
        match Softmax.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(step) => step.finish((output.clone(), scale), output),
            OpsKind::UnTracked(step) => step.finish(output),
        }
    }

    fn dropped_softmax(
        scores: FloatTensor<Self>,
        is_hidden: BoolTensor<Self>,
        scale: f64,
        prob: f64,
    ) -> FloatTensor<Self> {
        let node = scores.node();
        let scores = scores.into_primitive();
        match DroppedSoftmax
            .prepare::<C>([node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(step) => {
                let (output, softmax, dropped) =
                    B::dropped_softmax_saving(scores, is_hidden, scale, prob);
                step.finish((softmax, dropped, scale, prob), output)
            }
            OpsKind::UnTracked(step) => {
                step.finish(B::dropped_softmax(scores, is_hidden, scale, prob))
            }
        }
    }

    fn residual_normalised(
        branch: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        prob: f64,
    ) -> FloatTensor<Self> {
        let nodes = [branch.node(), residual.node(), gamma.node(), beta.node()];
        let (branch, residual) = (branch.into_primitive(), residual.into_primitive());
        let (gamma, beta) = (gamma.into_primitive(), beta.into_primitive());
        match ResidualNorm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let (output, normalised, inverse, dropped) = B::residual_normalised_saving(
                    branch,
                    residual,
                    gamma.clone(),
                    beta,
                    epsilon,
                    prob,
                );
                step.finish((normalised, inverse, gamma, dropped, prob), output)
            }
            OpsKind::UnTracked(step) => step.finish(B::residual_normalised(
                branch, residual, gamma, beta, epsilon, prob,
            )),
        }
    }

    fn attended(inputs: AttentionInputs<Self>, scale: f64, prob: f64) -> FloatTensor<Self> {
        let (parents, inputs) = attention::split(inputs);
        let nodes = parents.map(|parent| parent.node());
        match Attention.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let (output, softmax, dropped) = B::attended_saving(inputs.clone(), scale, prob);
                step.finish((inputs.into_state(softmax, dropped), scale, prob), output)
            }
            OpsKind::UnTracked(step) => step.finish(B::attended(inputs, scale, prob)),
        }
    }

    fn projected(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
    ) -> FloatTensor<Self> {
        let (x_node, weight_node) = (x.node(), weight.node());
        let (has_x_gradient, has_weight_gradient) = (x.is_tracked(), weight.is_tracked());
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let state = (
            has_weight_gradient.then(|| x.clone()),
            has_x_gradient.then(|| weight.clone()),
        );
        match bias.into_option() {
            Some(bias) => {
                let nodes = [x_node, weight_node, bias.node()];
                let output = B::projected(x, weight, Maybe::Present(bias.into_primitive()));
                match Linear.prepare::<C>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(step) => step.finish(state, output),
                    OpsKind::UnTracked(step) => step.finish(output),
                }
            }
            None => {
                let nodes = [x_node, weight_node];
                let output = B::projected(x, weight, Maybe::Absent);
                let step = LinearWithoutBias.prepare::<C>(nodes);
                match step.compute_bound().stateful() {
                    OpsKind::Tracked(step) => step.finish(state, output),
                    OpsKind::UnTracked(step) => step.finish(output),
                }
            }
        }
    }

    fn linear_gelu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let (has_x_gradient, has_weight_gradient) = (x.is_tracked(), weight.is_tracked());
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let bias = bias.into_primitive();
        match LinearGelu.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let operands = (
                    has_weight_gradient.then(|| x.clone()),
                    has_x_gradient.then(|| weight.clone()),
                );
                let (output, before) = B::linear_gelu_saving(x, weight, bias.clone());
                step.finish((operands, before, bias), output)
            }
            OpsKind::UnTracked(step) => step.finish(B::linear_gelu(x, weight, bias)),
        }
    }

    fn add_relative(
        scores: FloatTensor<Self>,
        terms: FloatTensor<Self>,
        rows: IntTensor<Self>,
        starts: IntTensor<Self>,
        kind: Terms,
    ) -> FloatTensor<Self> {
        let nodes = [scores.node(), terms.node()];
        let (scores, terms) = (scores.into_primitive(), terms.into_primitive());
        match AddRelative.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let state = (rows.clone(), starts.clone(), terms.shape()[3], kind);
                step.finish(state, B::add_relative(scores, terms, rows, starts, kind))
            }
            OpsKind::UnTracked(step) => {
                step.finish(B::add_relative(scores, terms, rows, starts, kind))
            }
        }
    }

    fn layer_normalised(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), gamma.node(), beta.node()];
        let (x, gamma, beta) = (
            x.into_primitive(),
            gamma.into_primitive(),
            beta.into_primitive(),
        );
        match LayerNorm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let (output, normalised, inverse_deviation) =
                    B::layer_normalised_saving(x, gamma.clone(), beta, epsilon);
                step.finish((normalised, inverse_deviation, gamma), output)
            }
            OpsKind::UnTracked(step) => step.finish(B::layer_normalised(x, gamma, beta, epsilon)),
        }
    }

    fn dropout(x: FloatTensor<Self>, prob: f64) -> FloatTensor<Self> {
        let node = x.node();
        let x = x.into_primitive();
        match Dropout.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let (output, saved) = B::dropout_saving(x, prob);
                step.finish((saved, prob), output)
            }
            OpsKind::UnTracked(step) => step.finish(B::dropout(x, prob)),
        }
    }

    fn cross_entropy(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
        weights: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let node = logits.node();
        let (logits, weights) = (logits.into_primitive(), weights.into_primitive());
        match CrossEntropy.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let (sum, log_sums) =
                    B::cross_entropy_saving(logits.clone(), labels.clone(), weights.clone());
                step.finish((logits, labels, weights, log_sums), sum)
            }
            OpsKind::UnTracked(step) => step.finish(B::cross_entropy(logits, labels, weights)),
        }
    }

    fn embedded(table: FloatTensor<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        let node = table.node();
        let table = table.into_primitive();
        match Embedding.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                step.finish((table.clone(), ids.clone()), B::embedded(table, ids))
            }
            OpsKind::UnTracked(step) => step.finish(B::embedded(table, ids)),
        }
    }

    fn tied_linear(
        x: FloatTensor<Self>,
        table: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), table.node(), bias.node()];
        let (x, table, bias) = (
            x.into_primitive(),
            table.into_primitive(),
            bias.into_primitive(),
        );
        match TiedLinear.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let output = B::tied_linear(x.clone(), table.clone(), bias);
                step.finish((x, table), output)
            }
            OpsKind::UnTracked(step) => step.finish(B::tied_linear(x, table, bias)),
        }
    }

    /// A draw has no gradient.
    fn gumbel_argmax(scores: FloatTensor<Self>) -> IntTensor<Self> {
        B::gumbel_argmax(scores.into_primitive())
    }
}
