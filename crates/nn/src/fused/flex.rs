//! The fused operations on flex in float32: one pass over memory each, rows or blocks in parallel.
//!
//! Work is cut into blocks of fixed size, and sums over blocks are taken in order, so that results
//! do not depend on the number of threads. Loops have no branches and sum in sixteen lanes, for the
//! compiler to make vector instructions of them. Other float types take the composed form.

mod drawn;
mod kernels;
mod math;
mod relative;

use burn::backend::{
    Flex, TensorMetadata,
    flex::FlexTensor,
    ops::{BoolTensorOps, FloatTensorOps},
    tensor::{BoolTensor, FloatTensor, IntTensor},
};
use burn::tensor::{DType, Distribution, FloatDType, Shape, TensorData};

use super::{
    AdamWUpdate, FusedOps, Terms, adamw, cross_entropy, dropout, gelu, gumbel, layer_norm, softmax,
};
use relative::Lookup;

impl FusedOps for Flex {
    fn gelu_erf(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let shape = x.shape();
        match Values::of(&x) {
            Some(values) => tensor(kernels::gelu(values.slice()), shape),
            None => gelu::forward::<Self>(x),
        }
    }

    fn gelu_erf_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let shape = x.shape();
        match (Values::of(&x), Values::of(&grad)) {
            (Some(x), Some(grad)) => tensor(kernels::gelu_backward(x.slice(), grad.slice()), shape),
            _ => gelu::backward::<Self>(x, grad),
        }
    }

    fn scaled_softmax(scores: FloatTensor<Self>, scale: f64) -> FloatTensor<Self> {
        let shape = scores.shape();
        match Values::of(&scores) {
            Some(values) => {
                let row = last(&shape);
                tensor(
                    kernels::softmax(values.slice(), row, scale as f32, None),
                    shape,
                )
            }
            None => softmax::scaled::<Self>(scores, scale),
        }
    }

    fn masked_softmax(
        scores: FloatTensor<Self>,
        is_hidden: BoolTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        let shape = scores.shape();
        let Some(values) = Values::of(&scores) else {
            return softmax::masked::<Self>(scores, is_hidden, scale);
        };
        // Most masks are the same for all heads and queries: the strides tell which rows share one,
        // and nothing of the scores' size is made.
        let expanded = Self::bool_expand(is_hidden.clone(), shape.clone());
        if !matches!(expanded.dtype(), DType::Bool(_)) || expanded.dtype().size() != 1 {
            return softmax::masked::<Self>(scores, is_hidden, scale);
        }
        let layout = expanded.layout();
        let mask = kernels::Mask {
            bytes: expanded.bytes(),
            start: layout.start_offset(),
            shape: shape.as_slice(),
            strides: layout.strides(),
        };
        let row = last(&shape);
        let output = kernels::softmax(values.slice(), row, scale as f32, Some(&mask));
        tensor(output, shape.clone())
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
                let towards =
                    kernels::softmax_backward(output.slice(), grad.slice(), row, scale as f32);
                tensor(towards, shape)
            }
            _ => softmax::backward::<Self>(output, grad, scale),
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
                let (output, normalised, inverse_deviation) =
                    kernels::layer_norm(x.slice(), gamma.slice(), beta.slice(), epsilon as f32);
                let mut one_a_row = shape.clone();
                let axis = one_a_row.num_dims() - 1;
                one_a_row[axis] = 1;
                (
                    tensor(output, shape.clone()),
                    tensor(normalised, shape),
                    tensor(inverse_deviation, one_a_row),
                )
            }
            _ => layer_norm::forward_saving::<Self>(x, gamma, beta, epsilon),
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
                let (towards_x, towards_gamma, towards_beta) = kernels::layer_norm_backward(
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
            _ => layer_norm::backward::<Self>(normalised, inverse_deviation, gamma, grad),
        }
    }

    fn dropout_saving(x: FloatTensor<Self>, prob: f64) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let shape = x.shape();
        let Some(values) = Values::of(&x) else {
            return dropout::forward_saving::<Self>(x, prob);
        };
        let key = key(&x);
        let output = drawn::dropout(
            values.slice(),
            Values::of(&key).as_ref().map_or(&[], Values::slice),
            prob,
        );
        (tensor(output, shape), key)
    }

    fn dropout_backward(
        saved: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        prob: f64,
    ) -> FloatTensor<Self> {
        let shape = grad.shape();
        match (Values::of(&saved), Values::of(&grad)) {
            (Some(key), Some(grad)) => {
                tensor(drawn::dropout(grad.slice(), key.slice(), prob), shape)
            }
            _ => dropout::backward::<Self>(saved, grad),
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
                    kernels::cross_entropy(logits.slice(), classes, &labels, weights.slice());
                let rows = Shape::new([labels.len(), 1]);
                (tensor(vec![sum], Shape::new([1])), tensor(log_sums, rows))
            }
            _ => cross_entropy::forward_saving::<Self>(logits, labels, weights),
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
                let towards = kernels::cross_entropy_backward(
                    logits.slice(),
                    last(&shape),
                    &labels,
                    weights.slice(),
                    log_sums.slice(),
                    factor,
                );
                tensor(towards, shape)
            }
            _ => cross_entropy::backward::<Self>(logits, labels, weights, log_sums, grad),
        }
    }

    fn gumbel_argmax(scores: FloatTensor<Self>) -> IntTensor<Self> {
        let classes = last(&scores.shape());
        let Some(values) = Values::of(&scores) else {
            return gumbel::argmax::<Self>(scores);
        };
        let key = key(&scores);
        let key = Values::of(&key);
        let key = key.as_ref().map_or(&[][..], Values::slice);
        let drawn = drawn::gumbel_argmax(values.slice(), classes, key);
        let n = drawn.len();
        FlexTensor::from_data(TensorData::new(drawn, [n]))
    }

    fn squared_sum(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match Values::of(&x) {
            Some(x) => tensor(vec![kernels::squared_sum(x.slice())], Shape::new([1])),
            None => {
                let square = Self::float_mul(x.clone(), x);
                let last = square.shape().num_dims() - 1;
                Self::float_sum(Self::float_sum_dim(square, last))
            }
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
            return adamw::update::<Self>(value, gradient, first, second, update);
        };
        let (mut value, mut first, mut second) = (owned(value), owned(first), owned(second));
        kernels::adamw(
            value.storage_mut(),
            values.slice(),
            first.storage_mut(),
            second.storage_mut(),
            &update,
        );
        (value, first, second)
    }
}

/// A key for numbers drawn in parallel: it alone comes from the device's generator, so seeding that
/// still decides everything.
fn key(like: &FlexTensor) -> FlexTensor {
    Flex::float_random(
        Shape::new([drawn::KEY_WORDS]),
        Distribution::Uniform(0.0, 1.0),
        &like.device(),
        FloatDType::F32,
    )
}

/// The tensor with its values, all of them and nothing else, in row-major order; as it came if they
/// lie so.
fn owned(tensor: FlexTensor) -> FlexTensor {
    let count = tensor.shape().num_elements();
    let whole = tensor.is_contiguous()
        && tensor.layout().start_offset() == 0
        && tensor.storage::<f32>().len() == count;
    if whole {
        tensor
    } else {
        FlexTensor::from_data(tensor.into_data())
    }
}

/// A float32 tensor with its values in row-major order; a copy only if they were not.
struct Values(FlexTensor);

impl Values {
    /// `None` for another float type.
    fn of(tensor: &FlexTensor) -> Option<Self> {
        (tensor.dtype() == DType::F32).then(|| Self(tensor.to_contiguous()))
    }

    fn slice(&self) -> &[f32] {
        self.0.as_slice::<f32>().unwrap_or_default()
    }
}

fn tensor(values: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

fn last(shape: &Shape) -> usize {
    shape.as_slice().last().copied().unwrap_or(1)
}

/// Where the terms for scores `[batch, heads, query_len, key_len]` lie among `count` rows.
fn lookup(rows: &FlexTensor, starts: &FlexTensor, scores: &Shape, count: usize) -> Option<Lookup> {
    let [_, heads, queries, keys] = scores.dims();
    Some(Lookup {
        rows: indices(rows)?,
        starts: indices(starts)?,
        heads,
        queries,
        keys,
        count,
    })
}

/// Numbers of classes, places or rows; `None` for an integer type that they don't come in.
fn indices(numbers: &FlexTensor) -> Option<Vec<usize>> {
    let numbers = numbers.to_contiguous();
    match numbers.dtype() {
        DType::I32 => {
            let numbers = numbers.as_slice::<i32>()?.iter();
            Some(numbers.map(|&number| number as usize).collect())
        }
        DType::I64 => {
            let numbers = numbers.as_slice::<i64>()?.iter();
            Some(numbers.map(|&number| number as usize).collect())
        }
        _ => None,
    }
}
