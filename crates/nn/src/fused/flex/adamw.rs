//! AdamW's update.

use rayon::prelude::*;

use super::super::AdamWUpdate;
use super::blocks::BLOCK;
use super::math::vectorised;

/// One update of AdamW in place.
pub(super) fn update(
    value: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    update: &AdamWUpdate,
) {
    let (decay1, share1) = (update.beta1 as f32, (1.0 - update.beta1) * update.scale);
    let (decay2, share2) = (
        update.beta2 as f32,
        (1.0 - update.beta2) * update.scale.powi(2),
    );
    let (share1, share2) = (share1 as f32, share2 as f32);
    let (step_size, epsilon) = (update.step_size as f32, update.epsilon as f32);
    let shrink = update.shrink as f32;
    let blocks = value
        .par_chunks_mut(BLOCK)
        .zip(gradient.par_chunks(BLOCK))
        .zip(first.par_chunks_mut(BLOCK))
        .zip(second.par_chunks_mut(BLOCK));
    blocks.for_each(|(((value, gradient), first), second)| {
        vectorised!({
            let moments = first.iter_mut().zip(second);
            for ((p, &g), (m, v)) in value.iter_mut().zip(gradient).zip(moments) {
                *m = decay1 * *m + share1 * g;
                *v = decay2 * *v + share2 * (g * g);
                *p = shrink * *p - step_size * *m / (v.sqrt() + epsilon);
            }
        })
    });
}
