//! Outputs by Hugging Face's names.

use std::borrow::Cow;

use burn::tensor::Tensor;

/// An output, flat, with its shape.
#[derive(Debug)]
pub struct Named {
    pub(crate) name: Cow<'static, str>,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Tensor<1>,
}

impl Named {
    /// An output by Hugging Face's name, any rank.
    pub fn new<const D: usize>(name: impl Into<Cow<'static, str>>, tensor: Tensor<D>) -> Self {
        let shape = tensor.dims();
        Self {
            name: name.into(),
            shape: shape.to_vec(),
            values: tensor.reshape([shape.iter().product::<usize>()]),
        }
    }

    /// A loss, `[1]`: written with rank 0, as in Hugging Face.
    pub(crate) fn scalar(name: &'static str, values: Tensor<1>) -> Self {
        Self {
            name: name.into(),
            shape: Vec::new(),
            values,
        }
    }
}
