//! v3's pretraining objective: replaced token detection (He et al. 2023, section 3).
//!
//! A generator, which is a masked language model with the enhanced mask decoder, fills the masks; a
//! discriminator says of every token whether the generator put another one there:
//!
//! ```text
//! L_G = mean over chosen tokens (−log p_G(x_i | x_masked))
//! L_D = mean over all tokens (−log D or −log(1 − D), by x_corrupt_i ≠ x_i)
//! ```
//!
//! The published order alternates: the generator steps on λ_G·L_G, then the discriminator, which
//! reads with the embeddings of the generator that has stepped, on λ_D·L_D of what the generator drew
//! before its step; each has its own gradient norm and optimizer. The other order is ELECTRA's: both
//! step together on the sum.

use burn::tensor::{Device, Int, Tensor};
use kiln_learner::{ConstantGuess, Measure, ModelFiles, Objective, PartOutput, PartSpec, TermSpec};
use kiln_nn::Init;
use kiln_tasks::masked_lm::MaskedLmBatch;
use kiln_tasks::replaced_tokens::{
    DISCRIMINATOR_MEASURES, GENERATOR_ACCURACY, REPLACED_SHARE, ReplacedTokenBatch,
    SAMPLED_ACCURACY, corrupt, draw, sampled_accuracy,
};
use kiln_tasks::settings::{DetectionSettings, Sharing};
use kiln_text::HostBatch;
use kiln_text::tokenizer::Tokenizer;

use crate::pair::{DebertaPair, PairConfig};

/// The generator's parameters.
const GENERATOR: &str = "generator.";
/// The discriminator's own parameters.
const DISCRIMINATOR: &str = "discriminator.";
/// The word table of both models where embeddings are shared as they are: both optimizers move it.
const SHARED_TABLE: &str = "generator.deberta.embeddings.word_embeddings.";

/// What DeBERTa v3 is pretrained with. Holds settings, no parameters.
#[derive(Debug, Clone)]
pub struct DebertaReplacedTokens {
    config: PairConfig,
    settings: DetectionSettings,
}

impl DebertaReplacedTokens {
    /// Replaced token detection as `settings` say, for models of `config`.
    pub fn new(config: PairConfig, settings: DetectionSettings) -> Self {
        Self { config, settings }
    }

    /// A pair to train, drawn by `init`.
    pub fn new_model(&self, init: &mut Init) -> DebertaPair {
        DebertaPair::new(&self.config, init)
    }

    /// The model's files in a checkpoint, with the tokenizer if there is one.
    pub fn files(&self, tokenizer: Option<Tokenizer>) -> ModelFiles<DebertaPair> {
        let config = self.config.clone();
        ModelFiles::new(
            move |model: &DebertaPair, folder| model.write(&config, tokenizer.as_ref(), folder),
            DebertaPair::read,
        )
    }

    /// Runs the generator: its loss and measures, and what it puts at the chosen positions.
    fn generate(
        &self,
        model: &DebertaPair,
        batch: &ReplacedTokenBatch,
    ) -> (Tensor<1>, Vec<Measure>, Tensor<2, Int>) {
        let masked = &batch.masked;
        let logits = model
            .generator
            .predictions(masked.inputs(), masked.positions.clone());
        let vocab_size = self.config.generator.vocab_size;
        let samples = draw(Some(&logits), vocab_size, &self.settings, batch);
        let (sum, accuracy) = masked.score(logits, GENERATOR_ACCURACY);
        let sampled = sampled_accuracy(&samples, batch);
        (sum, vec![accuracy, sampled], samples)
    }

    /// Runs the discriminator on `samples`.
    fn discriminate(
        &self,
        model: &DebertaPair,
        batch: &ReplacedTokenBatch,
        samples: Tensor<2, Int>,
    ) -> (Tensor<1>, Vec<Measure>) {
        let corrupted = corrupt(samples, batch);
        let logits = model.discriminator_logits(corrupted.inputs(batch));
        corrupted.score(logits, batch)
    }
}

impl Objective for DebertaReplacedTokens {
    type Model = DebertaPair;
    type Batch = ReplacedTokenBatch;
    /// The generator's samples `[batch, num_predictions]`.
    type Scratch = Option<Tensor<2, Int>>;
    type Carry = ();

    fn parts(&self) -> Vec<PartSpec> {
        if !self.settings.alternating {
            return vec![PartSpec::WHOLE];
        }
        let discriminator = PartSpec {
            name: "discriminator",
            trains: match self.config.sharing {
                Sharing::Embeddings | Sharing::All => &[DISCRIMINATOR, SHARED_TABLE],
                Sharing::None | Sharing::GradientDisentangled => &[DISCRIMINATOR],
            },
        };
        let generator = PartSpec {
            name: "generator",
            trains: &[GENERATOR],
        };
        vec![generator, discriminator]
    }

    fn terms(&self) -> Vec<TermSpec> {
        let generator = TermSpec {
            name: "generator_loss",
            part: 0,
            coefficient: self.settings.generator_weight,
            is_perplexity: true,
            constant: ConstantGuess::WORDS,
        };
        let discriminator = TermSpec {
            name: "discriminator_loss",
            part: usize::from(self.settings.alternating),
            coefficient: self.settings.discriminator_weight,
            is_perplexity: false,
            constant: REPLACED_SHARE,
        };
        vec![generator, discriminator]
    }

    fn measure_names(&self) -> Vec<&'static str> {
        let of_generator = [GENERATOR_ACCURACY, SAMPLED_ACCURACY].into_iter();
        of_generator.chain(DISCRIMINATOR_MEASURES).collect()
    }

    fn weights(&self, batch: &HostBatch) -> Vec<f64> {
        vec![
            MaskedLmBatch::weight(batch),
            ReplacedTokenBatch::num_tokens(batch),
        ]
    }

    fn upload(&self, batch: &HostBatch, device: &Device) -> ReplacedTokenBatch {
        ReplacedTokenBatch::upload(batch, device)
    }

    fn start_carry(&self, _: &Device) {}

    fn forward(
        &self,
        model: &DebertaPair,
        part: usize,
        batch: &ReplacedTokenBatch,
        scratch: Option<Tensor<2, Int>>,
        (): &(),
    ) -> PartOutput<Self> {
        let mut output = PartOutput {
            sums: Vec::new(),
            measures: Vec::new(),
            scratch: None,
            carry: (),
        };
        let samples = match scratch {
            // The second of two parts.
            Some(samples) if part > 0 => samples,
            _ => {
                let (sum, measures, samples) = self.generate(model, batch);
                output.sums.push(sum);
                output.measures.extend(measures);
                samples
            }
        };
        if self.settings.alternating && part == 0 {
            output.scratch = Some(samples);
            return output;
        }
        let (sum, measures) = self.discriminate(model, batch, samples);
        output.sums.push(sum);
        output.measures.extend(measures);
        output
    }
}
