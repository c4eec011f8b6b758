//! Layer normalisation of a tensor, or of a branch that is added to a residual.

use burn::backend::{TensorMetadata, flex::FlexTensor};
use burn::tensor::{DType, Shape};
use rayon::prelude::*;

use super::blocks::rows_per_block;
use super::drawn::Drops;
use super::math::{dot, sum_of, vectorised};
use super::operands::{Values, last, owned, tensor};

/// (output, what is normalised, 1/√(variance + epsilon) of each row) for x, or for x with some entries
/// dropped added to a residual; `None` for another float type than float32, and for a residual of another
/// shape.
pub(super) fn forward_of(
    (x, residual, drops): (&FlexTensor, Option<&FlexTensor>, Option<&Drops>),
    gamma: &FlexTensor,
    beta: &FlexTensor,
    epsilon: f64,
) -> Option<(FlexTensor, FlexTensor, FlexTensor)> {
    let shape = x.shape();
    if residual.is_some_and(|residual| residual.shape() != shape) {
        return None;
    }
    let (x, gamma, beta) = (Values::of(x)?, Values::of(gamma)?, Values::of(beta)?);
    let residual = match residual {
        Some(residual) => Some(Values::of(residual)?),
        None => None,
    };
    let branch = Branch {
        x: x.slice(),
        residual: residual.as_ref().map(Values::slice),
        drops,
    };
    let (output, normalised, inverse_deviation) =
        forward(&branch, gamma.slice(), beta.slice(), epsilon as f32);
    let mut one_a_row = shape.clone();
    let axis = one_a_row.num_dims() - 1;
    one_a_row[axis] = 1;
    Some((
        tensor(output, shape.clone()),
        tensor(normalised, shape),
        tensor(inverse_deviation, one_a_row),
    ))
}

/// The gradients of [`forward_of`] towards (x or the sum, gamma, beta, the branch if entries of it were
/// dropped).
///
/// # Errors
/// Gives the gradient towards the output back where a tensor is of another float type than float32.
pub(super) fn backward_of(
    normalised: &FlexTensor,
    inverse_deviation: &FlexTensor,
    gamma: &FlexTensor,
    grad: FlexTensor,
    drops: Option<&Drops>,
) -> Result<(FlexTensor, FlexTensor, FlexTensor, Option<FlexTensor>), FlexTensor> {
    let operands = (
        Values::of(normalised),
        Values::of(inverse_deviation),
        Values::of(gamma),
    );
    let (Some(normalised), Some(inverse_deviation), Some(gamma)) = operands else {
        return Err(grad);
    };
    if grad.dtype() != DType::F32 {
        return Err(grad);
    }
    let shape = grad.shape();
    let mut grad = owned(grad);
    let mut branch = vec![
        0.0;
        if drops.is_some() {
            shape.num_elements()
        } else {
            0
        }
    ];
    let (towards_gamma, towards_beta) = backward(
        normalised.slice(),
        inverse_deviation.slice(),
        gamma.slice(),
        grad.storage_mut(),
        drops.map(|drops| (branch.as_mut_slice(), drops)),
    );
    let size = Shape::new([last(&shape)]);
    Ok((
        grad,
        tensor(towards_gamma, size.clone()),
        tensor(towards_beta, size),
        drops.map(|_| tensor(branch, shape)),
    ))
}

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

/// The gradients towards (gamma, beta); that towards x takes the place of that towards the output. Where x
/// is a sum of a residual and of a branch with dropped entries, that towards the branch is written as well.
pub(super) fn backward(
    normalised: &[f32],
    inverse_deviations: &[f32],
    gamma: &[f32],
    grad: &mut [f32],
    branch: Option<(&mut [f32], &Drops)>,
) -> (Vec<f32>, Vec<f32>) {
    let row = gamma.len();
    if grad.is_empty() {
        return (vec![0.0; row], vec![0.0; row]);
    }
    let rows = rows_per_block(row);
    let share = 1.0 / row as f32;
    let (branch, drops) = branch.unzip();
    let branch: Vec<Option<&mut [f32]>> = match branch {
        Some(branch) => branch.chunks_mut(rows * row).map(Some).collect(),
        None => (0..grad.len().div_ceil(rows * row)).map(|_| None).collect(),
    };
    let partial: Vec<(Vec<f32>, Vec<f32>)> = grad
        .par_chunks_mut(rows * row)
        .zip(branch)
        .zip(normalised.par_chunks(rows * row))
        .zip(inverse_deviations.par_chunks(rows))
        .enumerate()
        .map(
            |(block, (((grad, branch), normalised), inverse_deviations))| {
                vectorised!({
                    let mut towards_gamma = vec![0.0; row];
                    let mut towards_beta = vec![0.0; row];
                    let entries = grad
                        .chunks_exact_mut(row)
                        .zip(normalised.chunks_exact(row))
                        .zip(inverse_deviations);
                    for ((grad, normalised), &inverse) in entries {
                        let sums = towards_gamma.iter_mut().zip(&mut towards_beta);
                        for ((gain, shift), (&g, &n)) in sums.zip(grad.iter().zip(normalised)) {
                            *gain += g * n;
                            *shift += g;
                        }
                        for (g, &gain) in grad.iter_mut().zip(gamma) {
                            *g *= gain;
                        }
                        let mean = share * sum_of(grad, |g| g);
                        let slope = share * dot(grad, normalised);
                        for (g, &n) in grad.iter_mut().zip(normalised) {
                            *g = inverse * (*g - mean - n * slope);
                        }
                    }
                    if let (Some(branch), Some(drops)) = (branch, drops) {
                        branch.copy_from_slice(grad);
                        drops.apply(block * rows * row, branch);
                    }
                    (towards_gamma, towards_beta)
                })
            },
        )
        .collect();
    partial.into_iter().fold(
        (vec![0.0; row], vec![0.0; row]),
        |(gains, shifts), (gain, shift)| (added(gains, &gain), added(shifts, &shift)),
    )
}

fn added(mut sums: Vec<f32>, more: &[f32]) -> Vec<f32> {
    for (sum, &more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
    sums
}
