//! The fused operations on libtorch: its own kernels where it has them, in place where it can.

use burn::backend::{
    LibTorch,
    libtorch::TchTensor,
    ops::ActivationOps,
    tensor::{BoolTensor, FloatTensor, IntTensor},
};

use super::FusedOps;

impl FusedOps for LibTorch {
    fn gelu_erf(x: FloatTensor<Self>) -> FloatTensor<Self> {
        <Self as ActivationOps<Self>>::gelu(x)
    }

    fn gelu_erf_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        <Self as ActivationOps<Self>>::gelu_backward(x, grad)
    }

    fn scaled_softmax(scores: FloatTensor<Self>, scale: f64) -> FloatTensor<Self> {
        TchTensor::new((scores.tensor * scale).softmax(-1, None))
    }

    fn masked_softmax(
        scores: FloatTensor<Self>,
        is_hidden: BoolTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        let lowest = super::softmax::lowest(burn::backend::TensorMetadata::dtype(&scores));
        let mut scaled = scores.tensor * scale;
        let scaled = scaled.masked_fill_(&is_hidden.tensor, lowest);
        TchTensor::new(scaled.softmax(-1, None))
    }

    fn softmax_backward(
        output: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        let (output, grad) = (output.tensor, grad.tensor);
        let kind = output.kind();
        let mut towards = tch::Tensor::internal_softmax_backward_data(&grad, &output, -1, kind);
        TchTensor::new(towards.g_mul_scalar_(scale))
    }

    fn layer_normalised_saving(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let size = gamma.tensor.numel() as i64;
        let none = None::<&tch::Tensor>;
        let (normalised, _, inverse) = x.tensor.native_layer_norm([size], none, none, epsilon);
        let output = beta.tensor.addcmul(&normalised, &gamma.tensor);
        (
            TchTensor::new(output),
            TchTensor::new(normalised),
            TchTensor::new(inverse),
        )
    }

    /// Saved is libtorch's own mask, of Booleans.
    fn dropout_saving(x: FloatTensor<Self>, prob: f64) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (output, mask) = x.tensor.native_dropout(prob, true);
        (TchTensor::new(output), TchTensor::new(mask))
    }

    fn dropout_backward(
        saved: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        prob: f64,
    ) -> FloatTensor<Self> {
        let scale = 1.0 / (1.0 - prob);
        let grad = tch::Tensor::native_dropout_backward(&grad.tensor, &saved.tensor, scale);
        TchTensor::new(grad)
    }

    fn cross_entropy_backward(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
        weights: FloatTensor<Self>,
        log_sums: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let factors = (weights.tensor * grad.tensor).unsqueeze(1);
        let mut towards = logits.tensor - log_sums.tensor;
        let mut towards = towards.exp_();
        let mut towards = towards.g_mul_(&factors);
        let labels = labels.tensor.unsqueeze(1);
        TchTensor::new(towards.scatter_add_(1, &labels, &factors.neg()))
    }
}
