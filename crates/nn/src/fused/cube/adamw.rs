//! AdamW's update, a unit an entry.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::operands::Floats;
use super::rows::per_entry;
use crate::fused::AdamWUpdate;

/// Updates value and moments, which may be written into.
pub(super) fn update(
    [value, first, second]: [&CubeTensor; 3],
    gradient: &Floats,
    update: &AdamWUpdate,
) {
    let (count, dim) = per_entry(value, gradient.len());
    kernel::launch(
        &value.client,
        count,
        dim,
        value.clone().into_buffer_arg(),
        gradient.arg(),
        first.clone().into_buffer_arg(),
        second.clone().into_buffer_arg(),
        update.beta1 as f32,
        ((1.0 - update.beta1) * update.scale) as f32,
        update.beta2 as f32,
        ((1.0 - update.beta2) * update.scale.powi(2)) as f32,
        update.step_size as f32,
        update.epsilon as f32,
        update.shrink as f32,
    );
}

#[cube(launch)]
fn kernel(
    value: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    decay1: f32,
    share1: f32,
    decay2: f32,
    share2: f32,
    step_size: f32,
    epsilon: f32,
    shrink: f32,
) {
    if ABSOLUTE_POS < value.len() {
        let g = gradient[ABSOLUTE_POS];
        let m = decay1 * first[ABSOLUTE_POS] + share1 * g;
        let v = decay2 * second[ABSOLUTE_POS] + share2 * (g * g);
        first[ABSOLUTE_POS] = m;
        second[ABSOLUTE_POS] = v;
        value[ABSOLUTE_POS] = shrink * value[ABSOLUTE_POS] - step_size * m / (v.sqrt() + epsilon);
    }
}
