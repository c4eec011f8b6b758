//! The softmax of attention, for any backend.

use burn::backend::{
    Backend, TensorMetadata,
    tensor::{BoolTensor, FloatTensor},
};
use burn::tensor::DType;

pub(super) fn scaled<B: Backend>(scores: FloatTensor<B>, scale: f64) -> FloatTensor<B> {
    let last = scores.shape().num_dims() - 1;
    B::softmax(times::<B>(scores, scale), last)
}

pub(super) fn masked<B: Backend>(
    scores: FloatTensor<B>,
    is_hidden: BoolTensor<B>,
    scale: f64,
) -> FloatTensor<B> {
    let last = scores.shape().num_dims() - 1;
    let is_hidden = B::bool_expand(is_hidden, scores.shape());
    let lowest = lowest(scores.dtype());
    let scores = B::float_mask_fill(times::<B>(scores, scale), is_hidden, lowest.into());
    B::softmax(scores, last)
}

/// scale·y·(g − Σ g·y): a hidden key has y = 0 and so gets nothing.
pub(super) fn backward<B: Backend>(
    output: FloatTensor<B>,
    grad: FloatTensor<B>,
    scale: f64,
) -> FloatTensor<B> {
    let last = output.shape().num_dims() - 1;
    let share = B::float_sum_dim(B::float_mul(grad.clone(), output.clone()), last);
    let towards = B::float_mul(output, B::float_sub(grad, share));
    times::<B>(towards, scale)
}

fn times<B: Backend>(tensor: FloatTensor<B>, factor: f64) -> FloatTensor<B> {
    if factor == 1.0 {
        tensor
    } else {
        B::float_mul_scalar(tensor, factor.into())
    }
}

/// The lowest finite number of a float type.
pub(super) fn lowest(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::MIN,
        DType::F16 => -65504.0,
        // The largest bfloat16 lies below f32's: 2^128 − 2^120.
        DType::BF16 => -3.389_531_389_251_535_5e38,
        _ => f64::from(f32::MIN),
    }
}
