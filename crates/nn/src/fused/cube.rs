//! The fused operations on graphics processors in float32: kernels written in CubeCL, which the backends
//! wgpu, vulkan, metal, webgpu, cuda and rocm compile for their device.
//!
//! Sums are taken in an order that shapes alone decide, never by atomic additions, so that results repeat to
//! the last bit on one device. Other float types, and tensors without entries, take the composed form.

mod adamw;
mod cross_entropy;
mod drawn;
mod embedding;
mod gelu;
mod layer_norm;
mod math;
mod operands;
mod relative;
mod rows;
mod softmax;
mod sums;

use burn::backend::{
    Cube, TensorMetadata as _,
    ops::{BoolTensorOps as _, FloatTensorOps as _},
    tensor::{BoolTensor, FloatTensor, IntTensor},
};
use burn::tensor::{DType, Distribution, FloatDType, Shape};

use super::{AdamWUpdate, FusedOps, Maybe, Terms};
use operands::{Floats, Integers, known, owned};

#[cfg(test)]
mod tests;

impl FusedOps for Cube {
    fn gelu_erf(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match Floats::of(&x) {
            Some(x) => gelu::forward(&x),
            None => super::gelu::forward::<Self>(x),
        }
    }

    fn gelu_erf_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        match (Floats::of(&x), Floats::of(&grad)) {
            (Some(x), Some(grad)) => gelu::backward(&x, &grad),
            _ => super::gelu::backward::<Self>(x, grad),
        }
    }

    fn linear_gelu_saving(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if !is_float32(&x) {
            let before = Self::projected(x, weight, Maybe::Present(bias));
            return (super::gelu::forward::<Self>(before.clone()), before);
        }
        let before = Self::projected(x, weight, Maybe::Absent);
        let output = gelu::biased(&known(&before), &known(&bias));
        (output, before)
    }

    fn linear_gelu_backward(
        before: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        match (Floats::of(&before), Floats::of(&bias), Floats::of(&grad)) {
            (Some(x), Some(bias), Some(grad)) => gelu::biased_backward(&x, &bias, &grad),
            _ => super::gelu::backward::<Self>(before, grad),
        }
    }

    fn scaled_softmax(scores: FloatTensor<Self>, scale: f64) -> FloatTensor<Self> {
        match Floats::of(&scores) {
            Some(scores) => softmax::softmax(&scores, scale),
            None => super::softmax::scaled::<Self>(scores, scale),
        }
    }

    fn masked_softmax(
        scores: FloatTensor<Self>,
        is_hidden: BoolTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        match Floats::of(&scores) {
            Some(values) => {
                let is_hidden = Self::bool_expand(is_hidden, scores.shape());
                softmax::masked_softmax(&values, is_hidden, scale)
            }
            None => super::softmax::masked::<Self>(scores, is_hidden, scale),
        }
    }

    fn softmax_backward(
        output: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        match (Floats::of(&output), Floats::of(&grad)) {
            (Some(output), Some(grad)) => softmax::backward(&output, &grad, scale),
            _ => super::softmax::backward::<Self>(output, grad, scale),
        }
    }

    fn dropped_softmax_saving(
        scores: FloatTensor<Self>,
        is_hidden: BoolTensor<Self>,
        scale: f64,
        prob: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let Some(values) = Floats::of(&scores) else {
            return super::dropped_softmax_saving_composed::<Self>(scores, is_hidden, scale, prob);
        };
        let key = key(&scores);
        let is_hidden = Self::bool_expand(is_hidden, scores.shape());
        let (output, softmax) =
            softmax::dropped_softmax(&values, is_hidden, &known(&key), scale, prob);
        (output, softmax, key)
    }

    fn dropped_softmax_backward(
        softmax: FloatTensor<Self>,
        dropped: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        scale: f64,
        prob: f64,
    ) -> FloatTensor<Self> {
        match (Floats::of(&softmax), Floats::of(&grad)) {
            (Some(softmax), Some(grad)) => {
                softmax::dropped_backward(&softmax, &known(&dropped), &grad, scale, prob)
            }
            _ => super::dropped_softmax_backward_composed::<Self>(
                softmax, dropped, grad, scale, prob,
            ),
        }
    }

    fn add_relative(
        scores: FloatTensor<Self>,
        terms: FloatTensor<Self>,
        rows: IntTensor<Self>,
        starts: IntTensor<Self>,
        kind: Terms,
    ) -> FloatTensor<Self> {
        match (Floats::of(&terms), is_float32(&scores)) {
            (Some(terms), true) => {
                let scores = owned(scores);
                relative::add(
                    &scores,
                    &terms,
                    &Integers::of(rows),
                    &Integers::of(starts),
                    kind,
                );
                scores
            }
            _ => super::relative::add::<Self>(scores, terms, rows, starts, kind),
        }
    }

    fn add_relative_backward(
        grad: FloatTensor<Self>,
        rows: IntTensor<Self>,
        starts: IntTensor<Self>,
        count: usize,
        kind: Terms,
    ) -> FloatTensor<Self> {
        match Floats::of(&grad) {
            Some(grad) => relative::backward(
                &grad,
                &Integers::of(rows),
                &Integers::of(starts),
                count,
                kind,
            ),
            None => super::relative::backward::<Self>(grad, rows, starts, count, kind),
        }
    }

    fn layer_normalised(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        match (Floats::of(&x), Floats::of(&gamma), Floats::of(&beta)) {
            (Some(x), Some(gamma), Some(beta)) => layer_norm::forward(&x, &gamma, &beta, epsilon),
            _ => super::layer_norm::forward_saving::<Self>(x, gamma, beta, epsilon).0,
        }
    }

    fn layer_normalised_saving(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        match (Floats::of(&x), Floats::of(&gamma), Floats::of(&beta)) {
            (Some(x), Some(gamma), Some(beta)) => {
                layer_norm::forward_saving(&x, &gamma, &beta, epsilon)
            }
            _ => super::layer_norm::forward_saving::<Self>(x, gamma, beta, epsilon),
        }
    }

    fn layer_normalised_backward(
        normalised: FloatTensor<Self>,
        inverse_deviation: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        match (
            Floats::of(&normalised),
            Floats::of(&inverse_deviation),
            Floats::of(&gamma),
            Floats::of(&grad),
        ) {
            (Some(normalised), Some(inverse_deviation), Some(gamma), Some(grad)) => {
                layer_norm::backward(&normalised, &inverse_deviation, &gamma, &grad)
            }
            _ => super::layer_norm::backward::<Self>(normalised, inverse_deviation, gamma, grad),
        }
    }

    fn residual_normalised_saving(
        branch: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        prob: f64,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        let operands = [&branch, &residual, &gamma, &beta].map(Floats::of);
        match operands {
            [Some(x), Some(added), Some(gain), Some(shift)] if prob > 0.0 => {
                let key = key(&branch);
                let (affine, words) = ([&gain, &shift], known(&key));
                let (output, normalised, inverse) =
                    layer_norm::residual_saving([&x, &added], affine, &words, epsilon, prob);
                (output, normalised, inverse, key)
            }
            _ => super::residual_saving_composed::<Self>(
                branch, residual, gamma, beta, epsilon, prob,
            ),
        }
    }

    fn dropout_saving(x: FloatTensor<Self>, prob: f64) -> (FloatTensor<Self>, FloatTensor<Self>) {
        match Floats::of(&x) {
            Some(values) => {
                let key = key(&x);
                (drawn::dropout(&values, &known(&key), prob), key)
            }
            None => super::dropout::forward_saving::<Self>(x, prob),
        }
    }

    fn dropout_backward(
        saved: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        prob: f64,
    ) -> FloatTensor<Self> {
        match Floats::of(&grad) {
            Some(grad) => drawn::dropout(&grad, &known(&saved), prob),
            None => super::dropout::backward::<Self>(saved, grad),
        }
    }

    fn cross_entropy_saving(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
        weights: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        match (Floats::of(&logits), Floats::of(&weights)) {
            (Some(logits), Some(weights)) => {
                cross_entropy::forward_saving(&logits, &Integers::of(labels), &weights)
            }
            _ => super::cross_entropy::forward_saving::<Self>(logits, labels, weights),
        }
    }

    fn cross_entropy_backward(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
        weights: FloatTensor<Self>,
        log_sums: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        match (
            Floats::of(&logits),
            Floats::of(&weights),
            Floats::of(&log_sums),
            Floats::of(&grad),
        ) {
            (Some(logits), Some(weights), Some(log_sums), Some(grad)) => {
                let labels = Integers::of(labels);
                cross_entropy::backward(&logits, &labels, &weights, &log_sums, &grad)
            }
            _ => super::cross_entropy::backward::<Self>(logits, labels, weights, log_sums, grad),
        }
    }

    fn embedded_backward(
        table: FloatTensor<Self>,
        ids: IntTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        match Floats::of(&grad) {
            Some(grad) if is_float32(&table) => {
                embedding::backward(&grad, &Integers::of(ids), table.shape()[0])
            }
            _ => super::embedding::backward::<Self>(table, ids, grad),
        }
    }

    fn add_squared_sum(before: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        match (Floats::of(&before), Floats::of(&x)) {
            (Some(before), Some(x)) => sums::add_squared_sum(&before, &x),
            _ => super::sums::add_squared_sum::<Self>(before, x),
        }
    }

    fn gumbel_argmax(scores: FloatTensor<Self>) -> IntTensor<Self> {
        match Floats::of(&scores) {
            Some(values) => drawn::gumbel_argmax(&values, &known(&key(&scores)), &scores),
            None => super::gumbel::argmax::<Self>(scores),
        }
    }

    fn adamw(
        value: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        update: AdamWUpdate,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        match (Floats::of(&gradient), is_float32(&value)) {
            (Some(gradient), true) => {
                let (value, first, second) = (owned(value), owned(first), owned(second));
                adamw::update([&value, &first, &second], &gradient, &update);
                (value, first, second)
            }
            _ => super::adamw::update::<Self>(value, gradient, first, second, update),
        }
    }
}

fn is_float32(tensor: &FloatTensor<Cube>) -> bool {
    tensor.dtype() == DType::F32 && tensor.shape().num_elements() > 0
}

/// A key for numbers drawn in parallel: it alone comes from the device's generator, so seeding that still
/// decides everything.
fn key(like: &FloatTensor<Cube>) -> FloatTensor<Cube> {
    Cube::float_random(
        Shape::new([drawn::KEY_WORDS]),
        Distribution::Uniform(0.0, 1.0),
        &like.device(),
        FloatDType::F32,
    )
}
