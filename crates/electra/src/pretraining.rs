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

use burn::tensor::Device;
use kiln_learner::{ConstantGuess, ModelFiles, Objective, PartOutput, TermSpec};
use kiln_nn::Init;
use kiln_tasks::masked_lm::MaskedLmBatch;
use kiln_tasks::replaced_tokens::{
    DISCRIMINATOR_MEASURES, GENERATOR_ACCURACY, REPLACED_SHARE, ReplacedTokenBatch,
    SAMPLED_ACCURACY, corrupt, draw, sampled_accuracy,
};
use kiln_tasks::settings::DetectionSettings;
use kiln_text::HostBatch;
use kiln_text::tokenizer::Tokenizer;

use crate::pair::{ElectraPair, PairConfig};

/// What ELECTRA is pretrained with. Holds settings, no parameters.
#[derive(Debug, Clone)]
pub struct ElectraPretraining {
    config: PairConfig,
    settings: DetectionSettings,
}

impl ElectraPretraining {
    /// Replaced token detection as `settings` say, for models of `config`.
    pub fn new(config: PairConfig, settings: DetectionSettings) -> Self {
        Self { config, settings }
    }

    /// A pair to train, drawn by `init`.
    pub fn new_model(&self, init: &mut Init) -> ElectraPair {
        ElectraPair::new(&self.config, init)
    }

    /// The model's files in a checkpoint, with the tokenizer if there is one.
    pub fn files(&self, tokenizer: Option<Tokenizer>) -> ModelFiles<ElectraPair> {
        let config = self.config.clone();
        ModelFiles::new(
            move |model: &ElectraPair, folder| model.write(&config, tokenizer.as_ref(), folder),
            ElectraPair::read,
        )
    }

    /// Runs both models on one micro-batch.
    fn both(&self, model: &ElectraPair, batch: &ReplacedTokenBatch) -> PartOutput<Self> {
        let masked = &batch.masked;
        let mut output = PartOutput {
            sums: Vec::new(),
            measures: Vec::new(),
            scratch: (),
            carry: (),
        };
        let logits = model.generator_logits(masked.inputs(), masked.positions.clone());
        let vocab_size = self.config.discriminator.vocab_size;
        let samples = draw(logits.as_ref(), vocab_size, &self.settings, batch);
        if let Some(logits) = logits {
            let (sum, accuracy) = masked.score(logits, GENERATOR_ACCURACY);
            output.sums.push(sum);
            output.measures.push(accuracy);
        }
        output.measures.push(sampled_accuracy(&samples, batch));

        let corrupted = corrupt(samples, batch);
        let logits = model.discriminator.forward(corrupted.inputs(batch));
        let (sum, measures) = corrupted.score(logits, batch);
        output.sums.push(sum);
        output.measures.extend(measures);
        output
    }
}

impl Objective for ElectraPretraining {
    type Model = ElectraPair;
    type Batch = ReplacedTokenBatch;
    type Scratch = ();
    type Carry = ();

    fn terms(&self) -> Vec<TermSpec> {
        let generator = self.config.generator.as_ref().map(|_| TermSpec {
            name: "generator_loss",
            part: 0,
            coefficient: self.settings.generator_weight,
            is_perplexity: true,
            constant: ConstantGuess::WORDS,
        });
        let discriminator = TermSpec {
            name: "discriminator_loss",
            part: 0,
            coefficient: self.settings.discriminator_weight,
            is_perplexity: false,
            constant: REPLACED_SHARE,
        };
        generator.into_iter().chain([discriminator]).collect()
    }

    fn measure_names(&self) -> Vec<&'static str> {
        let generator = self.config.generator.as_ref().map(|_| GENERATOR_ACCURACY);
        let names = generator.into_iter().chain([SAMPLED_ACCURACY]);
        names.chain(DISCRIMINATOR_MEASURES).collect()
    }

    fn weights(&self, batch: &HostBatch) -> Vec<f64> {
        let slots = MaskedLmBatch::weight(batch);
        let tokens = ReplacedTokenBatch::num_tokens(batch);
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
}
