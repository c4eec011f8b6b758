//! The objective of replaced token detection (Clark et al. 2020, section 2; He et al. 2023, section 3).
//!
//! A generator fills the masks; a discriminator says of every token whether the generator put another
//! one there. They are not trained against each other: no gradient flows through the samples.
//!
//! ```text
//! x_masked   = x with [MASK] at most of the chosen positions m
//! x_corrupt  = x with x̂_i ~ p_G(x_i | x_masked) at every i in m          (no gradient)
//! L_G = mean over m (−log p_G(x_i | x_masked))
//! L_D = mean over all tokens (−log D or −log(1 − D), by x_corrupt_i ≠ x_i)
//! ```
//!
//! A token that the generator happens to restore counts as original. ELECTRA's order: both step together
//! on λ_G·L_G + λ_D·L_D. DeBERTa v3's order alternates: the generator steps on λ_G·L_G, then the
//! discriminator, which reads with whatever it shares with the generator that has stepped, on λ_D·L_D of
//! what the generator drew before its step; each has its own gradient norm and optimizer.
//!
//! The means run over the whole step. (ELECTRA's original adds 1e-6 to both divisors; here a term that
//! nothing was counted for has the mean 0.) With the uniform generator there is no L_G.

use std::fmt::Debug;
use std::path::Path;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Int, Tensor};
use kiln_checkpoint::{OpenError, WriteError};
use kiln_learner::{
    ConstantGuess, LearnError, ModelFiles, Objective, Observer, PartOutput, PartSpec, TermSpec,
};
use kiln_nn::{EncoderInputs, Init};
use kiln_text::HostBatch;
use kiln_text::tokenizer::Tokenizer;

use super::batch::ReplacedTokenBatch;
use super::measures::NAMES as DISCRIMINATOR_MEASURES;
use super::origins::Origins;
use super::replacement::{
    GENERATOR_ACCURACY, REPLACED_SHARE, SAMPLED_ACCURACY, corrupt, draw, sampled_accuracy,
};
use crate::masked_lm::MaskedLmBatch;
use crate::settings::DetectionSettings;

/// A generator and a discriminator that are trained together: fields `generator` and `discriminator`.
pub trait ModelPair: Module + ModuleDisplay + Sized + 'static {
    /// The sizes of both models, and what they share.
    type Config: Debug + Clone + Send + Sync + 'static;

    /// Draws all weights.
    fn new(config: &Self::Config, init: &mut Init) -> Self;

    /// Writes `generator/` and `discriminator/` into `folder`, each a Hugging Face folder with the
    /// tokenizer, and what else reading them back to the last bit takes.
    ///
    /// # Errors
    /// If a file can't be written.
    fn write(
        &self,
        config: &Self::Config,
        tokenizer: Option<&Tokenizer>,
        folder: &Path,
    ) -> Result<(), WriteError>;

    /// Reads what [`Self::write`] wrote: bit-equal, every tensor present.
    ///
    /// # Errors
    /// If a file is missing or doesn't fit.
    fn read(self, folder: &Path) -> Result<Self, OpenError>;

    /// The words that both know.
    fn vocab_size(config: &Self::Config) -> usize;

    /// The ids of padding, the discriminator's and the generator's if there is one, and the standard
    /// deviation of the initial weights.
    fn fields(config: &mut Self::Config) -> (&mut Option<usize>, Option<&mut Option<usize>>, f64);

    /// This pair with the weights that there are; the rest stays fresh, and `observer` is told.
    ///
    /// # Errors
    /// If a folder can't be opened, does not fit, or lacks a part of an encoder.
    fn start(
        self,
        config: &Self::Config,
        origins: Origins<'_>,
        observer: &dyn Observer,
    ) -> Result<Self, LearnError>;

    /// Whether there is a generator, or replacements are drawn from all words alike.
    fn has_generator(config: &Self::Config) -> bool;

    /// Path prefixes of what the discriminator's own step moves, where the two step in turns.
    fn moved_by_discriminator(config: &Self::Config) -> &'static [&'static str];

    /// The generator's scores of the vocabulary at `positions`; none without a generator.
    ///
    /// # Shapes
    /// - `positions`: `[batch, num_predictions]`, each in `0..seq_len`
    /// - returns `[batch * num_predictions, vocab_size]`
    ///
    /// # Panics
    /// If the shapes do not fit: the caller's mistake.
    fn generator_logits(
        &self,
        inputs: EncoderInputs,
        positions: Tensor<2, Int>,
    ) -> Option<Tensor<2>>;

    /// The discriminator's logit of "replaced" for each token.
    ///
    /// # Shapes
    /// - returns `[batch, seq_len]`; what stands at padding means nothing
    ///
    /// # Panics
    /// If the inputs' shapes differ: the caller's mistake.
    fn discriminator_logits(&self, inputs: EncoderInputs) -> Tensor<2>;
}

/// Replaced token detection of a pair. Holds settings, no parameters.
#[derive(Debug, Clone)]
pub struct ReplacedTokens<P: ModelPair> {
    config: P::Config,
    settings: DetectionSettings,
}

impl<P: ModelPair> ReplacedTokens<P> {
    /// Replaced token detection as `settings` say, for models of `config`.
    pub fn new(config: P::Config, settings: DetectionSettings) -> Self {
        Self { config, settings }
    }

    /// A pair to train, drawn by `init`.
    pub fn new_model(&self, init: &mut Init) -> P {
        P::new(&self.config, init)
    }

    /// The pair's files in a checkpoint, with the tokenizer if there is one.
    pub fn files(&self, tokenizer: Option<Tokenizer>) -> ModelFiles<P> {
        let config = self.config.clone();
        ModelFiles::new(
            move |pair: &P, folder| pair.write(&config, tokenizer.as_ref(), folder),
            P::read,
        )
    }

    /// Runs the generator, if there is one: its loss and measures into `output`; returns what is put at
    /// the chosen positions.
    fn generate(
        &self,
        pair: &P,
        batch: &ReplacedTokenBatch,
        output: &mut PartOutput<Self>,
    ) -> Tensor<2, Int> {
        let masked = &batch.masked;
        let logits = pair.generator_logits(masked.inputs(), masked.positions.clone());
        let vocab_size = P::vocab_size(&self.config);
        let samples = draw(logits.as_ref(), vocab_size, &self.settings, batch);
        if let Some(logits) = logits {
            let (sum, accuracy) = masked.score(logits, GENERATOR_ACCURACY);
            output.sums.push(sum);
            output.measures.push(accuracy);
        }
        output.measures.push(sampled_accuracy(&samples, batch));
        samples
    }
}

impl<P: ModelPair> Objective for ReplacedTokens<P> {
    type Model = P;
    type Batch = ReplacedTokenBatch;
    /// The generator's samples `[batch, num_predictions]`, where the discriminator steps by itself.
    type Scratch = Option<Tensor<2, Int>>;
    type Carry = ();

    fn parts(&self) -> Vec<PartSpec> {
        if !self.settings.alternating {
            return vec![PartSpec::WHOLE];
        }
        let part = |name, trains| PartSpec { name, trains };
        vec![
            part("generator", &["generator."]),
            part("discriminator", P::moved_by_discriminator(&self.config)),
        ]
    }

    fn terms(&self) -> Vec<TermSpec> {
        let generator = P::has_generator(&self.config).then_some(TermSpec {
            name: "generator_loss",
            part: 0,
            coefficient: self.settings.generator_weight,
            is_perplexity: true,
            constant: ConstantGuess::WORDS,
        });
        let discriminator = TermSpec {
            name: "discriminator_loss",
            part: usize::from(self.settings.alternating),
            coefficient: self.settings.discriminator_weight,
            is_perplexity: false,
            constant: REPLACED_SHARE,
        };
        generator.into_iter().chain([discriminator]).collect()
    }

    fn measure_names(&self) -> Vec<&'static str> {
        let generator = P::has_generator(&self.config).then_some(GENERATOR_ACCURACY);
        let names = generator.into_iter().chain([SAMPLED_ACCURACY]);
        names.chain(DISCRIMINATOR_MEASURES).collect()
    }

    fn weights(&self, batch: &HostBatch) -> Vec<f64> {
        let generator = P::has_generator(&self.config).then(|| MaskedLmBatch::weight(batch));
        let tokens = ReplacedTokenBatch::num_tokens(batch);
        generator.into_iter().chain([tokens]).collect()
    }

    fn upload(&self, batch: &HostBatch, device: &Device) -> ReplacedTokenBatch {
        ReplacedTokenBatch::upload(batch, device)
    }

    fn start_carry(&self, _: &Device) {}

    fn forward(
        &self,
        pair: &P,
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
            _ => self.generate(pair, batch, &mut output),
        };
        if self.settings.alternating && part == 0 {
            output.scratch = Some(samples);
            return output;
        }
        let corrupted = corrupt(samples, batch);
        let logits = pair.discriminator_logits(corrupted.inputs(batch));
        let (sum, measures) = corrupted.score(logits, batch);
        output.sums.push(sum);
        output.measures.extend(measures);
        output
    }
}
