//! Sums over a whole tensor, in an order that its size alone decides.

use burn::tensor::Shape;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::operands::{Floats, empty_of, known};
use super::rows::{per_row, sum_over_units};

/// Entries that one cube adds up.
const BLOCK: usize = 16_384;

/// start + Σ xᵢ² as `[1]`.
pub(super) fn add_squared_sum(start: &Floats, x: &Floats) -> CubeTensor {
    let blocks = x.len().div_ceil(BLOCK);
    if blocks == 1 {
        return added(start, x, true);
    }
    let sums = x.empty_of(Shape::new([blocks]));
    let (count, dim) = per_row(&sums, blocks, BLOCK);
    squares_kernel::launch(
        &sums.client,
        count,
        dim,
        x.arg(),
        sums.clone().into_buffer_arg(),
        x.len(),
        BLOCK,
        dim.num_elems() as usize,
    );
    added(start, &known(&sums), false)
}

/// start + Σ xᵢ, or the sum of their squares, as `[1]`, by one cube.
fn added(start: &Floats, x: &Floats, squares: bool) -> CubeTensor {
    let total = x.empty_of(Shape::new([1]));
    let (_, dim) = per_row(&total, 1, x.len());
    added_kernel::launch(
        &total.client,
        CubeCount::Static(1, 1, 1),
        dim,
        start.arg(),
        x.arg(),
        total.clone().into_buffer_arg(),
        x.len(),
        squares,
        dim.num_elems() as usize,
    );
    total
}

/// The sum of a row-major float32 tensor as `[1]`, by one cube.
pub(super) fn sum(values: CubeTensor) -> CubeTensor {
    let len = values.meta.num_elements();
    let total = empty_of(&values, Shape::new([1]), values.dtype);
    let (_, dim) = per_row(&values, 1, len);
    sum_kernel::launch(
        &total.client,
        CubeCount::Static(1, 1, 1),
        dim,
        values.into_buffer_arg(),
        total.clone().into_buffer_arg(),
        len,
        dim.num_elems() as usize,
    );
    total
}

#[cube(launch)]
fn squares_kernel(x: &[f32], sums: &mut [f32], len: usize, block: usize, #[comptime] units: usize) {
    if CUBE_POS >= sums.len() {
        terminate!();
    }
    let first = CUBE_POS * block;
    let end = select(first + block < len, first + block, len);
    let mut own = 0.0f32;
    let mut at = first + UNIT_POS as usize;
    while at < end {
        own += x[at] * x[at];
        at += units;
    }
    let sum = sum_over_units(own, units);
    if UNIT_POS == 0 {
        sums[CUBE_POS] = sum;
    }
}

#[cube(launch)]
fn sum_kernel(values: &[f32], total: &mut [f32], len: usize, #[comptime] units: usize) {
    let mut own = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < len {
        own += values[at];
        at += units;
    }
    let sum = sum_over_units(own, units);
    if UNIT_POS == 0 {
        total[0] = sum;
    }
}

#[cube(launch)]
fn added_kernel(
    start: &[f32],
    values: &[f32],
    total: &mut [f32],
    len: usize,
    #[comptime] squares: bool,
    #[comptime] units: usize,
) {
    let mut own = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < len {
        let value = values[at];
        if comptime!(squares) {
            own += value * value;
        } else {
            own += value;
        }
        at += units;
    }
    let sum = sum_over_units(own, units);
    if UNIT_POS == 0 {
        total[0] = start[0] + sum;
    }
}
