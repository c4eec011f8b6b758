//! GELU by the error function, with a bias before it or without.

use rayon::prelude::*;

use super::blocks::{BLOCK, rows_per_block};
use super::math::{normal_density, normal_distribution, vectorised};

pub(super) fn forward(x: &[f32]) -> Vec<f32> {
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

/// The gradient towards x in place of that towards the output.
pub(super) fn backward(x: &[f32], grad: &mut [f32]) {
    let blocks = grad.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK));
    blocks.for_each(|(grad, x)| {
        vectorised!({
            for (g, &x) in grad.iter_mut().zip(x) {
                *g *= normal_distribution(x) + x * normal_density(x);
            }
        })
    });
}

/// GELU of rows to which a bias is added.
pub(super) fn biased(x: &[f32], bias: &[f32]) -> Vec<f32> {
    let mut output = vec![0.0; x.len()];
    if x.is_empty() {
        return output;
    }
    let size = rows_per_block(bias.len()) * bias.len();
    let blocks = output.par_chunks_mut(size).zip(x.par_chunks(size));
    blocks.for_each(|(output, x)| {
        vectorised!({
            let rows = output
                .chunks_exact_mut(bias.len())
                .zip(x.chunks_exact(bias.len()));
            for (output, x) in rows {
                for ((o, &x), &b) in output.iter_mut().zip(x).zip(bias) {
                    let x = x + b;
                    *o = x * normal_distribution(x);
                }
            }
        })
    });
    output
}

/// [`backward`] with a bias before it.
pub(super) fn biased_backward(x: &[f32], bias: &[f32], grad: &mut [f32]) {
    if x.is_empty() {
        return;
    }
    let size = rows_per_block(bias.len()) * bias.len();
    let blocks = grad.par_chunks_mut(size).zip(x.par_chunks(size));
    blocks.for_each(|(grad, x)| {
        vectorised!({
            let rows = grad
                .chunks_exact_mut(bias.len())
                .zip(x.chunks_exact(bias.len()));
            for (grad, x) in rows {
                for ((g, &x), &b) in grad.iter_mut().zip(x).zip(bias) {
                    let x = x + b;
                    *g *= normal_distribution(x) + x * normal_density(x);
                }
            }
        })
    });
}
