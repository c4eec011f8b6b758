//! The fused operations on flex in float32: one pass over memory each, rows or blocks in parallel.
//!
//! Work is cut into blocks of fixed size, and sums over blocks are taken in order, so that results
//! do not depend on the number of threads. Loops have no branches and sum in sixteen lanes, for the
//! compiler to make vector instructions of them. Other float types take the composed form.

mod adamw;
mod attention;
mod blocks;
mod cross_entropy;
mod drawn;
mod gelu;
mod layer_norm;
mod linear;
mod math;
mod operands;
mod product;
mod relative;
mod softmax;
mod sums;
#[cfg(test)]
mod tests;

use burn::backend::{
    Flex, TensorMetadata,
    flex::FlexTensor,
    ops::{BoolTensorOps, FloatTensorOps},
    tensor::{BoolTensor, FloatTensor, IntTensor},
};
use burn::tensor::{DType, Shape, TensorData};

use super::attention::{AttentionGradients, AttentionInputs, AttentionState};
use super::{AdamWUpdate, FusedOps, Maybe, Terms};
use operands::{Values, drops, indices, key, last, lookup, mask, owned, tensor, with_bias};

impl FusedOps for Flex {
    fn attended(inputs: AttentionInputs<Self>, scale: f64, prob: f64) -> FloatTensor<Self> {
        match attention::forward(&inputs, scale, prob, false) {
            Some((output, ..)) => output,
            None => super::attended_saving_composed::<Self>(inputs, scale, prob).0,
        }
    }

    fn attended_saving(
        inputs: AttentionInputs<Self>,
        scale: f64,
        prob: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        match attention::forward(&inputs, scale, prob, true) {
            Some((output, Some(softmax), key)) => {
                let dropped = key.unwrap_or_else(|| softmax.clone());
                (output, softmax, dropped)
            }
            _ => super::attended_saving_composed::<Self>(inputs, scale, prob),
        }
    }

    fn attended_backward(
        state: AttentionState<Self>,
        grad: FloatTensor<Self>,
        scale: f64,
        prob: f64,
    ) -> AttentionGradients<Self> {
        attention::backward(&state, &grad, scale, prob)
            .unwrap_or_else(|| super::attended_backward_composed::<Self>(state, grad, scale, prob))
    }

    fn projected(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
    ) -> FloatTensor<Self> {
        let bias = bias.into_option();
        linear::forward(&x, &weight, bias.as_ref())
            .unwrap_or_else(|| super::linear::forward::<Self>(x, weight, bias))
    }

    fn projected_backward_x(
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        linear::towards_x(&weight, &grad)
            .unwrap_or_else(|| super::linear::towards_x::<Self>(weight, grad))
    }

    fn projected_backward_weight(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        linear::towards_weight(&x, &grad)
            .unwrap_or_else(|| super::linear::towards_weight::<Self>(x, grad))
    }

    fn projected_backward_bias(grad: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::towards_bias(&grad).unwrap_or_else(|| super::linear::towards_bias::<Self>(grad))
    }

    fn gelu_erf(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let shape = x.shape();
        match Values::of(&x) {
            Some(values) => tensor(gelu::forward(values.slice()), shape),
            None => super::gelu::forward::<Self>(x),
        }
    }

    fn gelu_erf_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        match Values::of(&x) {
            Some(x) if grad.dtype() == DType::F32 => {
                let mut towards = owned(grad);
                gelu::backward(x.slice(), towards.storage_mut());
                towards
            }
            _ => super::gelu::backward::<Self>(x, grad),
        }
    }

    fn scaled_softmax(scores: FloatTensor<Self>, scale: f64) -> FloatTensor<Self> {
        let shape = scores.shape();
        match Values::of(&scores) {
            Some(values) => {
                let row = last(&shape);
                tensor(
                    softmax::forward(values.slice(), row, scale as f32, None),
                    shape,
                )
            }
            None => super::softmax::scaled::<Self>(scores, scale),
        }
    }

    fn masked_softmax(
        scores: FloatTensor<Self>,
        is_hidden: BoolTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        let shape = scores.shape();
        let expanded = Self::bool_expand(is_hidden.clone(), shape.clone());
        match (Values::of(&scores), mask(&expanded, &shape)) {
            (Some(values), Some(mask)) => {
                let row = last(&shape);
                let output = softmax::forward(values.slice(), row, scale as f32, Some(&mask));
                tensor(output, shape.clone())
            }
            _ => super::softmax::masked::<Self>(scores, is_hidden, scale),
        }
    }

    fn dropped_softmax_saving(
        scores: FloatTensor<Self>,
        is_hidden: BoolTensor<Self>,
        scale: f64,
        prob: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let shape = scores.shape();
        let expanded = Self::bool_expand(is_hidden.clone(), shape.clone());
        match (Values::of(&scores), mask(&expanded, &shape)) {
            (Some(values), Some(mask)) => {
                let (row, key) = (last(&shape), key(&scores));
                let (softmax, dropped) =
                    softmax::dropped(values.slice(), row, scale as f32, &mask, &drops(&key, prob));
                (
                    tensor(dropped, shape.clone()),
                    tensor(softmax, shape.clone()),
                    key,
                )
            }
            _ => super::dropped_softmax_saving_composed::<Self>(scores, is_hidden, scale, prob),
        }
    }

    fn dropped_softmax_backward(
        softmax: FloatTensor<Self>,
        dropped: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        scale: f64,
        prob: f64,
    ) -> FloatTensor<Self> {
        let shape = softmax.shape();
        match (Values::of(&softmax), Values::of(&grad)) {
            (Some(softmax), Some(grad)) => {
                let towards = softmax::backward(
                    softmax.slice(),
                    grad.slice(),
                    last(&shape),
                    scale as f32,
                    Some(&drops(&dropped, prob)),
                );
                tensor(towards, shape)
            }
            _ => super::dropped_softmax_backward_composed::<Self>(
                softmax, dropped, grad, scale, prob,
            ),
        }
    }

    fn softmax_backward(
        output: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        let shape = output.shape();
        match (Values::of(&output), Values::of(&grad)) {
            (Some(output), Some(grad)) => {
                let row = last(&shape);
                let (output, grad) = (output.slice(), grad.slice());
                let towards = softmax::backward(output, grad, row, scale as f32, None);
                tensor(towards, shape)
            }
            _ => super::softmax::backward::<Self>(output, grad, scale),
        }
    }

    fn add_relative(
        scores: FloatTensor<Self>,
        terms: FloatTensor<Self>,
        rows: IntTensor<Self>,
        starts: IntTensor<Self>,
        kind: Terms,
    ) -> FloatTensor<Self> {
        let lookup = lookup(&rows, &starts, &scores.shape(), last(&terms.shape()));
        match (Values::of(&terms), lookup) {
            (Some(terms), Some(lookup)) if scores.dtype() == DType::F32 => {
                let mut scores = owned(scores);
                relative::add(scores.storage_mut(), terms.slice(), &lookup, kind);
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
        let [batch, heads, queries, keys] = grad.shape().dims();
        let owners = match kind {
            Terms::OfQuery => queries,
            Terms::OfKey => keys,
        };
        let lookup = lookup(&rows, &starts, &grad.shape(), count);
        match (Values::of(&grad), lookup) {
            (Some(grad), Some(lookup)) => tensor(
                relative::backward(grad.slice(), &lookup, kind),
                Shape::new([batch, heads, owners, count]),
            ),
            _ => super::relative::backward::<Self>(grad, rows, starts, count, kind),
        }
    }

    fn layer_normalised_saving(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        layer_norm::forward_of((&x, None, None), &gamma, &beta, epsilon)
            .unwrap_or_else(|| super::layer_norm::forward_saving::<Self>(x, gamma, beta, epsilon))
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
        let key = (prob > 0.0).then(|| key(&branch));
        let drops = key.as_ref().map(|key| drops(key, prob));
        let parts = (&branch, Some(&residual), drops.as_ref());
        match layer_norm::forward_of(parts, &gamma, &beta, epsilon) {
            Some((output, normalised, inverse)) => {
                let dropped = key.unwrap_or_else(|| inverse.clone());
                (output, normalised, inverse, dropped)
            }
            None => super::residual_saving_composed::<Self>(
                branch, residual, gamma, beta, epsilon, prob,
            ),
        }
    }

    fn residual_normalised(
        branch: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        prob: f64,
    ) -> FloatTensor<Self> {
        Self::residual_normalised_saving(branch, residual, gamma, beta, epsilon, prob).0
    }

    fn linear_gelu_saving(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let before = Self::projected(x, weight, Maybe::Absent);
        match (Values::of(&before), Values::of(&bias)) {
            (Some(values), Some(bias)) => {
                let output = gelu::biased(values.slice(), bias.slice());
                (tensor(output, before.shape()), before)
            }
            _ => (
                super::gelu::forward::<Self>(with_bias(before.clone(), bias)),
                before,
            ),
        }
    }

    fn linear_gelu_backward(
        before: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        match (Values::of(&before), Values::of(&bias)) {
            (Some(x), Some(bias)) if grad.dtype() == DType::F32 => {
                let mut towards = owned(grad);
                gelu::biased_backward(x.slice(), bias.slice(), towards.storage_mut());
                towards
            }
            _ => super::gelu::backward::<Self>(with_bias(before, bias), grad),
        }
    }

    fn layer_normalised_backward(
        normalised: FloatTensor<Self>,
        inverse_deviation: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        match layer_norm::backward_of(&normalised, &inverse_deviation, &gamma, grad, None) {
            Ok((towards_x, towards_gamma, towards_beta, _)) => {
                (towards_x, towards_gamma, towards_beta)
            }
            Err(grad) => {
                super::layer_norm::backward::<Self>(normalised, inverse_deviation, gamma, grad)
            }
        }
    }

    fn residual_normalised_backward(
        normalised: FloatTensor<Self>,
        inverse: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        dropped: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        prob: f64,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        let drops = (prob > 0.0).then(|| drops(&dropped, prob));
        match layer_norm::backward_of(&normalised, &inverse, &gamma, grad, drops.as_ref()) {
            Ok((sum, gamma, beta, branch)) => {
                (branch.unwrap_or_else(|| sum.clone()), sum, gamma, beta)
            }
            Err(grad) => super::residual_backward_composed::<Self>(
                normalised, inverse, gamma, dropped, grad, prob,
            ),
        }
    }

    fn dropout_saving(x: FloatTensor<Self>, prob: f64) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if x.dtype() != DType::F32 {
            return super::dropout::forward_saving::<Self>(x, prob);
        }
        let key = key(&x);
        let mut output = owned(x);
        drawn::dropout(output.storage_mut(), &drops(&key, prob));
        (output, key)
    }

    fn dropout_backward(
        saved: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        prob: f64,
    ) -> FloatTensor<Self> {
        if grad.dtype() != DType::F32 {
            return super::dropout::backward::<Self>(saved, grad);
        }
        let mut towards = owned(grad);
        drawn::dropout(towards.storage_mut(), &drops(&saved, prob));
        towards
    }

    fn cross_entropy_saving(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
        weights: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let classes = last(&logits.shape());
        match (Values::of(&logits), indices(&labels), Values::of(&weights)) {
            (Some(logits), Some(labels), Some(weights)) => {
                let (sum, log_sums) =
                    cross_entropy::forward(logits.slice(), classes, &labels, weights.slice());
                let rows = Shape::new([labels.len(), 1]);
                (tensor(vec![sum], Shape::new([1])), tensor(log_sums, rows))
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
            indices(&labels),
            Values::of(&weights),
            Values::of(&log_sums),
            Values::of(&grad),
        ) {
            (Some(labels), Some(weights), Some(log_sums), Some(grad))
                if logits.dtype() == DType::F32 =>
            {
                let factor = grad.slice().first().copied().unwrap_or(0.0);
                let classes = last(&logits.shape());
                let (weights, log_sums) = (weights.slice(), log_sums.slice());
                // The gradient takes the logits' place: they are the largest tensor of a step.
                let mut towards = owned(logits);
                let entries = towards.storage_mut();
                cross_entropy::backward(entries, classes, &labels, weights, log_sums, factor);
                towards
            }
            _ => super::cross_entropy::backward::<Self>(logits, labels, weights, log_sums, grad),
        }
    }

    fn gumbel_argmax(scores: FloatTensor<Self>) -> IntTensor<Self> {
        let classes = last(&scores.shape());
        let Some(values) = Values::of(&scores) else {
            return super::gumbel::argmax::<Self>(scores);
        };
        let key = key(&scores);
        let key = Values::of(&key);
        let key = key.as_ref().map_or(&[][..], Values::slice);
        let drawn = drawn::gumbel_argmax(values.slice(), classes, key);
        let n = drawn.len();
        FlexTensor::from_data(TensorData::new(drawn, [n]))
    }

    fn add_squared_sum(before: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        match Values::of(&x) {
            Some(x) => {
                let sum = tensor(vec![sums::squared_sum(x.slice())], Shape::new([1]));
                Self::float_add(before, sum)
            }
            None => super::sums::add_squared_sum::<Self>(before, x),
        }
    }

    fn adamw(
        value: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        update: AdamWUpdate,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let Some(values) = Values::of(&gradient) else {
            return super::adamw::update::<Self>(value, gradient, first, second, update);
        };
        let (mut value, mut first, mut second) = (owned(value), owned(first), owned(second));
        adamw::update(
            value.storage_mut(),
            values.slice(),
            first.storage_mut(),
            second.storage_mut(),
            &update,
        );
        (value, first, second)
    }
}
