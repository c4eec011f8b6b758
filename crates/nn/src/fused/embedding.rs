//! Rows of a table, and the gradient towards it, for any backend.

use burn::backend::{
    Backend,
    ops::ModuleOps,
    tensor::{FloatTensor, IntTensor},
};

/// `[batch, seq_len, size]`, from a table `[rows, size]` and ids `[batch, seq_len]`.
pub(super) fn forward<B: Backend>(table: FloatTensor<B>, ids: IntTensor<B>) -> FloatTensor<B> {
    <B as ModuleOps<B>>::embedding(table, ids)
}

/// The gradient towards the table, which is needed for its shape alone.
pub(super) fn backward<B: Backend>(
    table: FloatTensor<B>,
    ids: IntTensor<B>,
    grad: FloatTensor<B>,
) -> FloatTensor<B> {
    <B as ModuleOps<B>>::embedding_backward(table, grad, ids)
}
