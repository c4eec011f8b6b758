//! Dropout (Srivastava et al. 2014), in one place for all architectures.

use burn::module::Module;
use burn::tensor::Tensor;

/// Zeroes each entry with probability `prob` and scales the rest by 1 / (1 - `prob`).
///
/// Acts only on an autodiff device and while the module trains, so evaluation on a plain device
/// never drops anything. The random numbers are the device's: seed it from (seed, step) before each
/// micro-step and a resumed run drops the same entries.
#[derive(Module, Debug)]
pub struct Dropout {
    inner: burn::nn::Dropout,
}

impl Dropout {
    /// # Panics
    /// If `prob` is not in [0, 1): configurations are validated before they come here.
    pub fn new(prob: f64) -> Self {
        Self {
            inner: burn::nn::DropoutConfig::new(prob).init(),
        }
    }

    /// The probability of dropping an entry.
    pub fn prob(&self) -> f64 {
        self.inner.prob
    }

    /// # Shapes
    /// Any; returned as it came.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        self.inner.forward(input)
    }
}
