//! Sums of squares, for any backend.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};

/// before + Σ x².
pub(super) fn add_squared_sum<B: Backend>(
    before: FloatTensor<B>,
    x: FloatTensor<B>,
) -> FloatTensor<B> {
    let last = x.shape().num_dims() - 1;
    // In two stages: flex's sum over millions of elements depends on the threads' timing.
    let sum = B::float_sum(B::float_sum_dim(B::float_mul(x.clone(), x), last));
    B::float_add(before, sum)
}
