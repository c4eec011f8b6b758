//! Looking up terms of scores by relative position, for any backend.
//!
//! One gather forwards and one scatter backwards along the last axis, with an index that is the same
//! for all heads and mostly for the whole batch: it is expanded, not repeated, wherever the backend
//! allows that.

use burn::backend::{
    Backend, TensorMetadata,
    tensor::{FloatTensor, IntTensor},
};
use burn::tensor::{FloatDType, IndexingUpdateOp, IntDType, Shape};

/// Whose terms are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terms {
    /// The query's terms: content to position.
    OfQuery,
    /// The key's terms: position to content.
    OfKey,
}

/// The scores with their terms added.
pub(super) fn add<B: Backend>(
    scores: FloatTensor<B>,
    terms: FloatTensor<B>,
    rows: IntTensor<B>,
    starts: IntTensor<B>,
    kind: Terms,
) -> FloatTensor<B> {
    let index = index::<B>(rows, starts, scores.shape(), kind);
    let terms = B::float_gather(3, terms, index);
    let terms = match kind {
        Terms::OfQuery => terms,
        Terms::OfKey => B::float_swap_dims(terms, 2, 3),
    };
    B::float_add(scores, terms)
}

/// The gradient towards the terms, `count` for each query or key.
pub(super) fn backward<B: Backend>(
    grad: FloatTensor<B>,
    rows: IntTensor<B>,
    starts: IntTensor<B>,
    count: usize,
    kind: Terms,
) -> FloatTensor<B> {
    let index = index::<B>(rows, starts, grad.shape(), kind);
    let grad = match kind {
        Terms::OfQuery => grad,
        Terms::OfKey => B::float_swap_dims(grad, 2, 3),
    };
    let mut shape = grad.shape();
    shape[3] = count;
    let zeros = B::float_zeros(shape, &grad.device(), FloatDType::from(grad.dtype()));
    B::float_scatter(3, zeros, index, grad, IndexingUpdateOp::Add)
}

/// The row for each query and key, with the terms' owners before the others:
/// `[batch, heads, query_len, key_len]` or `[batch, heads, key_len, query_len]`.
///
/// The second is no transpose of the first: an index in its own order of memory is read faster.
pub(super) fn index<B: Backend>(
    rows: IntTensor<B>,
    starts: IntTensor<B>,
    scores: Shape,
    kind: Terms,
) -> IntTensor<B> {
    let [batch, heads, queries, keys] = scores.dims();
    let shared = starts.shape()[0];
    let int_dtype = IntDType::from(rows.dtype());
    let steps = B::int_arange(0..keys as i64, &rows.device(), int_dtype);
    let (starts_shape, steps_shape, [owners, others]) = match kind {
        Terms::OfQuery => ([shared, queries, 1], [1, 1, keys], [queries, keys]),
        Terms::OfKey => ([shared, 1, queries], [1, keys, 1], [keys, queries]),
    };
    let places = B::int_add(
        B::int_reshape(starts, Shape::new(starts_shape)),
        B::int_reshape(steps, Shape::new(steps_shape)),
    );
    let places = B::int_reshape(places, Shape::new([shared * owners * others]));
    let looked_up = B::int_select(rows, 0, places);
    let looked_up = B::int_reshape(looked_up, Shape::new([shared, 1, owners, others]));
    B::int_expand(looked_up, Shape::new([batch, heads, owners, others]))
}
