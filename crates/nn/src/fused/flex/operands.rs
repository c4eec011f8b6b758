//! Tensors as the kernels take them and give them back.

use burn::backend::{Flex, TensorMetadata, flex::FlexTensor, ops::FloatTensorOps};
use burn::tensor::{DType, Distribution, FloatDType, Shape, TensorData};

use super::drawn::{self, Drops};
use super::relative::Lookup;
use super::softmax::Mask;

/// A key for numbers drawn in parallel: it alone comes from the device's generator, so seeding that
/// still decides everything.
pub(super) fn key(like: &FlexTensor) -> FlexTensor {
    Flex::float_random(
        Shape::new([drawn::KEY_WORDS]),
        Distribution::Uniform(0.0, 1.0),
        &like.device(),
        FloatDType::F32,
    )
}

/// Which entries are dropped by a key.
pub(super) fn drops(key: &FlexTensor, prob: f64) -> Drops {
    Drops::new(Values::of(key).as_ref().map_or(&[], Values::slice), prob)
}

/// A mask of the scores' shape. Most are the same for all heads and queries: the strides tell which rows
/// share one, and nothing of the scores' size is made. `None` for Booleans that are stored otherwise.
pub(super) fn mask<'a>(expanded: &'a FlexTensor, shape: &'a Shape) -> Option<Mask<'a>> {
    let is_bytes = matches!(expanded.dtype(), DType::Bool(_)) && expanded.dtype().size() == 1;
    is_bytes.then(|| Mask {
        bytes: expanded.bytes(),
        start: expanded.layout().start_offset(),
        shape: shape.as_slice(),
        strides: expanded.layout().strides(),
    })
}

/// Rows to which a bias is added.
pub(super) fn with_bias(x: FlexTensor, bias: FlexTensor) -> FlexTensor {
    let mut shape = vec![1; x.shape().num_dims()];
    if let Some(last) = shape.last_mut() {
        *last = bias.shape().num_elements();
    }
    Flex::float_add(x, Flex::float_reshape(bias, Shape::from(shape)))
}

/// The tensor with its values, all of them and nothing else, in row-major order; as it came if they
/// lie so.
pub(super) fn owned(tensor: FlexTensor) -> FlexTensor {
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
pub(super) struct Values(FlexTensor);

impl Values {
    /// `None` for another float type.
    pub(super) fn of(tensor: &FlexTensor) -> Option<Self> {
        (tensor.dtype() == DType::F32).then(|| Self(tensor.to_contiguous()))
    }

    pub(super) fn slice(&self) -> &[f32] {
        self.0.as_slice::<f32>().unwrap_or_default()
    }
}

/// A float32 tensor with the steps along its axes, of which none is backwards; `None` for another float type.
pub(super) fn strided<const N: usize>(tensor: &FlexTensor) -> Option<(FlexTensor, [usize; N])> {
    let steps = |tensor: &FlexTensor| -> Option<[usize; N]> {
        let steps = tensor.layout().strides().iter();
        let steps: Option<Vec<usize>> = steps.map(|&step| step.try_into().ok()).collect();
        steps?.try_into().ok()
    };
    if tensor.dtype() != DType::F32 {
        return None;
    }
    if let Some(steps) = steps(tensor) {
        return Some((tensor.clone(), steps));
    }
    let tensor = tensor.to_contiguous();
    let steps = steps(&tensor)?;
    Some((tensor, steps))
}

pub(super) fn tensor(values: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

pub(super) fn last(shape: &Shape) -> usize {
    shape.as_slice().last().copied().unwrap_or(1)
}

/// Where the terms for scores `[batch, heads, query_len, key_len]` lie among `count` rows.
pub(super) fn lookup(
    rows: &FlexTensor,
    starts: &FlexTensor,
    scores: &Shape,
    count: usize,
) -> Option<Lookup> {
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
pub(super) fn indices(numbers: &FlexTensor) -> Option<Vec<usize>> {
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
