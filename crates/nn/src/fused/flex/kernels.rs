//! The loops, on plain slices.

use rayon::prelude::*;

use super::super::AdamWUpdate;
use super::math::{exp, normal_density, normal_distribution, sum_of, vectorised};

/// Elements a task works on: small enough for the second cache, large enough to be worth a task.
pub(super) const BLOCK: usize = 1 << 14;

/// Entries of a row that are worked on side by side.
pub(super) const LANES: usize = 16;

/// Rows a task works on.
pub(super) fn rows_per_block(row: usize) -> usize {
    (BLOCK / row.max(1)).max(1)
}

pub(super) fn gelu(x: &[f32]) -> Vec<f32> {
    let mut output = vec![0.0; x.len()];
    let blocks = output.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK));
    blocks.for_each(|(output, x)| {
        vectorised!({
            for (o, &x) in output.iter_mut().zip(x) {
                *o = x * normal_distribution(x);
            }
        })
    });
    output
}

pub(super) fn gelu_backward(x: &[f32], grad: &[f32]) -> Vec<f32> {
    let mut towards = vec![0.0; x.len()];
    let blocks = towards
        .par_chunks_mut(BLOCK)
        .zip(x.par_chunks(BLOCK))
        .zip(grad.par_chunks(BLOCK));
    blocks.for_each(|((towards, x), grad)| {
        vectorised!({
            for ((t, &x), &g) in towards.iter_mut().zip(x).zip(grad) {
                *t = g * (normal_distribution(x) + x * normal_density(x));
            }
        })
    });
    towards
}

/// A mask of the scores' shape whose axes may have stride zero.
pub(super) struct Mask<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) start: usize,
    pub(super) shape: &'a [usize],
    pub(super) strides: &'a [isize],
}

impl Mask<'_> {
    /// Where row number `row` begins, and the step from key to key.
    fn row(&self, mut row: usize) -> (usize, isize) {
        let mut at = self.start as isize;
        let axes = self.shape.iter().zip(self.strides).rev();
        for (&size, &stride) in axes.skip(1) {
            at += (row % size) as isize * stride;
            row /= size;
        }
        (at as usize, self.strides.last().copied().unwrap_or(0))
    }

    /// Puts the lowest number where the mask is set.
    fn apply(&self, row: usize, scores: &mut [f32]) {
        let (start, step) = self.row(row);
        if step == 1 {
            let hidden = &self.bytes[start..start + scores.len()];
            for (score, &hidden) in scores.iter_mut().zip(hidden) {
                *score = if hidden != 0 { f32::MIN } else { *score };
            }
            return;
        }
        for (index, score) in scores.iter_mut().enumerate() {
            let at = start as isize + index as isize * step;
            if self.bytes[at as usize] != 0 {
                *score = f32::MIN;
            }
        }
    }
}

pub(super) fn softmax(x: &[f32], row: usize, scale: f32, mask: Option<&Mask<'_>>) -> Vec<f32> {
    let mut output = vec![0.0; x.len()];
    if x.is_empty() {
        return output;
    }
    let rows = rows_per_block(row);
    let blocks = output
        .par_chunks_mut(rows * row)
        .zip(x.par_chunks(rows * row))
        .enumerate();
    blocks.for_each(|(block, (output, x))| {
        vectorised!({
            let pairs = output.chunks_exact_mut(row).zip(x.chunks_exact(row));
            for (index, (output, x)) in pairs.enumerate() {
                for (o, &x) in output.iter_mut().zip(x) {
                    *o = scale * x;
                }
                if let Some(mask) = mask {
                    mask.apply(block * rows + index, output);
                }
                let highest = highest(output);
                for o in output.iter_mut() {
                    *o = exp(*o - highest);
                }
                let inverse = 1.0 / sum_of(output, |o| o);
                for o in output.iter_mut() {
                    *o *= inverse;
                }
            }
        })
    });
    output
}

pub(super) fn softmax_backward(output: &[f32], grad: &[f32], row: usize, scale: f32) -> Vec<f32> {
    let mut towards = vec![0.0; output.len()];
    if output.is_empty() {
        return towards;
    }
    let size = rows_per_block(row) * row;
    let blocks = towards
        .par_chunks_mut(size)
        .zip(output.par_chunks(size))
        .zip(grad.par_chunks(size));
    blocks.for_each(|((towards, output), grad)| {
        vectorised!({
            let rows = towards
                .chunks_exact_mut(row)
                .zip(output.chunks_exact(row))
                .zip(grad.chunks_exact(row));
            for ((towards, output), grad) in rows {
                for ((t, &y), &g) in towards.iter_mut().zip(output).zip(grad) {
                    *t = y * g;
                }
                let share = sum_of(towards, |t| t);
                for ((t, &y), &g) in towards.iter_mut().zip(output).zip(grad) {
                    *t = scale * y * (g - share);
                }
            }
        })
    });
    towards
}

/// (output, normalised x, inverse deviation of each row).
pub(super) fn layer_norm(
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let row = gamma.len();
    let mut output = vec![0.0; x.len()];
    let mut normalised = vec![0.0; x.len()];
    let mut inverse_deviations = vec![0.0; x.len() / row.max(1)];
    if x.is_empty() {
        return (output, normalised, inverse_deviations);
    }
    let rows = rows_per_block(row);
    let blocks = output
        .par_chunks_mut(rows * row)
        .zip(normalised.par_chunks_mut(rows * row))
        .zip(inverse_deviations.par_chunks_mut(rows))
        .zip(x.par_chunks(rows * row));
    let share = 1.0 / row as f32;
    blocks.for_each(|(((output, normalised), inverse_deviations), x)| {
        vectorised!({
            let rows = output
                .chunks_exact_mut(row)
                .zip(normalised.chunks_exact_mut(row))
                .zip(inverse_deviations)
                .zip(x.chunks_exact(row));
            for (((output, normalised), inverse_deviation), x) in rows {
                let mean = share * sum_of(x, |x| x);
                let variance = share * sum_of(x, |x| (x - mean) * (x - mean));
                let inverse = 1.0 / (variance + epsilon).sqrt();
                *inverse_deviation = inverse;
                for (n, &x) in normalised.iter_mut().zip(x) {
                    *n = (x - mean) * inverse;
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
pub(super) fn layer_norm_backward(
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

/// (weighted sum, logsumexp of each row).
pub(super) fn cross_entropy(
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

pub(super) fn cross_entropy_backward(
    logits: &[f32],
    classes: usize,
    labels: &[usize],
    weights: &[f32],
    log_sums: &[f32],
    factor: f32,
) -> Vec<f32> {
    let mut towards = vec![0.0; logits.len()];
    let rows = towards
        .par_chunks_exact_mut(classes.max(1))
        .zip(logits.par_chunks_exact(classes.max(1)))
        .zip(labels)
        .zip(weights)
        .zip(log_sums);
    rows.for_each(|((((towards, row), &label), &weight), &log_sum)| {
        vectorised!({
            if weight == 0.0 {
                return;
            }
            let factor = factor * weight;
            for (t, &x) in towards.iter_mut().zip(row) {
                *t = factor * exp(x - log_sum);
            }
            towards[label] -= factor;
        })
    });
    towards
}

/// Σ x², block by block: partial sums of blocks are added in order, in double precision.
pub(super) fn squared_sum(x: &[f32]) -> f32 {
    let blocks = x.par_chunks(BLOCK);
    let blocks: Vec<f32> = blocks.map(|x| vectorised!(sum_of(x, |x| x * x))).collect();
    blocks.iter().map(|&sum| f64::from(sum)).sum::<f64>() as f32
}

/// One update of AdamW in place.
pub(super) fn adamw(
    value: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    update: &AdamWUpdate,
) {
    let (decay1, share1) = (update.beta1 as f32, (1.0 - update.beta1) * update.scale);
    let (decay2, share2) = (
        update.beta2 as f32,
        (1.0 - update.beta2) * update.scale.powi(2),
    );
    let (share1, share2) = (share1 as f32, share2 as f32);
    let (step_size, epsilon) = (update.step_size as f32, update.epsilon as f32);
    let shrink = update.shrink as f32;
    let blocks = value
        .par_chunks_mut(BLOCK)
        .zip(gradient.par_chunks(BLOCK))
        .zip(first.par_chunks_mut(BLOCK))
        .zip(second.par_chunks_mut(BLOCK));
    blocks.for_each(|(((value, gradient), first), second)| {
        vectorised!({
            let moments = first.iter_mut().zip(second);
            for ((p, &g), (m, v)) in value.iter_mut().zip(gradient).zip(moments) {
                *m = decay1 * *m + share1 * g;
                *v = decay2 * *v + share2 * (g * g);
                *p = shrink * *p - step_size * *m / (v.sqrt() + epsilon);
            }
        })
    });
}

pub(super) fn highest(row: &[f32]) -> f32 {
    let (blocks, rest) = row.as_chunks::<16>();
    let mut lanes = [f32::NEG_INFINITY; 16];
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane = if x > *lane { x } else { *lane };
        }
    }
    let lanes = lanes.iter().chain(rest);
    lanes.fold(f32::NEG_INFINITY, |highest, &x| highest.max(x))
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<16>();
    let (b_blocks, b_rest) = b.as_chunks::<16>();
    let mut lanes = [0.0; 16];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for (lane, (&a, &b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(&a, &b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

fn added(mut sums: Vec<f32>, more: &[f32]) -> Vec<f32> {
    for (sum, &more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::drawn::dropout;
    use super::*;

    fn wave(len: usize, phase: f32) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * 1.7 + phase).sin()).collect()
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let (rows, row) = (700, 75);
        let (x, grad) = (wave(rows * row, 0.0), wave(rows * row, 1.0));
        let (gamma, beta) = (wave(row, 2.0), wave(row, 3.0));
        let labels: Vec<usize> = (0..rows).map(|r| r % row).collect();
        let weights = vec![1.0; rows];
        let all = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| {
                let (output, normalised, inverse) = layer_norm(&x, &gamma, &beta, 1e-12);
                let (loss, log_sums) = cross_entropy(&x, row, &labels, &weights);
                (
                    (gelu(&x), gelu_backward(&x, &grad)),
                    softmax(&x, row, 0.5, None),
                    softmax_backward(&x, &grad, row, 0.5),
                    layer_norm_backward(&normalised, &inverse, &gamma, &grad),
                    cross_entropy_backward(&x, row, &labels, &weights, &log_sums, 1.0),
                    (output, loss, dropout(&x, &[0.1, 0.2, 0.3, 0.4], 0.1)),
                    squared_sum(&x),
                )
            })
        };
        assert_eq!(all(1), all(3));
    }
}
