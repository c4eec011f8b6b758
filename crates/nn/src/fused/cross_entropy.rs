//! The weighted sum of cross-entropies, for any backend.

use burn::backend::{
    Backend, TensorMetadata,
    tensor::{FloatTensor, IntTensor},
};
use burn::tensor::{IndexingUpdateOp, Shape};

/// (sum, logsumexp of each row).
pub(super) fn forward_saving<B: Backend>(
    logits: FloatTensor<B>,
    labels: IntTensor<B>,
    weights: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let n = weights.shape().num_elements();
    let highest = B::float_max_dim(logits.clone(), 1);
    let exponentials = B::float_exp(B::float_sub(logits.clone(), highest.clone()));
    let log_sums = B::float_add(B::float_log(B::float_sum_dim(exponentials, 1)), highest);
    let chosen = B::float_gather(1, logits, B::int_reshape(labels, Shape::new([n, 1])));
    let losses = B::float_sub(log_sums.clone(), chosen);
    let weighted = B::float_mul(losses, B::float_reshape(weights, Shape::new([n, 1])));
    (B::float_sum(weighted), log_sums)
}

/// grad·weightᵢ·(softmax(logitsᵢ) − one at labelᵢ).
pub(super) fn backward<B: Backend>(
    logits: FloatTensor<B>,
    labels: IntTensor<B>,
    weights: FloatTensor<B>,
    log_sums: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> FloatTensor<B> {
    let n = weights.shape().num_elements();
    let factors = B::float_mul(
        B::float_reshape(weights, Shape::new([n, 1])),
        B::float_reshape(grad, Shape::new([1, 1])),
    );
    let probabilities = B::float_exp(B::float_sub(logits, log_sums));
    let towards = B::float_mul(probabilities, factors.clone());
    B::float_scatter(
        1,
        towards,
        B::int_reshape(labels, Shape::new([n, 1])),
        B::float_neg(factors),
        IndexingUpdateOp::Add,
    )
}
