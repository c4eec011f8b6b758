//! Losses as sums: whoever knows the weight of the whole step divides, so that k micro-batches give
//! what one batch of k times the size gives.

use burn::tensor::{DType, FloatDType, Int, IntDType, Tensor, assert_shape};

use crate::fused;

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

    let logits = match logits.dtype() {
        DType::F16 | DType::BF16 => logits.cast(FloatDType::F32),
        _ => logits,
    };
    fused::cross_entropy(logits, labels, weights)
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
