//! Attention.

use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops},
};
use burn::backend::{Autodiff, tensor::FloatTensor};

use super::super::FusedOps;
use super::super::attention::{AttentionInputs, AttentionState, Hidden, PositionTerms};

/// State: (what the gradients are computed from, scale, probability). Parents: query, key, value, the
/// terms of queries and those of keys; the query stands for terms that are absent, and gets nothing there.
#[derive(Debug)]
pub(super) struct Attention;

impl<B: FusedOps> Backward<B, 5> for Attention {
    type State = (AttentionState<B>, f64, f64);

    fn backward(self, ops: Ops<Self::State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (state, scale, prob) = ops.state;
        let towards = B::attended_backward(state, grad, scale, prob);
        let gradients = [
            Some(towards.query),
            Some(towards.key),
            Some(towards.value),
            towards.by_query.into_option(),
            towards.by_key.into_option(),
        ];
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(node), Some(gradient)) = (parent, gradient) {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// The parents, and the inputs without their history.
pub(super) fn split<B: FusedOps, C: CheckpointStrategy>(
    inputs: AttentionInputs<Autodiff<B, C>>,
) -> ([FloatTensor<Autodiff<B, C>>; 5], AttentionInputs<B>) {
    let AttentionInputs {
        query,
        key,
        value,
        by_query,
        by_key,
        hidden,
    } = inputs;
    let (of_query, by_query) = terms(by_query);
    let (of_key, by_key) = terms(by_key);
    let parents = [
        query.clone(),
        key.clone(),
        value.clone(),
        of_query.unwrap_or_else(|| query.clone()),
        of_key.unwrap_or_else(|| query.clone()),
    ];
    let inputs = AttentionInputs {
        query: query.into_primitive(),
        key: key.into_primitive(),
        value: value.into_primitive(),
        by_query,
        by_key,
        hidden: match hidden {
            Hidden::Nothing => Hidden::Nothing,
            Hidden::Mask(is_hidden) => Hidden::Mask(is_hidden),
        },
    };
    (parents, inputs)
}

fn terms<B: FusedOps, C: CheckpointStrategy>(
    terms: PositionTerms<Autodiff<B, C>>,
) -> (Option<FloatTensor<Autodiff<B, C>>>, PositionTerms<B>) {
    match terms {
        PositionTerms::Absent => (None, PositionTerms::Absent),
        PositionTerms::Present {
            terms,
            rows,
            starts,
        } => (
            Some(terms.clone()),
            PositionTerms::Present {
                terms: terms.into_primitive(),
                rows,
                starts,
            },
        ),
    }
}
