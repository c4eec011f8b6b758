//! GELU by the error function, a unit an entry.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::math::{normal_density, normal_distribution};
use super::operands::Floats;
use super::rows::per_entry;

/// x·Φ(x).
pub(super) fn forward(x: &Floats) -> CubeTensor {
    let output = x.empty();
    let (count, dim) = per_entry(&output, x.len());
    let client = output.client.clone();
    kernel::launch(
        &client,
        count,
        dim,
        x.arg(),
        output.clone().into_buffer_arg(),
    );
    output
}

/// (Φ(x) + x·φ(x))·grad.
pub(super) fn backward(x: &Floats, grad: &Floats) -> CubeTensor {
    let towards = x.empty();
    let (count, dim) = per_entry(&towards, x.len());
    backward_kernel::launch(
        &towards.client,
        count,
        dim,
        x.arg(),
        grad.arg(),
        towards.clone().into_buffer_arg(),
    );
    towards
}

/// GELU of rows to which a bias is added.
pub(super) fn biased(x: &Floats, bias: &Floats) -> CubeTensor {
    let output = x.empty();
    let (count, dim) = per_entry(&output, x.len());
    biased_kernel::launch(
        &output.client,
        count,
        dim,
        x.arg(),
        bias.arg(),
        output.clone().into_buffer_arg(),
        bias.len(),
    );
    output
}

/// The gradient of [`biased`] towards the rows.
pub(super) fn biased_backward(x: &Floats, bias: &Floats, grad: &Floats) -> CubeTensor {
    let towards = x.empty();
    let (count, dim) = per_entry(&towards, x.len());
    biased_backward_kernel::launch(
        &towards.client,
        count,
        dim,
        x.arg(),
        bias.arg(),
        grad.arg(),
        towards.clone().into_buffer_arg(),
        bias.len(),
    );
    towards
}

#[cube(launch)]
fn kernel(x: &[f32], output: &mut [f32]) {
    if ABSOLUTE_POS < output.len() {
        let x = x[ABSOLUTE_POS];
        output[ABSOLUTE_POS] = x * normal_distribution(x);
    }
}

#[cube(launch)]
fn backward_kernel(x: &[f32], grad: &[f32], towards: &mut [f32]) {
    if ABSOLUTE_POS < towards.len() {
        towards[ABSOLUTE_POS] = slope(x[ABSOLUTE_POS]) * grad[ABSOLUTE_POS];
    }
}

#[cube(launch)]
fn biased_kernel(x: &[f32], bias: &[f32], output: &mut [f32], size: usize) {
    if ABSOLUTE_POS < output.len() {
        let x = x[ABSOLUTE_POS] + bias[ABSOLUTE_POS % size];
        output[ABSOLUTE_POS] = x * normal_distribution(x);
    }
}

#[cube(launch)]
fn biased_backward_kernel(x: &[f32], bias: &[f32], grad: &[f32], towards: &mut [f32], size: usize) {
    if ABSOLUTE_POS < towards.len() {
        let x = x[ABSOLUTE_POS] + bias[ABSOLUTE_POS % size];
        towards[ABSOLUTE_POS] = slope(x) * grad[ABSOLUTE_POS];
    }
}

/// Φ(x) + x·φ(x).
#[cube]
fn slope(x: f32) -> f32 {
    normal_distribution(x) + x * normal_density(x)
}
