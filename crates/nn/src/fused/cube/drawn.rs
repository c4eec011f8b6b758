//! What is drawn at random: a number for each place, from a key alone.

use burn::tensor::{DType, Shape};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::math::ln;
use super::operands::{Floats, empty_of};
use super::rows::{per_entry, per_row};

/// Numbers in [0, 1) that make a key: 24 bits each.
pub(super) const KEY_WORDS: usize = 4;

/// Which entries are dropped: it depends on the key and the place alone, so backward draws it again and
/// nothing of the input's size is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drops {
    pub(super) factor: f32,
    pub(super) below: u32,
}

impl Drops {
    /// Each entry with probability `prob`.
    pub(super) fn new(prob: f64) -> Self {
        Self {
            factor: (1.0 / (1.0 - prob)) as f32,
            below: (prob * 2f64.powi(32)) as u32,
        }
    }
}

/// Zero with probability `prob`, else x/(1 − prob).
pub(super) fn dropout(x: &Floats, key: &Floats, prob: f64) -> CubeTensor {
    let output = x.empty();
    let drops = Drops::new(prob);
    let (count, dim) = per_entry(&output, x.len());
    dropout_kernel::launch(
        &output.client,
        count,
        dim,
        x.arg(),
        key.arg(),
        output.clone().into_buffer_arg(),
        drops.factor,
        drops.below,
    );
    output
}

/// For each row the place of the largest score after Gumbel noise is added, as int32 `[rows]`.
pub(super) fn gumbel_argmax(scores: &Floats, key: &Floats, like: &CubeTensor) -> CubeTensor {
    let (rows, classes) = scores.rows();
    let places = empty_of(like, Shape::new([rows]), DType::I32);
    let (count, dim) = per_row(&places, rows, classes);
    gumbel_kernel::launch(
        &places.client,
        count,
        dim,
        scores.arg(),
        key.arg(),
        places.clone().into_buffer_arg(),
        rows,
        classes,
        dim.num_elems() as usize,
    );
    places
}

#[cube(launch)]
fn dropout_kernel(x: &[f32], key: &[f32], output: &mut [f32], factor: f32, below: u32) {
    if ABSOLUTE_POS < output.len() {
        output[ABSOLUTE_POS] = kept(x[ABSOLUTE_POS], ABSOLUTE_POS, key, factor, below);
    }
}

#[cube(launch)]
fn gumbel_kernel(
    scores: &[f32],
    key: &[f32],
    places: &mut [i32],
    rows: usize,
    classes: usize,
    #[comptime] units: usize,
) {
    if CUBE_POS >= rows {
        terminate!();
    }
    let start = CUBE_POS * classes;
    let unit = UNIT_POS as usize;
    let mut best = f32::min_value();
    // The first place where nothing can be compared, as in a row of NaN.
    let mut best_at = 0u32;
    let mut at = unit;
    while at < classes {
        // 23 bits and half a step, which is exact: never 0, never 1.
        let drawn = bits(key, (start + at) as u32) >> 9u32;
        let uniform = (f32::cast_from(drawn) + 0.5f32) * 1.192_092_9e-7f32;
        let noisy = scores[start + at] - ln(-ln(uniform));
        if noisy > best {
            best = noisy;
            best_at = at as u32;
        }
        at += units;
    }
    let mut values = Shared::<[f32]>::new_slice(units);
    let mut owners = Shared::<[u32]>::new_slice(units);
    values[unit] = best;
    owners[unit] = best_at;
    sync_cube();
    #[unroll]
    for round in 0..comptime!(units.ilog2() as usize) {
        let half = comptime!(units >> (round + 1));
        if unit < half {
            let value = values[unit + half];
            let owner = owners[unit + half];
            let is_better = value > values[unit];
            let is_earlier = value == values[unit] && owner < owners[unit];
            if is_better || is_earlier {
                values[unit] = value;
                owners[unit] = owner;
            }
        }
        sync_cube();
    }
    if UNIT_POS == 0 {
        places[CUBE_POS] = i32::cast_from(owners[0]);
    }
}

/// A value of a tensor, dropped or not, by its place.
#[cube]
pub(super) fn kept(value: f32, place: usize, key: &[f32], factor: f32, below: u32) -> f32 {
    select(bits(key, place as u32) < below, 0.0f32, value * factor)
}

/// 32 random bits for a place, by a key's numbers.
#[cube]
fn bits(key: &[f32], place: u32) -> u32 {
    let low = mix(word(key[0]) ^ mix(word(key[1])));
    let high = mix(word(key[2]) ^ mix(word(key[3]) + 0x9e37_79b9u32));
    mix(mix((place ^ low) * 0x9e37_79b9u32) ^ high)
}

/// A number in [0, 1) as a whole one below 2^24.
#[cube]
fn word(number: f32) -> u32 {
    u32::cast_from(number * 16_777_216.0f32)
}

/// The 32-bit finaliser of MurmurHash3 (Appleby 2008): every bit reaches every other.
#[cube]
fn mix(value: u32) -> u32 {
    let value = (value ^ (value >> 16u32)) * 0x85eb_ca6bu32;
    let value = (value ^ (value >> 13u32)) * 0xc2b2_ae35u32;
    value ^ (value >> 16u32)
}
