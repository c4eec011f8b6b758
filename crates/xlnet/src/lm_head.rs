//! The language model: a score for every word at every predicted position.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use kiln_nn::Init;
use kiln_nn::fused::tied_linear;

use crate::config::XlnetConfig;
use crate::model::{XlnetInputs, XlnetModel, XlnetOutputs};

/// What the head has of its own; its matrix is the word table.
#[derive(Module, Debug)]
pub struct LmHead {
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
    /// Draws the stack; the bias is zero.
    pub fn new(config: &XlnetConfig, init: &mut Init) -> Self {
        Self {
            transformer: XlnetModel::new(config, init),
            lm_loss: LmHead {
                bias: init.filled([config.vocab_size], 0.0),
            },
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
        tied_linear(rows, words, self.lm_loss.bias.val())
    }

    /// From what XLNet reads to the scores at its predicted positions, or at all if there is no query
    /// stream.
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
