//! Replacements drawn and put in place, and the terms of both losses with their measures.

use burn::tensor::{Bool, FloatDType, Int, IntDType, Tensor};
use kiln_learner::{ConstantGuess, Measure};
use kiln_nn::loss::binary_cross_entropy_sum;
use kiln_nn::sampling::{sample_tokens, sample_uniform_tokens};
use kiln_nn::{EncoderInputs, untracked};

use super::batch::ReplacedTokenBatch;
use super::measures::{REPLACED, discriminator_measures};
use crate::settings::DetectionSettings;

/// The generator's accuracy at the chosen positions, by its likeliest token.
pub(super) const GENERATOR_ACCURACY: &str = "generator_accuracy";

/// How often the token that was drawn is the one that stood there.
pub(super) const SAMPLED_ACCURACY: &str = "sampled_accuracy";

/// What a discriminator that has learned nothing goes by.
pub(super) const REPLACED_SHARE: ConstantGuess = ConstantGuess::Share {
    measure: REPLACED,
    knows: "the share of replaced tokens",
};

/// What the discriminator reads, and what it has to say.
#[derive(Debug, Clone)]
pub struct Corrupted {
    /// `[batch, seq_len]`, the original ids with samples at the chosen positions.
    pub input_ids: Tensor<2, Int>,
    /// `[batch, seq_len]`, 1 where another token stands than originally, else 0.
    pub replaced: Tensor<2>,
}

/// The tokens to be put at the chosen positions: the batch's own if it brings some, else drawn from
/// the generator's scores, or from all words alike without any. No gradient goes this way.
///
/// # Shapes
/// - `logits`: `[batch * num_predictions, vocab_size]`, the generator's
/// - returns `[batch, num_predictions]`; what stands in an empty slot means nothing
///
/// # Panics
/// If `logits` has another shape: the caller's mistake.
pub fn draw(
    logits: Option<&Tensor<2>>,
    vocab_size: usize,
    settings: &DetectionSettings,
    batch: &ReplacedTokenBatch,
) -> Tensor<2, Int> {
    if let Some(samples) = &batch.samples {
        return samples.clone();
    }
    let labels = &batch.masked.labels;
    let shape = labels.dims();
    let labels = labels.clone().flatten::<1>(0, 1);
    let disallowed = settings.disallow_correct.then(|| labels.clone());
    let drawn = match logits {
        Some(logits) => sample_tokens(untracked(logits.clone()), settings.temperature, disallowed),
        None => sample_uniform_tokens(&labels, vocab_size, disallowed),
    };
    drawn.cast(IntDType::from(labels.dtype())).reshape(shape)
}

/// How often the samples are what stood there.
///
/// # Shapes
/// - `samples`: `[batch, num_predictions]`
pub(super) fn sampled_accuracy(samples: &Tensor<2, Int>, batch: &ReplacedTokenBatch) -> Measure {
    let masked = &batch.masked;
    let is_correct = samples.clone().equal(masked.labels.clone());
    Measure {
        name: SAMPLED_ACCURACY,
        sum: (float(is_correct, &masked.weights) * masked.weights.clone()).sum(),
        weight: masked.weights.clone().sum(),
    }
}

/// Puts samples at the chosen positions of the original ids.
///
/// Every place looks up its slot, rather than every slot its place: a lookup has no order in which
/// two might collide, and an empty slot is never looked up.
///
/// # Shapes
/// - `samples`: `[batch, num_predictions]`
///
/// # Panics
/// If the shapes do not fit: the caller's mistake.
pub fn corrupt(samples: Tensor<2, Int>, batch: &ReplacedTokenBatch) -> Corrupted {
    let original = batch.original_ids.clone();
    let samples = samples.cast(IntDType::from(original.dtype()));
    let sampled = samples.gather(1, batch.slots.clone());
    let input_ids = original
        .clone()
        .mask_where(batch.is_chosen.clone(), sampled);
    let replaced = input_ids.clone().not_equal(original);
    Corrupted {
        replaced: float(replaced, &batch.token_weights),
        input_ids,
    }
}

impl Corrupted {
    /// What the discriminator reads.
    pub fn inputs(&self, batch: &ReplacedTokenBatch) -> EncoderInputs {
        EncoderInputs {
            input_ids: self.input_ids.clone(),
            ..batch.masked.inputs()
        }
    }

    /// The discriminator's loss as a sum over all real tokens `[1]`, and its measures.
    ///
    /// # Shapes
    /// - `logits`: `[batch, seq_len]`
    ///
    /// # Panics
    /// If `logits` has another shape: the caller's mistake.
    pub fn score(
        &self,
        logits: Tensor<2>,
        batch: &ReplacedTokenBatch,
    ) -> (Tensor<1>, Vec<Measure>) {
        let logits = logits.flatten::<1>(0, 1);
        let replaced = self.replaced.clone().flatten::<1>(0, 1);
        let weights = batch.token_weights.clone().flatten::<1>(0, 1);
        let measures =
            discriminator_measures(untracked(logits.clone()), replaced.clone(), weights.clone());
        let sum = binary_cross_entropy_sum(logits, replaced, weights);
        (sum, measures)
    }
}

/// 1 where true, else 0, of the element type of `like`.
fn float<const D: usize>(is_true: Tensor<D, Bool>, like: &Tensor<D>) -> Tensor<D> {
    is_true.float().cast(FloatDType::from(like.dtype()))
}
