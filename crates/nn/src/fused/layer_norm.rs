//! Layer normalisation with the values its gradient needs, for any backend.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::Shape;

/// (output, normalised x, inverse standard deviation).
pub(super) fn forward_saving<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    epsilon: f64,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let rank = x.shape().num_dims();
    let mean = B::float_mean_dim(x.clone(), rank - 1);
    let centred = B::float_sub(x, mean);
    let square = B::float_mul(centred.clone(), centred.clone());
    let variance = B::float_mean_dim(square, rank - 1);
    let inverse_deviation =
        B::float_recip(B::float_sqrt(B::float_add_scalar(variance, epsilon.into())));
    let normalised = B::float_mul(centred, inverse_deviation.clone());
    let scaled = B::float_mul(normalised.clone(), along_last::<B>(gamma, rank));
    let output = B::float_add(scaled, along_last::<B>(beta, rank));
    (output, normalised, inverse_deviation)
}

/// With n the normalised x, s the inverse deviation and h = gamma·grad:
/// towards x: s·(h − mean(h) − n·mean(h·n)); towards gamma: Σ grad·n; towards beta: Σ grad.
pub(super) fn backward<B: Backend>(
    normalised: FloatTensor<B>,
    inverse_deviation: FloatTensor<B>,
    gamma: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let rank = grad.shape().num_dims();
    let towards_beta = over_rows::<B>(grad.clone());
    let towards_gamma = over_rows::<B>(B::float_mul(grad.clone(), normalised.clone()));

    let scaled = B::float_mul(grad, along_last::<B>(gamma, rank));
    let mean = B::float_mean_dim(scaled.clone(), rank - 1);
    let product = B::float_mul(scaled.clone(), normalised.clone());
    let slope = B::float_mean_dim(product, rank - 1);
    let rest = B::float_sub(B::float_sub(scaled, mean), B::float_mul(normalised, slope));
    (
        B::float_mul(rest, inverse_deviation),
        towards_gamma,
        towards_beta,
    )
}

/// `[size]` as `[1, …, 1, size]`.
fn along_last<B: Backend>(vector: FloatTensor<B>, rank: usize) -> FloatTensor<B> {
    let mut shape = vec![1; rank - 1];
    shape.push(vector.shape().num_elements());
    B::float_reshape(vector, Shape::from(shape))
}

/// The sum over all axes but the last, as `[size]`.
fn over_rows<B: Backend>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    let shape = tensor.shape();
    let size = shape[shape.num_dims() - 1];
    let rows = shape.num_elements() / size.max(1);
    let flat = B::float_reshape(tensor, Shape::new([rows, size]));
    B::float_reshape(B::float_sum_dim(flat, 0), Shape::new([size]))
}
