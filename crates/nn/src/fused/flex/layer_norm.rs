//! Layer normalisation of a tensor, or of a branch that is added to a residual.

use rayon::prelude::*;

use super::blocks::rows_per_block;
use super::drawn::Drops;
use super::math::{dot, sum_of, vectorised};

/// What is normalised: x, or x with some entries dropped added to a residual.
pub(super) struct Branch<'a> {
    pub(super) x: &'a [f32],
    pub(super) residual: Option<&'a [f32]>,
    pub(super) drops: Option<&'a Drops>,
}

impl Branch<'_> {
    /// Writes the entries from `place` on into `sum`.
    #[inline(always)]
    fn write(&self, place: usize, sum: &mut [f32]) {
        sum.copy_from_slice(&self.x[place..place + sum.len()]);
        if let Some(drops) = self.drops {
            drops.apply(place, sum);
        }
        if let Some(residual) = self.residual {
            let residual = &residual[place..place + sum.len()];
            for (s, &r) in sum.iter_mut().zip(residual) {
                *s += r;
            }
        }
    }
}

/// (output, normalised x, inverse deviation of each row).
pub(super) fn forward(
    branch: &Branch<'_>,
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let row = gamma.len();
    let mut output = vec![0.0; branch.x.len()];
    let mut normalised = vec![0.0; branch.x.len()];
    let mut inverse_deviations = vec![0.0; branch.x.len() / row.max(1)];
    if branch.x.is_empty() {
        return (output, normalised, inverse_deviations);
    }
    let rows = rows_per_block(row);
    let blocks = output
        .par_chunks_mut(rows * row)
        .zip(normalised.par_chunks_mut(rows * row))
        .zip(inverse_deviations.par_chunks_mut(rows))
        .enumerate();
    let share = 1.0 / row as f32;
    blocks.for_each(|(block, ((output, normalised), inverse_deviations))| {
        vectorised!({
            branch.write(block * rows * row, normalised);
            let rows = output
                .chunks_exact_mut(row)
                .zip(normalised.chunks_exact_mut(row))
                .zip(inverse_deviations);
            for ((output, normalised), inverse_deviation) in rows {
                let mean = share * sum_of(normalised, |x| x);
                let variance = share * sum_of(normalised, |x| (x - mean) * (x - mean));
                let inverse = 1.0 / (variance + epsilon).sqrt();
                *inverse_deviation = inverse;
                for n in normalised.iter_mut() {
                    *n = (*n - mean) * inverse;
                }
                let scaled = output.iter_mut().zip(&*normalised);
                for ((o, &n), (&g, &b)) in scaled.zip(gamma.iter().zip(beta)) {
                    *o = n * g + b;
                }
            }
        })
    });
    (output, normalised, inverse_deviations)
}

/// The gradients towards (x, gamma, beta).
pub(super) fn backward(
    normalised: &[f32],
    inverse_deviations: &[f32],
    gamma: &[f32],
    grad: &[f32],
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let row = gamma.len();
    let mut towards_x = vec![0.0; grad.len()];
    if grad.is_empty() {
        return (towards_x, vec![0.0; row], vec![0.0; row]);
    }
    let rows = rows_per_block(row);
    let share = 1.0 / row as f32;
    let partial: Vec<(Vec<f32>, Vec<f32>)> = towards_x
        .par_chunks_mut(rows * row)
        .zip(normalised.par_chunks(rows * row))
        .zip(grad.par_chunks(rows * row))
        .zip(inverse_deviations.par_chunks(rows))
        .map(|(((towards_x, normalised), grad), inverse_deviations)| {
            vectorised!({
                let mut towards_gamma = vec![0.0; row];
                let mut towards_beta = vec![0.0; row];
                let rows = towards_x
                    .chunks_exact_mut(row)
                    .zip(normalised.chunks_exact(row))
                    .zip(grad.chunks_exact(row))
                    .zip(inverse_deviations);
                for (((towards, normalised), grad), &inverse) in rows {
                    for ((t, &g), &gain) in towards.iter_mut().zip(grad).zip(gamma) {
                        *t = g * gain;
                    }
                    let mean = share * sum_of(towards, |t| t);
                    let slope = share * dot(towards, normalised);
                    for (t, &n) in towards.iter_mut().zip(normalised) {
                        *t = inverse * (*t - mean - n * slope);
                    }
                    let sums = towards_gamma.iter_mut().zip(&mut towards_beta);
                    for ((gain, shift), (&g, &n)) in sums.zip(grad.iter().zip(normalised)) {
                        *gain += g * n;
                        *shift += g;
                    }
                }
                (towards_gamma, towards_beta)
            })
        })
        .collect();
    let (towards_gamma, towards_beta) = partial.into_iter().fold(
        (vec![0.0; row], vec![0.0; row]),
        |(gains, shifts), (gain, shift)| (added(gains, &gain), added(shifts, &shift)),
    );
    (towards_x, towards_gamma, towards_beta)
}

fn added(mut sums: Vec<f32>, more: &[f32]) -> Vec<f32> {
    for (sum, &more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
    sums
}
