//! What attention as one step takes, keeps and gives.

use burn::backend::{
    Backend, ExtensionType, TensorMetadata,
    tensor::{BoolTensor, FloatTensor, IntTensor},
};

use super::maybe::Maybe;

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

/// Terms of scores by relative position, of queries or of keys; looked up as `add_relative` does.
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
    /// What tells the dropped entries, as from `dropout_saving`; of no meaning if there are
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
