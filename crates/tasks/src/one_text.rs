//! One text as a batch of its own, and what a model says of it: for predictions.

use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_learner::LearnError;
use kiln_nn::EncoderInputs;

/// What an encoder reads of a text of one segment, without padding.
pub fn text_inputs(ids: &[u32], device: &Device) -> EncoderInputs {
    EncoderInputs {
        input_ids: row(ids.iter().map(|&id| id as i32).collect(), device),
        attention_mask: None,
        token_type_ids: row(vec![0; ids.len()], device),
    }
}

/// Places in it, `[1, positions]`.
pub fn text_positions(positions: &[usize], device: &Device) -> Tensor<2, Int> {
    let positions = positions.iter().map(|&position| position as i32);
    row(positions.collect(), device)
}

/// The numbers of a model's output, row by row.
///
/// # Errors
/// If the device does not give them.
pub fn read_output(output: Tensor<2>) -> Result<Vec<f32>, LearnError> {
    output
        .try_into_vec_as::<f32>()
        .map_err(|error| LearnError::Device {
            step: 0,
            reason: error.to_string(),
        })
}

fn row(values: Vec<i32>, device: &Device) -> Tensor<2, Int> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [1, count]), device)
}
