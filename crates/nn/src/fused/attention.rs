//! Attention as one step, and what it is of operations that every backend has.

use burn::backend::{
    Backend, ExtensionType, TensorMetadata,
    tensor::{BoolTensor, FloatTensor, IntTensor},
};

use super::{FusedOps, Maybe, Terms};

/// What attention is computed from.
#[derive(Debug, Clone, ExtensionType)]
pub struct AttentionInputs<B: Backend> {
    /// `[batch, heads, query_len, key_size]`
    pub query: FloatTensor<B>,
    /// `[batch, heads, key_len, key_size]`
    pub key: FloatTensor<B>,
    /// `[batch, heads, key_len, value_size]`
    pub value: FloatTensor<B>,
    /// Added to query·key before the scale.
    #[extension_type]
    pub by_query: PositionTerms<B>,
    /// Added likewise.
    #[extension_type]
    pub by_key: PositionTerms<B>,
    /// Keys that a query may not look at.
    #[extension_type]
    pub hidden: Hidden<B>,
}

/// Terms of scores by relative position, of queries or of keys; [`FusedOps::add_relative`] adds them.
#[derive(Debug, Clone, ExtensionType)]
pub enum PositionTerms<B: Backend> {
    /// There are none.
    Absent,
    /// One for each query or key and row.
    Present {
        /// `[batch, heads, query_len or key_len, count]`
        terms: FloatTensor<B>,
        /// `[places]`, each below `count`
        rows: IntTensor<B>,
        /// `[1 or batch, query_len]`
        starts: IntTensor<B>,
    },
}

/// A mask that may be absent.
#[derive(Debug, Clone, ExtensionType)]
pub enum Hidden<B: Backend> {
    /// Nothing is hidden.
    Nothing,
    /// True where a key is hidden; broadcasts to `[batch, heads, query_len, key_len]`.
    Mask(BoolTensor<B>),
}

/// What the gradients are computed from: the inputs less what they do not depend on, and what the
/// forward pass has left.
#[derive(Debug, Clone, ExtensionType)]
pub struct AttentionState<B: Backend> {
    /// As it came.
    pub query: FloatTensor<B>,
    /// As it came.
    pub key: FloatTensor<B>,
    /// As it came.
    pub value: FloatTensor<B>,
    /// `[batch, heads, query_len, key_len]`
    pub softmax: FloatTensor<B>,
    /// What tells the dropped entries, as from [`FusedOps::dropout_saving`]; of no meaning if there are
    /// none.
    pub dropped: FloatTensor<B>,
    /// Where the terms of queries were looked up.
    #[extension_type]
    pub by_query: Places<B>,
    /// Where those of keys were.
    #[extension_type]
    pub by_key: Places<B>,
}

/// [`PositionTerms`] without the terms.
#[derive(Debug, Clone, ExtensionType)]
pub enum Places<B: Backend> {
    /// There are none.
    Absent,
    /// Where they lie.
    Present {
        /// As of the terms.
        rows: IntTensor<B>,
        /// As of the terms.
        starts: IntTensor<B>,
        /// Terms of each query or key.
        count: usize,
    },
}

/// The gradients towards the inputs.
#[derive(Debug, Clone, ExtensionType)]
pub struct AttentionGradients<B: Backend> {
    /// Towards the query.
    pub query: FloatTensor<B>,
    /// Towards the key.
    pub key: FloatTensor<B>,
    /// Towards the value.
    pub value: FloatTensor<B>,
    /// Towards the terms of queries, if there are any.
    #[extension_type]
    pub by_query: Maybe<B>,
    /// Towards those of keys.
    #[extension_type]
    pub by_key: Maybe<B>,
}

impl<B: Backend> PositionTerms<B> {
    /// Where the terms lie.
    pub(super) fn places(&self) -> Places<B> {
        match self {
            Self::Absent => Places::Absent,
            Self::Present {
                terms,
                rows,
                starts,
            } => Places::Present {
                rows: rows.clone(),
                starts: starts.clone(),
                count: terms.shape()[3],
            },
        }
    }

    fn add_to(self, scores: FloatTensor<B>, kind: Terms) -> FloatTensor<B>
    where
        B: FusedOps,
    {
        match self {
            Self::Absent => scores,
            Self::Present {
                terms,
                rows,
                starts,
            } => B::add_relative(scores, terms, rows, starts, kind),
        }
    }
}

impl<B: Backend> Places<B> {
    fn gradient(self, towards_scores: &FloatTensor<B>, kind: Terms) -> Maybe<B>
    where
        B: FusedOps,
    {
        match self {
            Self::Absent => Maybe::Absent,
            Self::Present {
                rows,
                starts,
                count,
            } => Maybe::Present(B::add_relative_backward(
                towards_scores.clone(),
                rows,
                starts,
                count,
                kind,
            )),
        }
    }
}

impl<B: Backend> AttentionInputs<B> {
    /// What is kept for the gradients.
    pub(super) fn into_state(
        self,
        softmax: FloatTensor<B>,
        dropped: FloatTensor<B>,
    ) -> AttentionState<B> {
        AttentionState {
            by_query: self.by_query.places(),
            by_key: self.by_key.places(),
            query: self.query,
            key: self.key,
            value: self.value,
            softmax,
            dropped,
        }
    }
}

/// (output, softmax, what tells the dropped entries).
pub(super) fn forward_saving<B: FusedOps>(
    inputs: AttentionInputs<B>,
    scale: f64,
    prob: f64,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let scores = B::float_matmul(inputs.query, B::float_swap_dims(inputs.key, 2, 3));
    let scores = inputs.by_query.add_to(scores, Terms::OfQuery);
    let scores = inputs.by_key.add_to(scores, Terms::OfKey);
    let (probabilities, softmax, dropped) = match inputs.hidden {
        Hidden::Mask(is_hidden) if prob > 0.0 => {
            B::dropped_softmax_saving(scores, is_hidden, scale, prob)
        }
        hidden => {
            let softmax = match hidden {
                Hidden::Mask(is_hidden) => B::masked_softmax(scores, is_hidden, scale),
                Hidden::Nothing => B::scaled_softmax(scores, scale),
            };
            let (probabilities, dropped) = if prob > 0.0 {
                B::dropout_saving(softmax.clone(), prob)
            } else {
                (softmax.clone(), softmax.clone())
            };
            (probabilities, softmax, dropped)
        }
    };
    let output = B::float_matmul(probabilities, inputs.value);
    (output, softmax, dropped)
}

/// With P the softmax, D what is left of it after entries are dropped, and G the gradient towards the
/// output: towards the value Dᵀ·G, towards D G·valueᵀ; the rest is that of the softmax and of the product.
pub(super) fn backward<B: FusedOps>(
    state: AttentionState<B>,
    grad: FloatTensor<B>,
    scale: f64,
    prob: f64,
) -> AttentionGradients<B> {
    let AttentionState {
        query,
        key,
        value,
        softmax,
        dropped,
        by_query,
        by_key,
    } = state;
    let towards_probabilities = B::float_matmul(grad.clone(), B::float_swap_dims(value, 2, 3));
    let (probabilities, towards_scores) = if prob > 0.0 {
        (
            // Dropping is linear: it is its own gradient.
            B::dropout_backward(dropped.clone(), softmax.clone(), prob),
            B::dropped_softmax_backward(softmax, dropped, towards_probabilities, scale, prob),
        )
    } else {
        let towards = B::softmax_backward(softmax.clone(), towards_probabilities, scale);
        (softmax, towards)
    };
    AttentionGradients {
        value: B::float_matmul(B::float_swap_dims(probabilities, 2, 3), grad),
        by_query: by_query.gradient(&towards_scores, Terms::OfQuery),
        by_key: by_key.gradient(&towards_scores, Terms::OfKey),
        key: B::float_matmul(B::float_swap_dims(towards_scores.clone(), 2, 3), query),
        query: B::float_matmul(towards_scores, key),
    }
}
