//! The softmax of attention, with entries dropped or without.

use rayon::prelude::*;

use super::blocks::rows_per_block;
use super::drawn::Drops;
use super::math::{dot, exp, highest, sum_of, vectorised};

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

pub(super) fn forward(x: &[f32], row: usize, scale: f32, mask: Option<&Mask<'_>>) -> Vec<f32> {
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
                softmax_row(output, x, scale, mask, block * rows + index);
            }
        })
    });
    output
}

/// (softmax, the same with some entries dropped).
pub(super) fn dropped(
    x: &[f32],
    row: usize,
    scale: f32,
    mask: &Mask<'_>,
    drops: &Drops,
) -> (Vec<f32>, Vec<f32>) {
    let mut softmax = vec![0.0; x.len()];
    let mut dropped = vec![0.0; x.len()];
    if x.is_empty() {
        return (softmax, dropped);
    }
    let rows = rows_per_block(row);
    let blocks = softmax
        .par_chunks_mut(rows * row)
        .zip(dropped.par_chunks_mut(rows * row))
        .zip(x.par_chunks(rows * row))
        .enumerate();
    blocks.for_each(|(block, ((softmax, dropped), x))| {
        vectorised!({
            let outputs = softmax
                .chunks_exact_mut(row)
                .zip(dropped.chunks_exact_mut(row));
            for (index, ((softmax, dropped), x)) in outputs.zip(x.chunks_exact(row)).enumerate() {
                let index = block * rows + index;
                softmax_row(softmax, x, scale, Some(mask), index);
                dropped.copy_from_slice(softmax);
                drops.apply(index * row, dropped);
            }
        })
    });
    (softmax, dropped)
}

/// The softmax of row number `index`.
#[inline(always)]
fn softmax_row(output: &mut [f32], x: &[f32], scale: f32, mask: Option<&Mask<'_>>, index: usize) {
    output.copy_from_slice(x);
    softmax_in_place(output, scale, mask, index);
}

/// The softmax of row number `index` of scores, in their place.
#[inline(always)]
pub(super) fn softmax_in_place(row: &mut [f32], scale: f32, mask: Option<&Mask<'_>>, index: usize) {
    for x in row.iter_mut() {
        *x *= scale;
    }
    if let Some(mask) = mask {
        mask.apply(index, row);
    }
    let highest = highest(row);
    for x in row.iter_mut() {
        *x = exp(*x - highest);
    }
    let inverse = 1.0 / sum_of(row, |x| x);
    for x in row.iter_mut() {
        *x *= inverse;
    }
}

/// The gradient towards a row of scores in place of that towards its softmax.
#[inline(always)]
pub(super) fn softmax_row_backward(grad: &mut [f32], softmax: &[f32], scale: f32) {
    let share = dot(grad, softmax);
    for (g, &y) in grad.iter_mut().zip(softmax) {
        *g = scale * y * (*g - share);
    }
}

/// From the softmax and the gradient towards it, or towards it with entries dropped.
pub(super) fn backward(
    output: &[f32],
    grad: &[f32],
    row: usize,
    scale: f32,
    drops: Option<&Drops>,
) -> Vec<f32> {
    let mut towards = vec![0.0; output.len()];
    if output.is_empty() {
        return towards;
    }
    let rows = rows_per_block(row);
    let blocks = towards
        .par_chunks_mut(rows * row)
        .zip(output.par_chunks(rows * row))
        .zip(grad.par_chunks(rows * row))
        .enumerate();
    blocks.for_each(|(block, ((towards, output), grad))| {
        vectorised!({
            let entries = towards
                .chunks_exact_mut(row)
                .zip(output.chunks_exact(row))
                .zip(grad.chunks_exact(row));
            for (index, ((towards, output), grad)) in entries.enumerate() {
                towards.copy_from_slice(grad);
                if let Some(drops) = drops {
                    drops.apply((block * rows + index) * row, towards);
                }
                softmax_row_backward(towards, output, scale);
            }
        })
    });
    towards
}
