//! The generator's head: hidden states to vocabulary logits.
//!
//! Clark et al. 2020, section 2, p_G; Hugging Face `ElectraGeneratorPredictions` and
//! `ElectraForMaskedLM`.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::{Activation, Apart, HeadTransform, Init, LmHead, gather_positions};
use kiln_tasks::class::{Class, Encoded};
use kiln_tasks::heads::WordLogits;
use kiln_tasks::predict::{PredictWords, TextBatch};
use kiln_tasks::tying;
use kiln_text::Vocabulary;

use crate::names::LOAD_OPTIONS;
use crate::{ElectraConfig, ElectraModel};

/// Scores every vocabulary entry at the positions it is given: back to the width of the embeddings,
/// then the word table, or where config.json does not tie, a matrix of its own.
#[derive(Module, Debug)]
pub struct GeneratorHead {
    generator_predictions: HeadTransform,
    generator_lm_head: LmHead,
}

impl GeneratorHead {
    /// Draws the transform, and the decoder's matrix where the config does not tie.
    pub fn new(config: &ElectraConfig, init: &mut Init) -> Self {
        Self::with_apart(config, tying::apart(&config.other), init)
    }

    /// Draws the transform, and what the decoder keeps `apart`.
    ///
    /// The activation is gelu whatever `hidden_act` says, as in Hugging Face; the original takes
    /// `hidden_act`, and no published model has another one.
    fn with_apart(config: &ElectraConfig, apart: Apart, init: &mut Init) -> Self {
        let width = config.embedding_size();
        let (sizes, eps) = ((config.hidden_size, width), config.layer_norm_eps);
        Self {
            generator_predictions: HeadTransform::new(sizes, Activation::Gelu, eps, init),
            generator_lm_head: LmHead::new(apart, [config.vocab_size, width], init),
        }
    }

    /// Unnormalised log-probabilities of every word.
    ///
    /// # Shapes
    /// - `hidden_states`: `[n, hidden_size]`, one row a position, gathered or all of them
    /// - `word_embeddings`: `[vocab_size, embedding_size]`
    /// - returns `[n, vocab_size]`
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn forward(&self, hidden_states: Tensor<2>, word_embeddings: Tensor<2>) -> Tensor<2> {
        let transformed = self.generator_predictions.forward(hidden_states);
        self.generator_lm_head.score(transformed, word_embeddings)
    }
}

/// The encoder with the generator's head; a masked language model.
#[derive(Module, Debug)]
#[doc(alias = "ElectraForMaskedLM")]
pub struct ElectraForMaskedLm {
    /// The encoder.
    pub electra: ElectraModel,
    /// The head.
    pub head: GeneratorHead,
}

impl ElectraForMaskedLm {
    /// Draws encoder and head.
    pub fn new(config: &ElectraConfig, init: &mut Init) -> Self {
        Self {
            electra: ElectraModel::new(config, init),
            head: GeneratorHead::new(config, init),
        }
    }

    /// Scores the vocabulary at every position given.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, n, hidden_size]`
    /// - returns `[batch * n, vocab_size]`
    pub fn prediction_logits(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let rows = hidden_states.flatten::<2>(0, 1);
        self.head.forward(rows, self.electra.word_embeddings())
    }
}

impl Class for ElectraForMaskedLm {
    type Config = ElectraConfig;
    type Encoder = ElectraModel;
    type Head = WordLogits;

    const NAMES: &'static [&'static str] = &["ElectraForMaskedLM"];

    fn for_file(
        config: &ElectraConfig,
        file: &ModelFile,
        init: &mut Init,
    ) -> Result<Self, OpenError> {
        let apart = tying::apart_in(file, &LOAD_OPTIONS, &config.other)?;
        Ok(Self {
            electra: ElectraModel::new(config, init),
            head: GeneratorHead::with_apart(config, apart, init),
        })
    }

    fn encoder(&self) -> &ElectraModel {
        &self.electra
    }

    fn head(&self, encoded: &Encoded) -> WordLogits {
        WordLogits {
            logits: self.prediction_logits(encoded.hidden_states.clone()),
        }
    }
}

impl PredictWords for ElectraForMaskedLm {
    fn word_logits(&self, batch: &TextBatch<'_>, _: &Vocabulary, device: &Device) -> Tensor<2> {
        let hidden_states = self.electra.forward(batch.inputs(device));
        self.prediction_logits(gather_positions(hidden_states, batch.positions(device)))
    }
}
