//! The fused operations on libtorch: its own kernels where it has them, in place where it can.

use burn::backend::{
    LibTorch, TensorMetadata,
    libtorch::TchTensor,
    ops::ActivationOps,
    tensor::{BoolTensor, FloatTensor, IntTensor},
};

use super::{AdamWUpdate, FusedOps, Terms, relative};

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
        let lowest = super::softmax::lowest(scores.dtype());
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

    /// In place: Burn's scatter copies the zeros first.
    fn add_relative_backward(
        grad: FloatTensor<Self>,
        rows: IntTensor<Self>,
        starts: IntTensor<Self>,
        count: usize,
        kind: Terms,
    ) -> FloatTensor<Self> {
        let index = relative::index::<Self>(rows, starts, grad.shape(), kind).tensor;
        let grad = match kind {
            Terms::OfQuery => grad.tensor,
            Terms::OfKey => grad.tensor.transpose(2, 3),
        };
        let mut shape = grad.size();
        if let Some(last) = shape.last_mut() {
            *last = count as i64;
        }
        let mut towards = tch::Tensor::zeros(shape, (grad.kind(), grad.device()));
        TchTensor::new(towards.scatter_add_(3, &index, &grad))
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

    fn add_squared_sum(before: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let norm = x.tensor.flatten(0, -1).norm();
        TchTensor::new(before.tensor + norm.square())
    }

    fn adamw(
        value: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        update: AdamWUpdate,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (value, gradient) = (owned(value), owned(gradient));
        let (first, second) = (owned(first), owned(second));
        let count = value.tensor.numel() as i64;
        for start in (0..count).step_by(ADAMW_BLOCK) {
            let length = (count - start).min(ADAMW_BLOCK as i64);
            let block = |tensor: &TchTensor| tensor.tensor.narrow(0, start, length);
            let mut gradient = block(&gradient).g_mul_scalar_(update.scale);
            let first = block(&first).lerp_(&gradient, 1.0 - update.beta1);
            // addcmul_ and addcdiv_ take no factor here: it goes into an operand.
            let gradient = gradient.g_mul_scalar_((1.0 - update.beta2).sqrt());
            let mut second = block(&second).g_mul_scalar_(update.beta2);
            let second = second.addcmul_(&gradient, &gradient);
            // The gradient is used up: its memory takes the divisor.
            let mut divisor = second.sqrt_out(&gradient).g_add_scalar_(update.epsilon);
            let divisor = divisor.g_mul_scalar_(-1.0 / update.step_size);
            let mut value = block(&value).g_mul_scalar_(update.shrink);
            let _updated = value.addcdiv_(&first, &divisor);
        }
        (value, first, second)
    }
}

/// Elements updated at a time: small enough that all four tensors' parts stay in the cache through
/// the ten operations on them.
const ADAMW_BLOCK: usize = 1 << 17;

/// The tensor, or a copy if something else holds its memory.
fn owned(tensor: TchTensor) -> TchTensor {
    if tensor.can_mut() {
        tensor
    } else {
        TchTensor::new(tensor.tensor.copy())
    }
}
