//! The sum of squares.

use rayon::prelude::*;

use super::blocks::BLOCK;
use super::math::{sum_of, vectorised};

/// Σ x², block by block: partial sums of blocks are added in order, in double precision.
pub(super) fn squared_sum(x: &[f32]) -> f32 {
    let blocks = x.par_chunks(BLOCK);
    let blocks: Vec<f32> = blocks.map(|x| vectorised!(sum_of(x, |x| x * x))).collect();
    blocks.iter().map(|&sum| f64::from(sum)).sum::<f64>() as f32
}
