//! ELECTRA's pretraining objective: replaced token detection.
//!
//! Clark et al. 2020, section 2. A generator fills the masks; a discriminator says of every token
//! whether the generator put another one there; both are trained jointly, not against each other:
//!
//! ```text
//! x_masked   = x with [MASK] at most of the chosen positions m
//! x_corrupt  = x with x̂_i ~ p_G(x_i | x_masked) at every i in m          (no gradient)
//! loss = λ_G · mean over m (−log p_G(x_i | x_masked))
//!      + λ_D · mean over all tokens (−log D or −log(1 − D), by x_corrupt_i ≠ x_i)
//! ```
//!
//! with λ_G = 1 and λ_D = 50. A token that the generator happens to restore counts as original. The
//! means run over the whole step. (The original adds 1e-6 to both divisors; here a term that nothing
//! was counted for has the mean 0.) With the uniform generator there is no first term.

use std::path::Path;

use burn::tensor::{Bool, Device, FloatDType, Int, IntDType, Tensor};
use kiln_bert::BertInputs;
use kiln_checkpoint::{NamedTensor, OpenError, WriteError};
use kiln_learner::run::ReplacedTokenSettings;
use kiln_learner::{Measure, Objective, PartOutput, PartSpec, TermSpec, Weight};
use kiln_nn::Init;
use kiln_nn::loss::{binary_cross_entropy_sum, correct_sum, cross_entropy_sum};
use kiln_nn::sampling::{sample_tokens, sample_uniform_tokens};
use kiln_text::HostBatch;
use kiln_text::tokenizer::Tokenizer;

use crate::batch::ReplacedTokenBatch;
use crate::measures::{self, discriminator_measures};
use crate::pair::{ElectraPair, PairConfig};

/// What ELECTRA is pretrained with. Holds settings and files to write beside the weights, no
/// parameters.
#[derive(Debug, Clone)]
pub struct ElectraPretraining {
    config: PairConfig,
    settings: ReplacedTokenSettings,
    tokenizer: Option<Tokenizer>,
}

/// What the discriminator reads, and what it has to say.
#[derive(Debug, Clone)]
pub struct Corrupted {
    /// `[batch, seq_len]`, the original ids with samples at the chosen positions.
    pub input_ids: Tensor<2, Int>,
    /// `[batch, seq_len]`, 1 where another token stands than originally, else 0.
    pub replaced: Tensor<2>,
}

impl ElectraPretraining {
    /// Replaced token detection as `settings` say, for models of `config`.
    pub fn new(config: PairConfig, settings: ReplacedTokenSettings) -> Self {
        Self {
            config,
            settings,
            tokenizer: None,
        }
    }

    /// Writes this tokenizer into every checkpoint.
    #[must_use]
    pub fn with_tokenizer(mut self, tokenizer: Tokenizer) -> Self {
        self.tokenizer = Some(tokenizer);
        self
    }

    /// A pair to train, drawn by `init`.
    pub fn new_model(&self, init: &mut Init) -> ElectraPair {
        ElectraPair::new(&self.config, init)
    }

    /// The tokens to be put at the chosen positions: the batch's own if it brings some, else drawn
    /// from the generator, or from all words alike without one.
    ///
    /// # Shapes
    /// - `logits`: `[batch * num_predictions, vocab_size]`, the generator's
    /// - returns `[batch, num_predictions]`; what stands in an empty slot means nothing
    fn samples(&self, logits: Option<Tensor<2>>, batch: &ReplacedTokenBatch) -> Tensor<2, Int> {
        if let Some(samples) = &batch.samples {
            return samples.clone();
        }
        let shape = batch.labels.dims();
        let labels = batch.labels.clone().flatten::<1>(0, 1);
        let disallowed = self.settings.disallow_correct.then(|| labels.clone());
        let drawn = match logits {
            Some(logits) => sample_tokens(logits, self.settings.temperature, disallowed),
            None => {
                let vocab_size = self.config.discriminator.vocab_size;
                sample_uniform_tokens(&labels, vocab_size, disallowed)
            }
        };
        drawn
            .cast(IntDType::from(batch.labels.dtype()))
            .reshape(shape)
    }

    /// Runs both models on one micro-batch.
    fn both(&self, model: &ElectraPair, batch: &ReplacedTokenBatch) -> PartOutput<Self> {
        let mut output = PartOutput {
            sums: Vec::new(),
            measures: Vec::new(),
            scratch: (),
            carry: (),
        };
        let masked = BertInputs {
            input_ids: batch.input_ids.clone(),
            attention_mask: Some(batch.attention_mask.clone()),
            token_type_ids: batch.token_type_ids.clone(),
        };
        let labels = batch.labels.clone().flatten::<1>(0, 1);
        let weights = batch.weights.clone().flatten::<1>(0, 1);
        let logits = model.generator_logits(masked, batch.positions.clone());
        // Plain: samples and measures must not keep the graph, and no gradient goes this way.
        let plain_logits = logits.as_ref().map(plain);
        if let (Some(logits), Some(plain_logits)) = (logits, &plain_logits) {
            let accuracy = correct_sum(plain_logits.clone(), labels.clone(), weights.clone());
            output
                .measures
                .push(share("generator_accuracy", accuracy, &weights));
            output
                .sums
                .push(cross_entropy_sum(logits, labels, weights.clone()));
        }
        let samples = self.samples(plain_logits, batch);
        let is_correct = samples.clone().equal(batch.labels.clone());
        let correct = (float(is_correct, &batch.weights) * batch.weights.clone()).sum();
        output
            .measures
            .push(share("sampled_accuracy", correct, &weights));

        let corrupted = corrupt(samples, batch);
        let logits = model.discriminator.forward(BertInputs {
            input_ids: corrupted.input_ids,
            attention_mask: Some(batch.attention_mask.clone()),
            token_type_ids: batch.token_type_ids.clone(),
        });
        let logits = logits.flatten::<1>(0, 1);
        let replaced = corrupted.replaced.flatten::<1>(0, 1);
        let weights = batch.token_weights.clone().flatten::<1>(0, 1);
        output.measures.extend(discriminator_measures(
            plain(&logits),
            replaced.clone(),
            weights.clone(),
        ));
        output
            .sums
            .push(binary_cross_entropy_sum(logits, replaced, weights));
        output
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
        replaced: float(replaced, &batch.weights),
        input_ids,
    }
}

/// A tensor of the same values without its graph.
fn plain<const D: usize>(tensor: &Tensor<D>) -> Tensor<D> {
    if tensor.is_autodiff() {
        tensor.clone().inner()
    } else {
        tensor.clone()
    }
}

/// 1 where true, else 0, of the element type of `like`.
fn float<const D: usize>(is_true: Tensor<D, Bool>, like: &Tensor<D>) -> Tensor<D> {
    is_true.float().cast(FloatDType::from(like.dtype()))
}

fn share(name: &'static str, sum: Tensor<1>, weights: &Tensor<1>) -> Measure {
    Measure {
        name,
        sum,
        weight: Weight::Device(weights.clone().sum()),
    }
}

impl Objective for ElectraPretraining {
    type Model = ElectraPair;
    type Batch = ReplacedTokenBatch;
    type Scratch = ();
    type Carry = ();

    fn parts(&self) -> Vec<PartSpec> {
        vec![PartSpec {
            name: "model",
            trains: &[],
        }]
    }

    fn terms(&self) -> Vec<TermSpec> {
        let generator = self.config.generator.as_ref().map(|_| TermSpec {
            name: "generator_loss",
            part: 0,
            coefficient: self.settings.generator_weight,
            is_perplexity: true,
        });
        let discriminator = TermSpec {
            name: "discriminator_loss",
            part: 0,
            coefficient: self.settings.discriminator_weight,
            is_perplexity: false,
        };
        generator.into_iter().chain([discriminator]).collect()
    }

    fn measure_names(&self) -> Vec<&'static str> {
        let generator = self.config.generator.as_ref().map(|_| "generator_accuracy");
        let names = generator.into_iter().chain(["sampled_accuracy"]);
        names.chain(measures::NAMES).collect()
    }

    fn weights(&self, batch: &HostBatch) -> Vec<f64> {
        let slots = batch.floats.get("weights").map_or(0.0, |weights| {
            weights.data.iter().map(|&weight| f64::from(weight)).sum()
        });
        let tokens = ReplacedTokenBatch::token_weights(batch)
            .iter()
            .map(|&weight| f64::from(weight))
            .sum();
        let generator = self.config.generator.as_ref().map(|_| slots);
        generator.into_iter().chain([tokens]).collect()
    }

    fn upload(&self, batch: &HostBatch, device: &Device) -> ReplacedTokenBatch {
        ReplacedTokenBatch::upload(batch, device)
    }

    fn start_carry(&self, _: &Device) {}

    fn forward(
        &self,
        model: &ElectraPair,
        _: usize,
        batch: &ReplacedTokenBatch,
        (): (),
        (): &(),
    ) -> PartOutput<Self> {
        self.both(model, batch)
    }

    fn carry_tensors(&self, (): &()) -> Vec<NamedTensor> {
        Vec::new()
    }

    fn restore_carry(&self, _: Vec<NamedTensor>, _: &Device) -> Result<(), OpenError> {
        Ok(())
    }

    fn write_model(&self, model: &ElectraPair, folder: &Path) -> Result<(), WriteError> {
        model.write(&self.config, self.tokenizer.as_ref(), folder)
    }

    fn read_model(&self, model: ElectraPair, folder: &Path) -> Result<ElectraPair, OpenError> {
        model.read(folder)
    }
}
