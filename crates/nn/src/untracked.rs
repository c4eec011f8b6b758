//! Values without their graph.

use burn::tensor::Tensor;

/// A tensor of the same values without its graph: measures and samples must not keep it, and one of
/// their own would never see a backward pass, which alone frees it.
pub fn untracked<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.is_autodiff() {
        tensor.inner()
    } else {
        tensor
    }
}
