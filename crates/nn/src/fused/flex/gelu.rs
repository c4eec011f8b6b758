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

pub(super) fn backward(x: &[f32], grad: &[f32]) -> Vec<f32> {
    let mut towards = vec![0.0; x.len()];
    let blocks = towards
        .par_chunks_mut(BLOCK)
        .zip(x.par_chunks(BLOCK))
        .zip(grad.par_chunks(BLOCK));
    blocks.for_each(|((towards, x), grad)| {
        vectorised!({
            for ((t, &x), &g) in towards.iter_mut().zip(x).zip(grad) {
                *t = g * (normal_distribution(x) + x * normal_density(x));
            }
        })
    });
    towards
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

pub(super) fn biased_backward(x: &[f32], bias: &[f32], grad: &[f32]) -> Vec<f32> {
    let mut towards = vec![0.0; x.len()];
    if x.is_empty() {
        return towards;
    }
    let size = rows_per_block(bias.len()) * bias.len();
    let blocks = towards
        .par_chunks_mut(size)
        .zip(x.par_chunks(size))
        .zip(grad.par_chunks(size));
    blocks.for_each(|((towards, x), grad)| {
        vectorised!({
            let rows = towards
                .chunks_exact_mut(bias.len())
                .zip(x.chunks_exact(bias.len()))
                .zip(grad.chunks_exact(bias.len()));
            for ((towards, x), grad) in rows {
                let entries = towards.iter_mut().zip(x).zip(bias).zip(grad);
                for (((t, &x), &b), &g) in entries {
                    let x = x + b;
                    *t = g * (normal_distribution(x) + x * normal_density(x));
                }
            }
        })
    });
    towards
}
