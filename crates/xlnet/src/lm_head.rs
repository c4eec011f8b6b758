//! The language model: a score for every word at every predicted position.

use burn::module::Module;
use burn::tensor::Tensor;
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::{Apart, Init, LmHead};
use kiln_tasks::class::{Class, Encoded};
use kiln_tasks::heads::WordLogits;
use kiln_tasks::tying;

use crate::config::XlnetConfig;
use crate::model::{XlnetInputs, XlnetModel, XlnetOutputs};
use crate::names::LOAD_OPTIONS;

/// XLNet with scores of words; Hugging Face `XLNetLMHeadModel`.
#[derive(Module, Debug)]
#[doc(alias = "XLNetLMHeadModel")]
pub struct XlnetLmHeadModel {
    /// The stack.
    pub transformer: XlnetModel,
    lm_loss: LmHead,
}

impl XlnetLmHeadModel {
    /// Draws the stack, and the head's matrix where the config does not tie.
    pub fn new(config: &XlnetConfig, init: &mut Init) -> Self {
        Self::with_apart(config, tying::apart(&config.other), init)
    }

    /// Draws the stack, and what the head keeps `apart` from the word table.
    fn with_apart(config: &XlnetConfig, apart: Apart, init: &mut Init) -> Self {
        Self {
            transformer: XlnetModel::new(config, init),
            lm_loss: LmHead::new(apart, [config.vocab_size, config.d_model], init),
        }
    }

    /// Unnormalised log-probabilities of all words.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, n, d_model]`
    /// - returns `[batch * n, vocab_size]`
    pub fn score(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let rows = hidden_states.flatten::<2>(0, 1);
        let words = self.transformer.word_embeddings();
        self.lm_loss.score(rows, words)
    }

    /// Scores the vocabulary at the predicted positions, or at all if there is no query stream.
    ///
    /// # Shapes
    /// - returns `[batch * num_predictions, vocab_size]`, and what the pass gave
    ///
    /// # Panics
    /// As [`XlnetModel::forward`].
    pub fn forward(&self, inputs: XlnetInputs) -> (Tensor<2>, XlnetOutputs) {
        let outputs = self.transformer.forward(inputs);
        (self.score(outputs.hidden_states.clone()), outputs)
    }
}

impl Class for XlnetLmHeadModel {
    type Config = XlnetConfig;
    type Encoder = XlnetModel;
    type Head = WordLogits;

    const NAMES: &'static [&'static str] = &["XLNetLMHeadModel"];

    fn for_file(
        config: &XlnetConfig,
        file: &ModelFile,
        init: &mut Init,
    ) -> Result<Self, OpenError> {
        let apart = tying::apart_in(file, &LOAD_OPTIONS, &config.other)?;
        Ok(Self::with_apart(config, apart, init))
    }

    fn encoder(&self) -> &XlnetModel {
        &self.transformer
    }

    fn head(&self, encoded: &Encoded) -> WordLogits {
        WordLogits {
            logits: self.score(encoded.hidden_states.clone()),
        }
    }
}
