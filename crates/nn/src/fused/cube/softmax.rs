//! The softmax of attention, a cube a row.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::drawn::{Drops, kept};
use super::operands::{Floats, storage_of};
use super::rows::{highest_of_units, per_row, sum_over_units};

/// Softmax of `scale`·scores over the last axis.
pub(super) fn softmax(scores: &Floats, scale: f64) -> CubeTensor {
    let output = scores.empty();
    let (rows, size) = scores.rows();
    let (count, dim) = per_row(&output, rows, size);
    plain_kernel::launch(
        &output.client,
        count,
        dim,
        scores.arg(),
        output.clone().into_buffer_arg(),
        scale as f32,
        rows,
        size,
        dim.num_elems() as usize,
    );
    output
}

/// The same with the lowest finite number in place of the score where `is_hidden`, which has the scores'
/// shape, whatever its strides.
pub(super) fn masked_softmax(scores: &Floats, is_hidden: CubeTensor, scale: f64) -> CubeTensor {
    let output = scores.empty();
    let (rows, size) = scores.rows();
    let (count, dim) = per_row(&output, rows, size);
    let (rank, storage) = (is_hidden.meta.num_dims(), storage_of(&is_hidden));
    masked_kernel::launch(
        &output.client,
        count,
        dim,
        scores.arg(),
        is_hidden.into_tensor_arg(),
        output.clone().into_buffer_arg(),
        scale as f32,
        rows,
        size,
        rank,
        dim.num_elems() as usize,
        storage,
    );
    output
}

/// (the softmax with entries dropped by the key, the softmax).
pub(super) fn dropped_softmax(
    scores: &Floats,
    is_hidden: CubeTensor,
    key: &Floats,
    scale: f64,
    prob: f64,
) -> (CubeTensor, CubeTensor) {
    let (softmax, output) = (scores.empty(), scores.empty());
    let (rows, size) = scores.rows();
    let (count, dim) = per_row(&output, rows, size);
    let (rank, storage) = (is_hidden.meta.num_dims(), storage_of(&is_hidden));
    let drops = Drops::new(prob);
    dropped_kernel::launch(
        &output.client,
        count,
        dim,
        scores.arg(),
        is_hidden.into_tensor_arg(),
        key.arg(),
        softmax.clone().into_buffer_arg(),
        output.clone().into_buffer_arg(),
        scale as f32,
        drops.factor,
        drops.below,
        rows,
        size,
        rank,
        dim.num_elems() as usize,
        storage,
    );
    (output, softmax)
}

/// The gradient of [`dropped_softmax`] towards the scores.
pub(super) fn dropped_backward(
    softmax: &Floats,
    key: &Floats,
    grad: &Floats,
    scale: f64,
    prob: f64,
) -> CubeTensor {
    let towards = softmax.empty();
    let (rows, size) = softmax.rows();
    let (count, dim) = per_row(&towards, rows, size);
    let drops = Drops::new(prob);
    dropped_backward_kernel::launch(
        &towards.client,
        count,
        dim,
        softmax.arg(),
        key.arg(),
        grad.arg(),
        towards.clone().into_buffer_arg(),
        scale as f32,
        drops.factor,
        drops.below,
        rows,
        size,
        dim.num_elems() as usize,
    );
    towards
}

/// The gradient of the softmax towards the scores, from its output.
pub(super) fn backward(output: &Floats, grad: &Floats, scale: f64) -> CubeTensor {
    let towards = output.empty();
    let (rows, size) = output.rows();
    let (count, dim) = per_row(&towards, rows, size);
    backward_kernel::launch(
        &towards.client,
        count,
        dim,
        output.arg(),
        grad.arg(),
        towards.clone().into_buffer_arg(),
        scale as f32,
        rows,
        size,
        dim.num_elems() as usize,
    );
    towards
}

#[cube(launch)]
fn plain_kernel(
    scores: &[f32],
    output: &mut [f32],
    scale: f32,
    rows: usize,
    size: usize,
    #[comptime] units: usize,
) {
    if CUBE_POS >= rows {
        terminate!();
    }
    let start = CUBE_POS * size;
    let mut highest = f32::min_value();
    let mut at = UNIT_POS as usize;
    while at < size {
        let value = scale * scores[start + at];
        output[start + at] = value;
        highest = select(value > highest, value, highest);
        at += units;
    }
    normalise(output, start, size, highest, units);
}

#[cube(launch)]
fn masked_kernel<M: Numeric>(
    scores: &[f32],
    is_hidden: &Tensor<M>,
    output: &mut [f32],
    scale: f32,
    rows: usize,
    size: usize,
    #[comptime] rank: usize,
    #[comptime] units: usize,
    #[define(M)] _storage: ElemType,
) {
    if CUBE_POS >= rows {
        terminate!();
    }
    let own = hidden_scores::<M>(scores, is_hidden, output, scale, size, rank, units);
    normalise(output, CUBE_POS * size, size, own, units);
}

#[cube(launch)]
fn dropped_kernel<M: Numeric>(
    scores: &[f32],
    is_hidden: &Tensor<M>,
    key: &[f32],
    softmax: &mut [f32],
    output: &mut [f32],
    scale: f32,
    factor: f32,
    below: u32,
    rows: usize,
    size: usize,
    #[comptime] rank: usize,
    #[comptime] units: usize,
    #[define(M)] _storage: ElemType,
) {
    if CUBE_POS >= rows {
        terminate!();
    }
    let start = CUBE_POS * size;
    let own = hidden_scores::<M>(scores, is_hidden, softmax, scale, size, rank, units);
    normalise(softmax, start, size, own, units);
    let mut at = UNIT_POS as usize;
    while at < size {
        output[start + at] = kept(softmax[start + at], start + at, key, factor, below);
        at += units;
    }
}

/// Writes a row's scaled scores, the lowest number where they are hidden; the highest of this unit's.
#[cube]
fn hidden_scores<M: Numeric>(
    scores: &[f32],
    is_hidden: &Tensor<M>,
    output: &mut [f32],
    scale: f32,
    size: usize,
    #[comptime] rank: usize,
    #[comptime] units: usize,
) -> f32 {
    let start = CUBE_POS * size;
    // Most masks are the same for all heads and queries: their strides there are 0.
    let mut rest = CUBE_POS;
    let mut hidden_start = 0usize;
    #[unroll]
    for back in 1..rank {
        let axis = rank - 1 - back;
        let len = is_hidden.shape(axis);
        hidden_start += (rest % len) * is_hidden.stride(axis);
        rest /= len;
    }
    let step = is_hidden.stride(rank - 1);
    let mut highest = f32::min_value();
    let mut at = UNIT_POS as usize;
    while at < size {
        let hidden = u32::cast_from(is_hidden[hidden_start + at * step]) != 0;
        let value = select(hidden, f32::min_value(), scale * scores[start + at]);
        output[start + at] = value;
        highest = select(value > highest, value, highest);
        at += units;
    }
    highest
}

/// e^(value − highest) over its sum, for a row that stands in the output already; `own` is the highest of
/// this unit's entries.
#[cube]
fn normalise(output: &mut [f32], start: usize, size: usize, own: f32, #[comptime] units: usize) {
    let highest = highest_of_units(own, units);
    let mut sum = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < size {
        let value = (output[start + at] - highest).exp();
        output[start + at] = value;
        sum += value;
        at += units;
    }
    let inverse = 1.0 / sum_over_units(sum, units);
    let mut at = UNIT_POS as usize;
    while at < size {
        output[start + at] *= inverse;
        at += units;
    }
}

#[cube(launch)]
fn backward_kernel(
    output: &[f32],
    grad: &[f32],
    towards: &mut [f32],
    scale: f32,
    rows: usize,
    size: usize,
    #[comptime] units: usize,
) {
    if CUBE_POS >= rows {
        terminate!();
    }
    let start = CUBE_POS * size;
    let mut share = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < size {
        share += output[start + at] * grad[start + at];
        at += units;
    }
    let share = sum_over_units(share, units);
    let mut at = UNIT_POS as usize;
    while at < size {
        towards[start + at] = scale * output[start + at] * (grad[start + at] - share);
        at += units;
    }
}

#[cube(launch)]
fn dropped_backward_kernel(
    softmax: &[f32],
    key: &[f32],
    grad: &[f32],
    towards: &mut [f32],
    scale: f32,
    factor: f32,
    below: u32,
    rows: usize,
    size: usize,
    #[comptime] units: usize,
) {
    if CUBE_POS >= rows {
        terminate!();
    }
    let start = CUBE_POS * size;
    let mut share = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < size {
        let grad = kept(grad[start + at], start + at, key, factor, below);
        towards[start + at] = grad;
        share += softmax[start + at] * grad;
        at += units;
    }
    let share = sum_over_units(share, units);
    let mut at = UNIT_POS as usize;
    while at < size {
        let grad = towards[start + at];
        towards[start + at] = scale * softmax[start + at] * (grad - share);
        at += units;
    }
}
