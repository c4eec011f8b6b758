//! The product of a linear layer: one over all rows, and one for each gradient.
//!
//! Burn's own, tracked, is one product a sequence where a sequence's length suits a graphics processor's
//! tiles, and makes the weight's gradient of one matrix a sequence, added up after.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::Shape;

/// x·weight + bias.
pub(super) fn forward<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let mut shape = x.shape();
    let outputs = weight.shape()[1];
    let mut output = B::float_matmul(rows::<B>(x), weight);
    if let Some(bias) = bias {
        let bias = B::float_reshape(bias, Shape::new([1, outputs]));
        output = B::float_add(output, bias);
    }
    let last = shape.num_dims() - 1;
    shape[last] = outputs;
    B::float_reshape(output, shape)
}

/// grad·weightᵀ.
pub(super) fn towards_x<B: Backend>(
    weight: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> FloatTensor<B> {
    forward::<B>(grad, B::float_swap_dims(weight, 0, 1), None)
}

/// xᵀ·grad, over all rows.
pub(super) fn towards_weight<B: Backend>(
    x: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> FloatTensor<B> {
    let x = B::float_swap_dims(rows::<B>(x), 0, 1);
    B::float_matmul(x, rows::<B>(grad))
}

/// The sum of all rows.
pub(super) fn towards_bias<B: Backend>(grad: FloatTensor<B>) -> FloatTensor<B> {
    let grad = rows::<B>(grad);
    let outputs = grad.shape()[1];
    B::float_reshape(B::float_sum_dim(grad, 0), Shape::new([outputs]))
}

/// `[..., size]` as `[rows, size]`.
fn rows<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let shape = x.shape();
    let [rows, size] = folded(&shape);
    if shape.num_dims() == 2 {
        return x;
    }
    B::float_reshape(x, Shape::new([rows, size]))
}

/// How many rows a tensor has, and how long they are.
pub(super) fn folded(shape: &Shape) -> [usize; 2] {
    let (size, leading) = match shape.as_slice().split_last() {
        Some((&size, leading)) => (size, leading),
        None => (1, &[][..]),
    };
    [leading.iter().product(), size]
}
