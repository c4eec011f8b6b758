//! The weighted sum of cross-entropies and its gradient.

use rayon::prelude::*;

use super::math::{exp, highest, sum_of, vectorised};

/// (weighted sum, logsumexp of each row).
pub(super) fn forward(
    logits: &[f32],
    classes: usize,
    labels: &[usize],
    weights: &[f32],
) -> (f32, Vec<f32>) {
    let rows = logits.par_chunks_exact(classes.max(1));
    let log_sums: Vec<f32> = rows
        .map(|row| {
            vectorised!({
                let highest = highest(row);
                highest + sum_of(row, |x| exp(x - highest)).ln()
            })
        })
        .collect();
    let rows = logits.chunks_exact(classes.max(1)).zip(&log_sums);
    let sum: f64 = rows
        .zip(labels.iter().zip(weights))
        .filter(|(_, (_, weight))| **weight != 0.0)
        .map(|((row, &log_sum), (&label, &weight))| {
            f64::from(weight) * (f64::from(log_sum) - f64::from(row[label]))
        })
        .sum();
    (sum as f32, log_sums)
}

/// The gradient, in place of the logits.
pub(super) fn backward(
    logits: &mut [f32],
    classes: usize,
    labels: &[usize],
    weights: &[f32],
    log_sums: &[f32],
    factor: f32,
) {
    let rows = logits
        .par_chunks_exact_mut(classes.max(1))
        .zip(labels)
        .zip(weights)
        .zip(log_sums);
    rows.for_each(|(((row, &label), &weight), &log_sum)| {
        vectorised!({
            if weight == 0.0 {
                row.fill(0.0);
                return;
            }
            let factor = factor * weight;
            for x in row.iter_mut() {
                *x = factor * exp(*x - log_sum);
            }
            row[label] -= factor;
        })
    });
}
