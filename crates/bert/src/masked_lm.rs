//! BERT's masked language model head: hidden states to vocabulary logits.
//!
//! Devlin et al. 2019, section 3.1, task 1; Hugging Face `BertLMPredictionHead`.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Tensor, assert_shape};
use kiln_nn::{Activation, Apart, Decoder, Init, LayerNorm};
use kiln_tasks::tying;

use crate::BertConfig;

/// `dense`, activation, LayerNorm; Hugging Face `BertPredictionHeadTransform`.
#[derive(Module, Debug)]
pub struct HeadTransform {
    dense: Linear,
    layer_norm: LayerNorm,
    #[module(skip)]
    activation: Activation,
}

/// Scores every vocabulary entry at the positions it is given.
///
/// The word table is an argument, not a field: the tied matrix has one owner, hence one gradient,
/// one optimizer state and one entry in the checkpoint. Where config.json does not tie, the decoder
/// has a matrix and a bias of its own, and the bias here is nobody's, as in Hugging Face.
#[derive(Module, Debug)]
pub struct MaskedLmHead {
    transform: HeadTransform,
    decoder: Decoder,
    /// `[vocab_size]`
    bias: Param<Tensor<1>>,
}

impl MaskedLmHead {
    /// Draws the transform; the bias is zero. What the decoder has apart is the config's.
    pub fn new(config: &BertConfig, init: &mut Init) -> Self {
        let hidden_size = config.hidden_size;
        let head = Self {
            transform: HeadTransform {
                dense: init.linear(hidden_size, hidden_size),
                layer_norm: init.layer_norm(hidden_size, config.layer_norm_eps),
                activation: config.hidden_act,
            },
            decoder: Decoder::shared(),
            bias: init.filled([config.vocab_size], 0.0),
        };
        head.with_apart(tying::apart(&config.other), init)
    }

    /// The same head with a decoder that has this apart.
    #[must_use]
    pub fn with_apart(self, apart: Apart, init: &mut Init) -> Self {
        let ([vocab_size], [_, width]) = (self.bias.dims(), self.transform.dense.weight.dims());
        Self {
            decoder: Decoder::new(apart, [vocab_size, width], init),
            ..self
        }
    }

    /// Unnormalised log-probabilities.
    ///
    /// # Shapes
    /// - `hidden_states`: `[n, hidden_size]`, one row a position, gathered or all of them
    /// - `word_embeddings`: `[vocab_size, hidden_size]`
    /// - returns `[n, vocab_size]`
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn forward(&self, hidden_states: Tensor<2>, word_embeddings: Tensor<2>) -> Tensor<2> {
        let bias = self.bias.val();
        let [vocab_size] = bias.dims();
        let [_, hidden_size] = hidden_states.dims();
        assert_shape!(word_embeddings, [vocab_size, hidden_size]);

        let transform = &self.transform;
        let transformed = transform.dense.forward(hidden_states);
        let transformed = transform.activation.forward(transformed);
        let transformed = transform.layer_norm.forward(transformed);
        self.decoder.score(transformed, word_embeddings, bias)
    }
}
