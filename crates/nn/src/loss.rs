//! Losses as sums: whoever knows the weight of the whole step divides, so that k micro-batches give
//! what one batch of k times the size gives.

use burn::tensor::{FloatDType, Int, IntDType, Tensor, assert_shape};

use crate::fused;
use crate::precision::widened;

/// `Σ weightᵢ · −log softmax(logitsᵢ)[labelᵢ]`, in float32 at least.
///
/// A row of weight 0 adds nothing and gets no gradient, whatever its label.
///
/// # Shapes
/// - `logits`: `[n, classes]`
/// - `labels`: `[n]`, each in `0..classes`
/// - `weights`: `[n]`, not negative; no gradient goes there
/// - returns `[1]`
///
/// # Panics
/// If those shapes do not hold: the caller's mistake.
pub fn cross_entropy_sum(
    logits: Tensor<2>,
    labels: Tensor<1, Int>,
    weights: Tensor<1>,
) -> Tensor<1> {
    let [n, _] = logits.dims();
    assert_shape!(labels, [n]);
    assert_shape!(weights, [n]);

    let logits = widened(logits);
    fused::cross_entropy(logits, labels, weights)
}

/// `Σ weightᵢ · −(labelᵢ log σ(logitᵢ) + (1 − labelᵢ) log(1 − σ(logitᵢ)))`, in float32 at least.
///
/// A row of weight 0 adds nothing and gets no gradient, whatever its label.
///
/// # Shapes
/// - `logits`: `[n]`
/// - `labels`: `[n]`, each from 0 to 1; no gradient goes there
/// - `weights`: `[n]`, not negative; no gradient goes there
/// - returns `[1]`
///
/// # Panics
/// If those shapes do not hold: the caller's mistake.
pub fn binary_cross_entropy_sum(
    logits: Tensor<1>,
    labels: Tensor<1>,
    weights: Tensor<1>,
) -> Tensor<1> {
    let [n] = logits.dims();
    assert_shape!(labels, [n]);
    assert_shape!(weights, [n]);

    let logits = widened(logits);
    // relu(x) − x·y + log(1 + e^−|x|), in which nothing overflows. relu and |x| are products with
    // constants: their own gradients at 0 are 0, and a logit of 0 would get −y and not σ(0) − y.
    let is_positive = logits.clone().greater_equal_elem(0.0).float();
    let is_positive = is_positive.cast(FloatDType::from(logits.dtype()));
    let sign = is_positive.clone().mul_scalar(2.0).sub_scalar(1.0);
    let log_term = (logits.clone() * sign).neg().exp().log1p();
    let losses = logits * (is_positive - labels) + log_term;
    (losses * weights).sum()
}

/// Σ weightᵢ over the rows whose highest logit is the label's: the numerator of an accuracy.
///
/// # Shapes
/// As in [`cross_entropy_sum`].
///
/// # Panics
/// If those shapes do not hold: the caller's mistake.
pub fn correct_sum(logits: Tensor<2>, labels: Tensor<1, Int>, weights: Tensor<1>) -> Tensor<1> {
    let [n, _] = logits.dims();
    assert_shape!(labels, [n]);
    assert_shape!(weights, [n]);

    let best = logits
        .argmax(1)
        .reshape([n])
        .cast(IntDType::from(labels.dtype()));
    let is_correct = best
        .equal(labels)
        .float()
        .cast(FloatDType::from(weights.dtype()));
    (is_correct * weights).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correct_rows_count_by_their_weight() {
        for (_, device) in kiln_testing::devices() {
            let logits =
                Tensor::<2>::from_data([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], &device);
            let labels = Tensor::<1, Int>::from_data([1, 0, 0, 0], &device);
            let weights = Tensor::<1>::from_data([1.0, 0.5, 1.0, 0.0], &device);
            let correct = correct_sum(logits, labels, weights);
            assert_eq!(correct.try_into_vec_as::<f32>().unwrap(), [1.5]);
        }
    }

    /// Value and gradient of `binary_cross_entropy_sum`.
    fn binary(device: &burn::tensor::Device, rows: &[(f32, f32, f32)]) -> (f32, Vec<f32>) {
        let device = device.clone().autodiff();
        let column = |of: fn(&(f32, f32, f32)) -> f32| {
            let values: Vec<f32> = rows.iter().map(of).collect();
            Tensor::<1>::from_data(values.as_slice(), &device)
        };
        let logits = column(|row| row.0).require_grad();
        let loss =
            binary_cross_entropy_sum(logits.clone(), column(|row| row.1), column(|row| row.2));
        let gradient = logits.grad(&loss.backward()).unwrap();
        (
            loss.inner().try_into_vec_as::<f32>().unwrap()[0],
            gradient.try_into_vec_as::<f32>().unwrap(),
        )
    }

    /// Huge logits of either sign must not overflow, and 0 must not lose its gradient.
    #[test]
    fn binary_cross_entropy_is_the_sigmoids_from_end_to_end() {
        for (name, device) in kiln_testing::devices() {
            for logit in [
                -200.0f32, -30.0, -9.5, -1.0, -1e-3, 0.0, 1e-3, 1.0, 9.5, 30.0, 200.0,
            ] {
                for label in [0.0f32, 0.25, 1.0] {
                    let (loss, gradient) = binary(&device, &[(logit, label, 0.5)]);
                    let (x, y) = (f64::from(logit), f64::from(label));
                    let sigmoid = 1.0 / (1.0 + (-x).exp());
                    let softplus = x.max(0.0) + (-x.abs()).exp().ln_1p();
                    let close = |actual: f32, expected: f64, what: &str| {
                        let error = (f64::from(actual) - expected).abs();
                        assert!(
                            error <= 1e-6 * expected.abs() + 1e-7,
                            "{name}: logit {logit}, label {label}: {what} {actual}, not {expected}"
                        );
                    };
                    close(loss, 0.5 * (softplus - x * y), "loss");
                    close(gradient[0], 0.5 * (sigmoid - y), "gradient");
                }
            }
        }
    }

    #[test]
    fn a_binary_row_of_weight_zero_adds_nothing_whatever_its_label() {
        for (_, device) in kiln_testing::devices() {
            let run = |label: f32| binary(&device, &[(1.5, 1.0, 0.5), (-0.5, label, 0.0)]);
            assert_eq!(run(0.0), run(1.0));
            assert_eq!(run(1.0).1[1], 0.0);
        }
    }

    #[test]
    fn a_row_of_weight_zero_adds_nothing_whatever_its_label() {
        for (_, device) in kiln_testing::devices() {
            let device = device.autodiff();
            let run = |label: i32| {
                let logits = Tensor::<2>::from_data([[1.0, -2.0, 0.5], [3.0, 0.0, 9.0]], &device)
                    .require_grad();
                let labels = Tensor::<1, Int>::from_data([2, label], &device);
                let weights = Tensor::<1>::from_data([0.5, 0.0], &device);
                let loss = cross_entropy_sum(logits.clone(), labels, weights);
                let gradients = loss.clone().backward();
                let gradient = logits.grad(&gradients).unwrap();
                (
                    loss.try_into_vec_as::<f32>().unwrap(),
                    gradient.try_into_vec_as::<f32>().unwrap(),
                )
            };
            let (loss, gradient) = run(0);
            assert_eq!((loss, gradient.clone()), run(2));
            assert_eq!(gradient.split_at(3).1, [0.0; 3]);
        }
    }
}
