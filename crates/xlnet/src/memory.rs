//! The memory of the segments before, and its file in a checkpoint.

use burn::tensor::{Device, Tensor, TensorData};
use kiln_checkpoint::{NamedTensor, OpenError, WriteError};
use kiln_learner::Carry;
use kiln_nn::{like, untracked};

use crate::XlnetConfig;

/// Hidden states of the segments before, one tensor `[batch, mem_len, d_model]` for what goes into
/// each layer; none of them has a gradient.
#[derive(Debug, Clone)]
pub struct Memory {
    /// A tensor `[batch, mem_len, d_model]` a layer; none where nothing is kept.
    pub states: Vec<Tensor<3>>,
}

impl Memory {
    /// What a run begins with: zeros, which are attended to like any other.
    pub fn zeros(config: &XlnetConfig, batch: usize, mem_len: usize, device: &Device) -> Self {
        let layer = || Tensor::zeros([batch, mem_len, config.d_model], device);
        Self {
            states: (0..config.n_layer).map(|_| layer()).collect(),
        }
    }

    /// How many positions the memory holds.
    pub fn len(&self) -> usize {
        self.states.first().map_or(0, |state| state.dims()[1])
    }

    /// The memory in the float type of `other`.
    pub(crate) fn like<const D: usize>(self, other: &Tensor<D>) -> Self {
        let states = self.states.into_iter();
        Self {
            states: states.map(|state| like(state, other)).collect(),
        }
    }

    /// Whether the memory holds no position.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Carry for Memory {
    fn tensors(&self) -> Result<Vec<NamedTensor>, WriteError> {
        let tensors = self.states.iter().enumerate().map(|(layer, state)| {
            let name = name(layer);
            let read = untracked(state.clone()).try_into_vec_as::<f32>();
            let data = read.map_err(|error| WriteError::Device {
                name: name.clone(),
                reason: error.to_string(),
            })?;
            Ok(NamedTensor {
                name,
                shape: state.dims().to_vec(),
                data,
            })
        });
        tensors.collect()
    }

    fn restored(self, tensors: Vec<NamedTensor>) -> Result<Self, OpenError> {
        let states = self.states.iter().enumerate().map(|(layer, start)| {
            let (name, shape) = (name(layer), start.dims());
            let tensor = tensors.iter().find(|tensor| tensor.name == name);
            let tensor = tensor.ok_or_else(|| OpenError::NoTensor {
                path: Default::default(),
                name: name.clone(),
            })?;
            if tensor.shape != shape {
                return Err(OpenError::Shape {
                    path: Default::default(),
                    name,
                    found: tensor.shape.clone(),
                    expected: shape.to_vec(),
                });
            }
            let data = TensorData::new(tensor.data.clone(), shape);
            Ok(Tensor::from_data(data, &start.device()))
        });
        let states = states.collect::<Result<_, OpenError>>()?;
        Ok(Self { states })
    }
}

/// The name of what goes into `layer`.
fn name(layer: usize) -> String {
    format!("mems.{layer}")
}
