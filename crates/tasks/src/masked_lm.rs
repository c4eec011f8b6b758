//! A masked language model's micro-batch on a device, and its loss.
//!
//! Devlin et al. 2019, section 3.1, task 1; whatever model predicts the words. The vocabulary is
//! scored at the chosen positions alone, a fixed number of slots in a sequence.

use burn::tensor::{Device, Int, Tensor};
use kiln_learner::Measure;
use kiln_learner::upload::{floats, ints};
use kiln_nn::loss::{correct_sum, cross_entropy_sum};
use kiln_nn::{EncoderInputs, untracked, widened};
use kiln_text::HostBatch;

/// What `kiln_text::examples::MaskedLmSource` makes.
#[derive(Debug, Clone)]
pub struct MaskedLmBatch {
    /// `[batch, seq_len]`, masked.
    pub input_ids: Tensor<2, Int>,
    /// `[batch, seq_len]`, 1 = token, 0 = padding.
    pub attention_mask: Tensor<2, Int>,
    /// `[batch, seq_len]`, 0 = first segment, 1 = second.
    pub token_type_ids: Tensor<2, Int>,
    /// `[batch, num_predictions]`, where the chosen tokens stand; any place in an empty slot.
    pub positions: Tensor<2, Int>,
    /// `[batch, num_predictions]`, what stood there.
    pub labels: Tensor<2, Int>,
    /// `[batch, num_predictions]`, 1 = chosen, 0 = empty slot.
    pub weights: Tensor<2>,
}

impl MaskedLmBatch {
    /// Moves a masked batch to a device.
    ///
    /// # Panics
    /// If the batch lacks a buffer: an objective and the source that feeds it are written together.
    pub fn upload(batch: &HostBatch, device: &Device) -> Self {
        Self {
            input_ids: ints(batch, "input_ids", device),
            attention_mask: ints(batch, "attention_mask", device),
            token_type_ids: ints(batch, "token_type_ids", device),
            positions: ints(batch, "positions", device),
            labels: ints(batch, "labels", device),
            weights: floats(batch, "weights", device),
        }
    }

    /// The number of chosen tokens: what the loss's sum is a sum over.
    pub fn weight(batch: &HostBatch) -> f64 {
        total(batch, "weights")
    }

    /// What the encoder reads.
    pub fn inputs(&self) -> EncoderInputs {
        EncoderInputs {
            input_ids: self.input_ids.clone(),
            attention_mask: Some(self.attention_mask.clone()),
            token_type_ids: self.token_type_ids.clone(),
        }
    }

    /// The loss's sum over the chosen tokens `[1]`, and the accuracy called `accuracy`.
    ///
    /// # Shapes
    /// - `logits`: `[batch * num_predictions, vocab_size]`
    ///
    /// # Panics
    /// If `logits` has another shape: the caller's mistake.
    pub fn score(&self, logits: Tensor<2>, accuracy: &'static str) -> (Tensor<1>, Measure) {
        let labels = self.labels.clone().flatten::<1>(0, 1);
        let weights = self.weights.clone().flatten::<1>(0, 1);
        score(logits, labels, weights, accuracy)
    }
}

/// The sum of weighted cross-entropies `[1]`, and the accuracy called `accuracy`.
///
/// # Shapes
/// - `logits`: `[n, classes]`; `labels`, `weights`: `[n]`
///
/// # Panics
/// If those shapes do not hold: the caller's mistake.
pub fn score(
    logits: Tensor<2>,
    labels: Tensor<1, Int>,
    weights: Tensor<1>,
    accuracy: &'static str,
) -> (Tensor<1>, Measure) {
    let logits = widened(logits);
    let measure = self::accuracy(accuracy, logits.clone(), labels.clone(), weights.clone());
    (cross_entropy_sum(logits, labels, weights), measure)
}

/// How often the highest score is the label's.
///
/// # Shapes
/// As in [`score`].
pub(crate) fn accuracy(
    name: &'static str,
    logits: Tensor<2>,
    labels: Tensor<1, Int>,
    weights: Tensor<1>,
) -> Measure {
    Measure {
        name,
        sum: correct_sum(untracked(logits), labels, weights.clone()),
        weight: weights.sum(),
    }
}

/// The sum of the real numbers `name` of a batch; 0 without them.
pub fn total(batch: &HostBatch, name: &str) -> f64 {
    let numbers = batch.floats.get(name);
    numbers.map_or(0.0, |numbers| {
        numbers.data.iter().map(|&number| f64::from(number)).sum()
    })
}
