//! What ends a block of a post-norm layer: a branch, some of its entries dropped, is added to the residual,
//! and the sum is normalised. For any backend, of the operations that it has.

use burn::backend::tensor::FloatTensor;

use super::FusedOps;

/// (output, normalised sum, its inverse deviation, what tells the dropped entries); where nothing is dropped
/// the last is of no meaning.
pub(super) fn forward_saving<B: FusedOps>(
    branch: FloatTensor<B>,
    residual: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    epsilon: f64,
    prob: f64,
) -> (
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
) {
    let (branch, dropped) = if prob > 0.0 {
        let (branch, dropped) = B::dropout_saving(branch, prob);
        (branch, Some(dropped))
    } else {
        (branch, None)
    };
    let sum = B::float_add(branch, residual);
    let (output, normalised, inverse) = B::layer_normalised_saving(sum, gamma, beta, epsilon);
    let dropped = dropped.unwrap_or_else(|| inverse.clone());
    (output, normalised, inverse, dropped)
}

/// The gradients towards (branch, residual, gamma, beta).
pub(super) fn backward<B: FusedOps>(
    normalised: FloatTensor<B>,
    inverse_deviation: FloatTensor<B>,
    gamma: FloatTensor<B>,
    dropped: FloatTensor<B>,
    grad: FloatTensor<B>,
    prob: f64,
) -> (
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
) {
    let (towards_sum, towards_gamma, towards_beta) =
        B::layer_normalised_backward(normalised, inverse_deviation, gamma, grad);
    let towards_branch = if prob > 0.0 {
        B::dropout_backward(dropped, towards_sum.clone(), prob)
    } else {
        towards_sum.clone()
    };
    (towards_branch, towards_sum, towards_gamma, towards_beta)
}
