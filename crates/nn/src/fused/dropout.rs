//! Dropout with a mask of factors, for any backend.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{Distribution, FloatDType};

/// (output, mask of 0 and 1/(1 − prob)).
pub(super) fn forward_saving<B: Backend>(
    x: FloatTensor<B>,
    prob: f64,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let keep = 1.0 - prob;
    let drawn = B::float_random(
        x.shape(),
        Distribution::Bernoulli(keep),
        &x.device(),
        FloatDType::from(x.dtype()),
    );
    let mask = B::float_mul_scalar(drawn, (1.0 / keep).into());
    (B::float_mul(x, mask.clone()), mask)
}

pub(super) fn backward<B: Backend>(mask: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(grad, mask)
}
