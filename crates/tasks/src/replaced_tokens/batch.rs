//! One micro-batch of replaced token detection.
//!
//! A masked language model's batch, and what the discriminator's side needs of it: the ids before
//! masking, and for every place the slot that predicts it.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use kiln_learner::upload::ints;
use kiln_text::HostBatch;

use crate::masked_lm::MaskedLmBatch;

/// One micro-batch on a device.
#[derive(Debug, Clone)]
pub struct ReplacedTokenBatch {
    /// The masked words: the generator reads these.
    pub masked: MaskedLmBatch,
    /// `[batch, seq_len]`, before masking.
    pub original_ids: Tensor<2, Int>,
    /// `[batch, seq_len]`, whether a slot predicts this place.
    pub is_chosen: Tensor<2, Bool>,
    /// `[batch, seq_len]`, which one; 0 where none does.
    pub slots: Tensor<2, Int>,
    /// `[batch, seq_len]`, 1 = the discriminator is scored here: a token, special ones included, of
    /// a row that does not only fill up an evaluation.
    pub token_weights: Tensor<2>,
    /// `[batch, num_predictions]`, replacements to take instead of sampling, to compare with other
    /// implementations. Made from a buffer `samples`, if the host batch has one.
    pub samples: Option<Tensor<2, Int>>,
}

/// What a place of the sequence is to the slots.
struct Places {
    original_ids: Vec<i32>,
    slots: Vec<i32>,
    is_chosen: Vec<bool>,
}

impl ReplacedTokenBatch {
    /// Moves a masked batch to a device.
    ///
    /// # Panics
    /// If the batch lacks a buffer of `kiln_text::examples::MaskedLmSource`: an objective and the
    /// source that feeds it are written together.
    pub fn upload(batch: &HostBatch, device: &Device) -> Self {
        let places = Places::of(batch);
        let shape = shape(batch, "input_ids");
        let at_places =
            |values: Vec<i32>| Tensor::<2, Int>::from_data(TensorData::new(values, shape), device);
        Self {
            masked: MaskedLmBatch::upload(batch, device),
            original_ids: at_places(places.original_ids),
            is_chosen: Tensor::from_data(TensorData::new(places.is_chosen, shape), device),
            slots: at_places(places.slots),
            token_weights: Tensor::from_data(
                TensorData::new(Self::token_weights(batch), shape),
                device,
            ),
            samples: batch
                .ints
                .contains_key("samples")
                .then(|| ints(batch, "samples", device)),
        }
    }

    /// The number of tokens that the discriminator is scored on.
    pub fn num_tokens(batch: &HostBatch) -> f64 {
        let weights = Self::token_weights(batch);
        weights.iter().map(|&weight| f64::from(weight)).sum()
    }

    /// 1 at the tokens that the discriminator is scored on, else 0; flat `[batch * seq_len]`.
    fn token_weights(batch: &HostBatch) -> Vec<f32> {
        let [_, seq_len] = shape(batch, "attention_mask");
        let row_weights = batch.floats.get("example_weight");
        let row_weight = |row: usize| {
            let weights = row_weights.map(|buffer| buffer.data.as_slice());
            weights.map_or(1.0, |weights| weights.get(row).copied().unwrap_or(0.0))
        };
        let mask = int_data(batch, "attention_mask");
        mask.chunks(seq_len.max(1))
            .enumerate()
            .flat_map(|(row, mask)| {
                let weight = row_weight(row);
                mask.iter().map(move |&is_token| is_token as f32 * weight)
            })
            .collect()
    }
}

impl Places {
    fn of(batch: &HostBatch) -> Self {
        let [_, seq_len] = shape(batch, "input_ids");
        let [_, num_predictions] = shape(batch, "positions");
        let mut original_ids = int_data(batch, "input_ids").to_vec();
        let mut slots = vec![0; original_ids.len()];
        let mut is_chosen = vec![false; original_ids.len()];
        let weights = batch.floats.get("weights").map(|buffer| &buffer.data);
        let of_slots = int_data(batch, "positions")
            .iter()
            .zip(int_data(batch, "labels"))
            .zip(weights.into_iter().flatten())
            .enumerate();
        for (index, ((&position, &label), &weight)) in of_slots {
            if weight <= 0.0 {
                continue;
            }
            let (row, slot) = (index / num_predictions, index % num_predictions);
            let place = row * seq_len + position as usize;
            original_ids[place] = label;
            slots[place] = slot as i32;
            is_chosen[place] = true;
        }
        Self {
            original_ids,
            slots,
            is_chosen,
        }
    }
}

fn int_data<'a>(batch: &'a HostBatch, name: &str) -> &'a [i32] {
    batch.ints.get(name).map_or(&[], |buffer| &buffer.data)
}

/// `[rows, columns]` of a buffer; one that is missing is noticed where it is uploaded.
fn shape(batch: &HostBatch, name: &str) -> [usize; 2] {
    match batch.ints.get(name).map(|buffer| buffer.shape.as_slice()) {
        Some(&[rows, columns]) => [rows, columns],
        _ => [0, 0],
    }
}
