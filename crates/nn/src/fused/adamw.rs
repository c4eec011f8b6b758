//! An update of AdamW, for any backend.

use burn::backend::{Backend, tensor::FloatTensor};

/// The scalars of an update. With gradient g:
///
/// ```text
/// m <- b1 m + (1 - b1) s g
/// v <- b2 v + (1 - b2) (s g)^2
/// p <- shrink p - step_size m / (sqrt(v) + epsilon)
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWUpdate {
    /// b1, the first moment's decay.
    pub beta1: f64,
    /// b2, the second moment's decay.
    pub beta2: f64,
    /// s, what the gradient is multiplied by to clip it.
    pub scale: f64,
    /// The learning rate, both bias corrections taken into it.
    pub step_size: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// 1 less the learning rate times the weight decay.
    pub shrink: f64,
}

/// (value, first moment, second moment) after the update.
pub(super) fn update<B: Backend>(
    value: FloatTensor<B>,
    gradient: FloatTensor<B>,
    first: FloatTensor<B>,
    second: FloatTensor<B>,
    update: AdamWUpdate,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let AdamWUpdate {
        beta1,
        beta2,
        scale,
        step_size,
        epsilon,
        shrink,
    } = update;
    let times = |tensor, factor: f64| B::float_mul_scalar(tensor, factor.into());
    let square = B::float_mul(gradient.clone(), gradient.clone());
    let square = times(square, (1.0 - beta2) * scale * scale);
    let first = B::float_add(times(first, beta1), times(gradient, (1.0 - beta1) * scale));
    let second = B::float_add(times(second, beta2), square);
    let root = B::float_add_scalar(B::float_sqrt(second.clone()), epsilon.into());
    let delta = B::float_div(times(first.clone(), step_size), root);
    let value = if shrink == 1.0 {
        value
    } else {
        times(value, shrink)
    };
    (B::float_sub(value, delta), first, second)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Tensor, TensorData};

    use super::*;
    use crate::fused::adamw;

    /// More than one block of a task, and no multiple of a vector's width.
    const COUNT: usize = 40_003;

    fn wave(phase: f64, amplitude: f64) -> Vec<f32> {
        let values = 0..COUNT;
        values
            .map(|i| ((i as f64 * 1.7 + phase).sin() * amplitude) as f32)
            .collect()
    }

    #[test]
    fn three_updates_are_those_of_the_definition_and_leave_shared_tensors_alone() {
        let update = AdamWUpdate {
            beta1: 0.9,
            beta2: 0.999,
            scale: 0.7,
            step_size: 1e-2,
            epsilon: 1e-6,
            shrink: 0.99,
        };
        let start = wave(0.0, 1.0);
        for (name, device) in kiln_testing::devices() {
            let upload = |values: &[f32]| {
                Tensor::<1>::from_data(TensorData::new(values.to_vec(), [COUNT]), &device)
            };
            let mut exact: Vec<[f64; 3]> = start.iter().map(|&p| [p.into(), 0.0, 0.0]).collect();
            let mut value = upload(&start);
            let (mut first, mut second) = (value.zeros_like(), value.zeros_like());
            let shared = value.clone();
            for step in 0..3 {
                let gradient = wave(f64::from(step), 0.1);
                let tensor = upload(&gradient);
                (value, first, second) = adamw(value, tensor, first, second, update);
                for ([p, m, v], &g) in exact.iter_mut().zip(&gradient) {
                    let g = update.scale * f64::from(g);
                    *m = update.beta1 * *m + (1.0 - update.beta1) * g;
                    *v = update.beta2 * *v + (1.0 - update.beta2) * g * g;
                    *p = update.shrink * *p - update.step_size * *m / (v.sqrt() + update.epsilon);
                }
            }
            // Values up to 1, moments up to 0.02 and 1e-5, a few roundings each.
            for (tensor, index, bound) in [(value, 0, 5e-7), (first, 1, 1e-8), (second, 2, 1e-11)] {
                let found = tensor.try_into_vec_as::<f32>().unwrap();
                for (place, (&found, exact)) in found.iter().zip(&exact).enumerate() {
                    let error = (f64::from(found) - exact[index]).abs();
                    assert!(error < bound, "{name} {index}[{place}]: off by {error:e}");
                }
            }
            assert_eq!(shared.try_into_vec_as::<f32>().unwrap(), start, "{name}");
        }
    }
}
