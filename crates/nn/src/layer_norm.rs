//! Layer normalisation (Ba et al. 2016): each vector brought to mean 0 and variance 1, then scaled
//! and shifted. The variance is the biased one and epsilon stands inside the root, as everywhere in
//! the BERT family.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, assert_shape};

use crate::precision::{like, widened};
use crate::{Dropout, fused};

/// Normalises over the last axis.
///
/// The fields have Burn's names, so that whatever knows Burn's layer by its name knows this one.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Gain `[size]`; Hugging Face's `weight`.
    pub gamma: Param<Tensor<1>>,
    /// Shift `[size]`; Hugging Face's `bias`.
    pub beta: Param<Tensor<1>>,
    #[module(skip)]
    epsilon: f64,
}

impl LayerNorm {
    /// A normalisation with gain one and shift zero.
    pub fn new(size: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            gamma: Param::from_tensor(Tensor::ones([size], device)),
            beta: Param::from_tensor(Tensor::zeros([size], device)),
            epsilon,
        }
    }

    /// Normalises the last axis, then applies gain and shift.
    ///
    /// # Shapes
    /// - `hidden_states`: `[..., size]`
    /// - returns the same, of the gain's float type
    ///
    /// # Panics
    /// If the last axis is not `size`: the caller's mistake.
    pub fn forward<const D: usize>(&self, hidden_states: Tensor<D>) -> Tensor<D> {
        let gamma = self.gamma.val();
        let [size] = gamma.dims();
        assert_shape!(hidden_states, [.., size]);
        let (gain, shift) = (widened(gamma.clone()), widened(self.beta.val()));
        let normalised = fused::layer_norm(widened(hidden_states), gain, shift, self.epsilon);
        like(normalised, &gamma)
    }

    /// Normalises residual + branch, entries of the branch dropped before while a model is trained: what ends
    /// a block of a post-norm layer, in one pass.
    ///
    /// # Shapes
    /// - `branch`, `residual`: `[..., size]`
    /// - returns the same, of the gain's float type
    ///
    /// # Panics
    /// If the last axis is not `size`, or the two differ: the caller's mistake.
    pub fn forward_residual<const D: usize>(
        &self,
        branch: Tensor<D>,
        residual: Tensor<D>,
        dropout: &Dropout,
    ) -> Tensor<D> {
        let gamma = self.gamma.val();
        let [size] = gamma.dims();
        assert_shape!(branch, [.., size]);
        assert_eq!(branch.shape(), residual.shape(), "branch and residual");
        let prob = if dropout.acts_on(&branch) {
            dropout.prob()
        } else {
            0.0
        };
        let affine = [widened(gamma.clone()), widened(self.beta.val())];
        let (branch, residual) = (widened(branch), widened(residual));
        let normalised = fused::residual_layer_norm(branch, residual, affine, self.epsilon, prob);
        like(normalised, &gamma)
    }
}
