//! Dropout (Srivastava et al. 2014), in one place for all architectures.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::fused;
use crate::precision::in_float32;

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

    /// Whether [`Self::forward`] would drop entries of `input`.
    pub(crate) fn acts_on<const D: usize>(&self, input: &Tensor<D>) -> bool {
        let is_training = self.inner.training.is_enabled() && input.device().is_autodiff();
        is_training && self.inner.prob > 0.0
    }

    /// Drops entries while a model is trained; elsewhere nothing is done.
    ///
    /// # Shapes
    /// Any; returned as it came.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        if self.acts_on(&input) {
            in_float32(input, |input| fused::dropout(input, self.inner.prob))
        } else {
            input
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_testing::lock_generator;

    #[test]
    fn entries_are_dropped_at_the_rate_and_their_gradients_with_them() {
        let _guard = lock_generator();
        let count = 200_000;
        for (name, device) in kiln_testing::devices() {
            let device = device.autodiff();
            kiln_backend::seed(&device, 5);
            let input = Tensor::<1>::ones([count], &device).require_grad();
            let output = Dropout::new(0.1).forward(input.clone());
            let gradients = output.clone().sum().backward();
            let gradient = input.grad(&gradients).unwrap();
            let output = output.try_into_vec_as::<f32>().unwrap();
            assert_eq!(output, gradient.try_into_vec_as::<f32>().unwrap(), "{name}");
            let kept = output.iter().filter(|value| **value != 0.0).count() as f64;
            // Four standard errors of a share of 0.9 over 200,000 draws.
            let share = kept / count as f64;
            assert!(
                (share - 0.9).abs() < 4.0 * (0.09 / count as f64).sqrt(),
                "{name}: {share}"
            );
            let scale = 1.0f32 / 0.9;
            let is_right = |value: &f32| *value == 0.0 || (*value - scale).abs() < 1e-6;
            assert!(output.iter().all(is_right), "{name}");
        }
    }

    #[test]
    fn a_seed_repeats_what_is_dropped_and_two_calls_drop_differently() {
        let _guard = lock_generator();
        for (name, device) in kiln_testing::devices() {
            let device = device.autodiff();
            let drop = || {
                let input = Tensor::<2>::ones([64, 1000], &device);
                let output = Dropout::new(0.5).forward(input);
                output.try_into_vec_as::<f32>().unwrap()
            };
            kiln_backend::seed(&device, 5);
            let (first, second) = (drop(), drop());
            kiln_backend::seed(&device, 5);
            assert_eq!(first, drop(), "{name}");
            assert_ne!(first, second, "{name}");
        }
    }

    #[test]
    fn nothing_is_dropped_outside_of_training() {
        for (name, device) in kiln_testing::devices() {
            let input = Tensor::<1>::ones([100], &device);
            let output = Dropout::new(0.5).forward(input);
            let output = output.try_into_vec_as::<f32>().unwrap();
            assert_eq!(output, vec![1.0; 100], "{name}");
        }
    }
}
