//! The language model: a score for every word at every predicted position.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::{Apart, Decoder, Init};
use kiln_tasks::class::{Class, Encoder, Outputs};
use kiln_tasks::heads::WordLogits;
use kiln_tasks::tying;

use crate::config::XlnetConfig;
use crate::model::{XlnetInputs, XlnetModel, XlnetOutputs};
use crate::names::LOAD_OPTIONS;

/// The parameters that are the head's own; the matrix is the word table, unless config.json does not
/// tie.
#[derive(Module, Debug)]
pub struct LmHead {
    decoder: Decoder,
    /// `[vocab_size]`
    bias: Param<Tensor<1>>,
}

/// Hugging Face `XLNetLMHeadModel`.
#[derive(Module, Debug)]
#[doc(alias = "XLNetLMHeadModel")]
pub struct XlnetLmHeadModel {
    /// The stack.
    pub transformer: XlnetModel,
    lm_loss: LmHead,
}

impl XlnetLmHeadModel {
    /// Draws the stack; the bias is zero. Whether the head has a matrix of its own is the config's.
    pub fn new(config: &XlnetConfig, init: &mut Init) -> Self {
        let model = Self {
            transformer: XlnetModel::new(config, init),
            lm_loss: LmHead {
                decoder: Decoder::shared(),
                bias: init.filled([config.vocab_size], 0.0),
            },
        };
        model.with_apart(tying::apart(&config.other), init)
    }

    /// This model with a head whose decoder keeps `apart` from the word table; its bias is always its
    /// own.
    #[must_use]
    pub fn with_apart(mut self, apart: Apart, init: &mut Init) -> Self {
        let shape = self.transformer.word_embedding.weight.dims();
        let weight_alone = Apart {
            bias: false,
            ..apart
        };
        self.lm_loss.decoder = Decoder::new(weight_alone, shape, init);
        self
    }

    /// Unnormalised log-probabilities of all words.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, n, d_model]`
    /// - returns `[batch * n, vocab_size]`
    pub fn score(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let rows = hidden_states.flatten::<2>(0, 1);
        let words = self.transformer.word_embeddings();
        let head = &self.lm_loss;
        head.decoder.score(rows, words, head.bias.val())
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
    type Head = WordLogits;

    const NAMES: &'static [&'static str] = &["XLNetLMHeadModel"];

    fn for_file(
        config: &XlnetConfig,
        file: &ModelFile,
        init: &mut Init,
    ) -> Result<Self, OpenError> {
        let apart = tying::apart_in(file, &LOAD_OPTIONS, &config.other)?;
        Ok(Self::new(config, init).with_apart(apart, init))
    }

    fn outputs(&self, inputs: XlnetInputs) -> Outputs<WordLogits> {
        let encoded = self.transformer.encoded(inputs);
        encoded.with(|hidden_states| WordLogits {
            logits: self.score(hidden_states),
        })
    }
}
