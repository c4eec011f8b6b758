//! The fused operations on flex in float32: one pass over memory each, rows or blocks in parallel.
//!
//! Work is cut into blocks of fixed size, and sums over blocks are taken in order, so that results
//! do not depend on the number of threads. Loops have no branches and sum in sixteen lanes, for the
//! compiler to make vector instructions of them. Other float types take the composed form.

mod adamw;
mod blocks;
mod cross_entropy;
mod drawn;
mod gelu;
mod layer_norm;
mod math;
mod operands;
mod relative;
mod softmax;
mod sums;
#[cfg(test)]
mod tests;

use burn::backend::{
    Flex, TensorMetadata,
    flex::FlexTensor,
    ops::{BoolTensorOps, FloatTensorOps, ModuleOps},
    tensor::{BoolTensor, FloatTensor, IntTensor},
};
use burn::tensor::{DType, Shape, TensorData};

use super::{AdamWUpdate, FusedOps, Terms};
use layer_norm::Branch;
use operands::{
    Values, drops, indices, key, last, layer_norm_of, lookup, mask, owned, tensor, with_bias,
};

impl FusedOps for Flex {
    fn gelu_erf(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let shape = x.shape();
        match Values::of(&x) {
            Some(values) => tensor(gelu::forward(values.slice()), shape),
            None => super::gelu::forward::<Self>(x),
        }
    }

    fn gelu_erf_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let shape = x.shape();
        match (Values::of(&x), Values::of(&grad)) {
            (Some(x), Some(grad)) => tensor(gelu::backward(x.slice(), grad.slice()), shape),
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
        let shape = x.shape();
        match (Values::of(&x), Values::of(&gamma), Values::of(&beta)) {
            (Some(x), Some(gamma), Some(beta)) => {
                let branch = Branch {
                    x: x.slice(),
                    residual: None,
                    drops: None,
                };
                layer_norm_of(&branch, &gamma, &beta, epsilon, &shape)
            }
            _ => super::layer_norm::forward_saving::<Self>(x, gamma, beta, epsilon),
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
        let shape = branch.shape();
        match (
            Values::of(&branch),
            Values::of(&residual).filter(|residual| residual.shape() == shape),
            Values::of(&gamma),
            Values::of(&beta),
        ) {
            (Some(x), Some(added), Some(gamma), Some(beta)) => {
                let key = (prob > 0.0).then(|| key(&branch));
                let drops = key.as_ref().map(|key| drops(key, prob));
                let branch = Branch {
                    x: x.slice(),
                    residual: Some(added.slice()),
                    drops: drops.as_ref(),
                };
                let (output, normalised, inverse) =
                    layer_norm_of(&branch, &gamma, &beta, epsilon, &shape);
                let dropped = key.unwrap_or_else(|| inverse.clone());
                (output, normalised, inverse, dropped)
            }
            _ => super::residual_saving_composed::<Self>(
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
        let before = Self::linear(x, weight, None);
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
        let shape = before.shape();
        match (Values::of(&before), Values::of(&bias), Values::of(&grad)) {
            (Some(x), Some(bias), Some(grad)) => {
                let towards = gelu::biased_backward(x.slice(), bias.slice(), grad.slice());
                tensor(towards, shape)
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
        let shape = grad.shape();
        match (
            Values::of(&normalised),
            Values::of(&inverse_deviation),
            Values::of(&gamma),
            Values::of(&grad),
        ) {
            (Some(normalised), Some(inverse_deviation), Some(gamma), Some(grad)) => {
                let (towards_x, towards_gamma, towards_beta) = layer_norm::backward(
                    normalised.slice(),
                    inverse_deviation.slice(),
                    gamma.slice(),
                    grad.slice(),
                );
                let size = Shape::new([last(&shape)]);
                (
                    tensor(towards_x, shape),
                    tensor(towards_gamma, size.clone()),
                    tensor(towards_beta, size),
                )
            }
            _ => super::layer_norm::backward::<Self>(normalised, inverse_deviation, gamma, grad),
        }
    }

    fn dropout_saving(x: FloatTensor<Self>, prob: f64) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let shape = x.shape();
        let Some(values) = Values::of(&x) else {
            return super::dropout::forward_saving::<Self>(x, prob);
        };
        let key = key(&x);
        let output = drawn::dropout(values.slice(), &drops(&key, prob));
        (tensor(output, shape), key)
    }

    fn dropout_backward(
        saved: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        prob: f64,
    ) -> FloatTensor<Self> {
        let shape = grad.shape();
        match Values::of(&grad) {
            Some(grad) => tensor(drawn::dropout(grad.slice(), &drops(&saved, prob)), shape),
            None => super::dropout::backward::<Self>(saved, grad),
        }
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
        let shape = logits.shape();
        match (
            Values::of(&logits),
            indices(&labels),
            Values::of(&weights),
            Values::of(&log_sums),
            Values::of(&grad),
        ) {
            (Some(logits), Some(labels), Some(weights), Some(log_sums), Some(grad)) => {
                let factor = grad.slice().first().copied().unwrap_or(0.0);
                let towards = cross_entropy::backward(
                    logits.slice(),
                    last(&shape),
                    &labels,
                    weights.slice(),
                    log_sums.slice(),
                    factor,
                );
                tensor(towards, shape)
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
            None => super::add_squared_sum_composed::<Self>(before, x),
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
