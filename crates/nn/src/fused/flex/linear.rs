//! A linear layer over all rows, its bias put where the product is added.

use burn::backend::{TensorMetadata, flex::FlexTensor};
use burn::tensor::Shape;
use rayon::prelude::*;

use super::super::linear::folded;
use super::blocks::rows_per_block;
use super::math::vectorised;
use super::operands::{Values, strided, tensor};
use super::product::{Matrix, product};

/// x·weight + bias; `None` for another float type than float32.
pub(super) fn forward(
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: Option<&FlexTensor>,
) -> Option<FlexTensor> {
    let shape = x.shape();
    let x = Values::of(x)?;
    let lhs = Matrix::rows(x.slice(), folded(&shape)[1]);
    let weight = Weight::of(weight)?;
    let bias = match bias {
        Some(bias) => Some(Values::of(bias)?),
        None => None,
    };
    let output = product(lhs, weight.matrix(), bias.as_ref().map(Values::slice));
    Some(tensor(output, with_last(shape, weight.outputs())))
}

/// grad·weightᵀ.
pub(super) fn towards_x(weight: &FlexTensor, grad: &FlexTensor) -> Option<FlexTensor> {
    let shape = grad.shape();
    let (weight, grad) = (Weight::of(weight)?, Values::of(grad)?);
    let grad = Matrix::rows(grad.slice(), folded(&shape)[1]);
    let output = product(grad, weight.matrix().transposed(), None);
    Some(tensor(output, with_last(shape, weight.inputs())))
}

/// xᵀ·grad, over all rows.
pub(super) fn towards_weight(x: &FlexTensor, grad: &FlexTensor) -> Option<FlexTensor> {
    let ([_, inputs], [_, outputs]) = (folded(&x.shape()), folded(&grad.shape()));
    let (x, grad) = (Values::of(x)?, Values::of(grad)?);
    let x = Matrix::rows(x.slice(), inputs);
    let output = product(x.transposed(), Matrix::rows(grad.slice(), outputs), None);
    Some(tensor(output, Shape::new([inputs, outputs])))
}

/// The sum of all rows, block by block, blocks in order.
pub(super) fn towards_bias(grad: &FlexTensor) -> Option<FlexTensor> {
    let [_, outputs] = folded(&grad.shape());
    let grad = Values::of(grad)?;
    let sums = row_sums(grad.slice(), outputs);
    Some(tensor(sums, Shape::new([outputs])))
}

pub(super) fn row_sums(values: &[f32], row: usize) -> Vec<f32> {
    let size = rows_per_block(row) * row;
    if size == 0 {
        return Vec::new();
    }
    let blocks: Vec<Vec<f32>> = values
        .par_chunks(size)
        .map(|block| {
            let mut sums = vec![0.0; row];
            vectorised!(add_rows(&mut sums, block));
            sums
        })
        .collect();
    let mut sums = vec![0.0; row];
    for block in &blocks {
        add_rows(&mut sums, block);
    }
    sums
}

#[inline(always)]
fn add_rows(sums: &mut [f32], rows: &[f32]) {
    for row in rows.chunks_exact(sums.len()) {
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum += x;
        }
    }
}

fn with_last(mut shape: Shape, last: usize) -> Shape {
    let axis = shape.num_dims() - 1;
    shape[axis] = last;
    shape
}

/// A weight `[in, out]`, in either order of memory.
struct Weight {
    tensor: FlexTensor,
    strides: [usize; 2],
}

impl Weight {
    fn of(weight: &FlexTensor) -> Option<Self> {
        let (tensor, strides) = strided(weight)?;
        Some(Self { tensor, strides })
    }

    fn inputs(&self) -> usize {
        self.tensor.shape()[0]
    }

    fn outputs(&self) -> usize {
        self.tensor.shape()[1]
    }

    fn matrix(&self) -> Matrix<'_> {
        let start = self.tensor.layout().start_offset();
        let values = &self.tensor.storage::<f32>()[start..];
        Matrix::strided(values, [self.inputs(), self.outputs()], self.strides)
    }
}
