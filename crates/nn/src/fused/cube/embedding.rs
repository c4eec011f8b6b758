//! The gradient towards a table of which rows were looked up: a cube a row of the table, which adds up what
//! was looked up there in the order of the places.

use burn::tensor::Shape;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::operands::{Floats, Integers};
use super::rows::per_row;

/// Units whose ids are asked together.
const GROUP: usize = 16;

/// The gradient towards a table of so many rows, from that towards what `ids` looked up.
pub(super) fn backward(grad: &Floats, ids: &Integers, table_rows: usize) -> CubeTensor {
    let (_, size) = grad.rows();
    let towards = grad.empty_of(Shape::new([table_rows, size]));
    let (count, dim) = per_row(&towards, table_rows, size.max(ids.len()));
    kernel::launch(
        &towards.client,
        count,
        dim,
        grad.arg(),
        ids.arg(),
        towards.clone().into_buffer_arg(),
        table_rows,
        size,
        ids.len(),
        dim.num_elems() as usize,
        ids.storage(),
    );
    towards
}

#[cube(launch)]
fn kernel<I: Numeric>(
    grad: &[f32],
    ids: &[I],
    towards: &mut [f32],
    table_rows: usize,
    size: usize,
    places: usize,
    #[comptime] units: usize,
    #[define(I)] _storage: ElemType,
) {
    if CUBE_POS >= table_rows {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let start = CUBE_POS * size;
    let mut column = unit;
    while column < size {
        towards[start + column] = 0.0f32;
        column += units;
    }
    // Most rows are looked up nowhere: the units read ids together, and turn to places one by one only where
    // a group of them has this row's.
    let groups = comptime!(units.div_ceil(GROUP));
    let mut is_here = Shared::<[u32]>::new_slice(units);
    let mut is_in_group = Shared::<[u32]>::new_slice(groups);
    let mut first = 0usize;
    while first < places {
        let place = first + unit;
        let mut found = 0u32;
        if place < places {
            found = select(u32::cast_from(ids[place]) as usize == CUBE_POS, 1u32, 0u32);
        }
        is_here[unit] = found;
        sync_cube();
        if unit < groups {
            let mut any = 0u32;
            for member in 0..comptime!(units.min(GROUP)) {
                any |= is_here[unit * GROUP + member];
            }
            is_in_group[unit] = any;
        }
        sync_cube();
        for group in 0..groups {
            if is_in_group[group] != 0 {
                for member in 0..comptime!(units.min(GROUP)) {
                    let other = group * GROUP + member;
                    if is_here[other] != 0 {
                        add_row(grad, towards, (first + other) * size, start, size, units);
                    }
                }
            }
        }
        sync_cube();
        first += units;
    }
}

/// Adds a row of the gradient to one of the table's, each unit the columns that are its own.
#[cube]
fn add_row(
    grad: &[f32],
    towards: &mut [f32],
    from: usize,
    to: usize,
    size: usize,
    #[comptime] units: usize,
) {
    let mut column = UNIT_POS as usize;
    while column < size {
        towards[to + column] += grad[from + column];
        column += units;
    }
}
