//! The weighted sum of cross-entropies, a cube a row.

use burn::tensor::Shape;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::operands::{Floats, Integers};
use super::rows::{highest_of_units, per_row, sum_over_units};
use super::sums::sum;

/// (sum as `[1]`, logsumexp of each row as `[n, 1]`).
pub(super) fn forward_saving(
    logits: &Floats,
    labels: &Integers,
    weights: &Floats,
) -> (CubeTensor, CubeTensor) {
    let (rows, classes) = logits.rows();
    let losses = logits.empty_of(Shape::new([rows]));
    let log_sums = logits.empty_of(Shape::new([rows, 1]));
    let (count, dim) = per_row(&losses, rows, classes);
    kernel::launch(
        &losses.client,
        count,
        dim,
        logits.arg(),
        labels.arg(),
        weights.arg(),
        losses.clone().into_buffer_arg(),
        log_sums.clone().into_buffer_arg(),
        rows,
        classes,
        dim.num_elems() as usize,
        labels.storage(),
    );
    (sum(losses), log_sums)
}

/// grad·weightᵢ·(softmax(logitsᵢ) − one at labelᵢ).
pub(super) fn backward(
    logits: &Floats,
    labels: &Integers,
    weights: &Floats,
    log_sums: &Floats,
    grad: &Floats,
) -> CubeTensor {
    let towards = logits.empty();
    let (rows, classes) = logits.rows();
    let (count, dim) = per_row(&towards, rows, classes);
    backward_kernel::launch(
        &towards.client,
        count,
        dim,
        logits.arg(),
        labels.arg(),
        weights.arg(),
        log_sums.arg(),
        grad.arg(),
        towards.clone().into_buffer_arg(),
        rows,
        classes,
        dim.num_elems() as usize,
        labels.storage(),
    );
    towards
}

#[cube(launch)]
fn kernel<I: Numeric>(
    logits: &[f32],
    labels: &[I],
    weights: &[f32],
    losses: &mut [f32],
    log_sums: &mut [f32],
    rows: usize,
    classes: usize,
    #[comptime] units: usize,
    #[define(I)] _storage: ElemType,
) {
    if CUBE_POS >= rows {
        terminate!();
    }
    let start = CUBE_POS * classes;
    let mut highest = f32::min_value();
    let mut at = UNIT_POS as usize;
    while at < classes {
        let value = logits[start + at];
        highest = select(value > highest, value, highest);
        at += units;
    }
    let highest = highest_of_units(highest, units);
    let mut sum = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < classes {
        sum += (logits[start + at] - highest).exp();
        at += units;
    }
    let log_sum = sum_over_units(sum, units).ln() + highest;
    if UNIT_POS == 0 {
        let label = u32::cast_from(labels[CUBE_POS]) as usize;
        log_sums[CUBE_POS] = log_sum;
        losses[CUBE_POS] = weights[CUBE_POS] * (log_sum - logits[start + label]);
    }
}

#[cube(launch)]
fn backward_kernel<I: Numeric>(
    logits: &[f32],
    labels: &[I],
    weights: &[f32],
    log_sums: &[f32],
    grad: &[f32],
    towards: &mut [f32],
    rows: usize,
    classes: usize,
    #[comptime] units: usize,
    #[define(I)] _storage: ElemType,
) {
    if CUBE_POS >= rows {
        terminate!();
    }
    let start = CUBE_POS * classes;
    let factor = weights[CUBE_POS] * grad[0];
    let log_sum = log_sums[CUBE_POS];
    let label = u32::cast_from(labels[CUBE_POS]) as usize;
    let mut at = UNIT_POS as usize;
    while at < classes {
        let probability = (logits[start + at] - log_sum).exp();
        let one = select(at == label, 1.0f32, 0.0f32);
        towards[start + at] = factor * (probability - one);
        at += units;
    }
}
