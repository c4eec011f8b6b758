//! What kernels that give a cube to each row share: how they are launched, and sums over the units.
//!
//! Units take a row's entries in turn and add them up by themselves; then halves of the cube are added to
//! each other. Both orders depend on the row's length alone, so results repeat to the last bit.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Units of a cube at most: what every graphics interface allows.
const MOST_UNITS: usize = 256;

/// Cubes along one axis at most: WebGPU's limit.
const MOST_CUBES: usize = 65_535;

/// A launch with one cube for each of `rows`, with units for `entries` each.
pub(super) fn per_row(of: &CubeTensor, rows: usize, entries: usize) -> (CubeCount, CubeDim) {
    (grid(rows), CubeDim::new_1d(units(of, entries) as u32))
}

/// A launch with one unit for each of `entries`.
pub(super) fn per_entry(of: &CubeTensor, entries: usize) -> (CubeCount, CubeDim) {
    let units = units(of, entries);
    (grid(entries.div_ceil(units)), CubeDim::new_1d(units as u32))
}

/// Units of a cube for so many entries: a power of two, as sums over them want it.
fn units(of: &CubeTensor, entries: usize) -> usize {
    let limit = of.client.properties().hardware.max_units_per_cube as usize;
    let limit = MOST_UNITS.min(limit.max(1));
    // The largest power of two that is no larger.
    let limit = 1 << limit.ilog2();
    entries.next_power_of_two().clamp(1, limit)
}

/// At least so many cubes.
fn grid(cubes: usize) -> CubeCount {
    let along = cubes.clamp(1, MOST_CUBES);
    CubeCount::Static(along as u32, cubes.div_ceil(along).max(1) as u32, 1)
}

/// The sum of what the cube's units have; every unit gets it. All of them have to call it.
#[cube]
pub(super) fn sum_over_units(own: f32, #[comptime] units: usize) -> f32 {
    let mut shared = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    shared[unit] = own;
    sync_cube();
    #[unroll]
    for round in 0..comptime!(units.ilog2() as usize) {
        let half = comptime!(units >> (round + 1));
        if unit < half {
            let other = shared[unit + half];
            shared[unit] += other;
        }
        sync_cube();
    }
    let sum = shared[0];
    // Until all have read it nothing else may be written there.
    sync_cube();
    sum
}

/// The largest of what the cube's units have; every unit gets it. All of them have to call it.
#[cube]
pub(super) fn highest_of_units(own: f32, #[comptime] units: usize) -> f32 {
    let mut shared = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    shared[unit] = own;
    sync_cube();
    #[unroll]
    for round in 0..comptime!(units.ilog2() as usize) {
        let half = comptime!(units >> (round + 1));
        if unit < half {
            let other = shared[unit + half];
            if other > shared[unit] {
                shared[unit] = other;
            }
        }
        sync_cube();
    }
    let highest = shared[0];
    sync_cube();
    highest
}
