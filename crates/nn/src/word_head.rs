//! The heads of language models: hidden states to a score for every word.
//!
//! ```text
//! logits = LayerNorm(act(dense(h)))·Wordᵀ + bias
//! ```
//!
//! (Devlin et al. 2019, section 3.1, task 1.) Where the parts stand in a checkpoint differs, so the
//! transform and the scores can be had apart.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;

use crate::{Activation, Apart, Decoder, Init, LayerNorm};

/// `dense`, activation, LayerNorm; Hugging Face `BertPredictionHeadTransform`.
#[derive(Module, Debug)]
pub struct HeadTransform {
    dense: Linear,
    layer_norm: LayerNorm,
    #[module(skip)]
    activation: Activation,
}

impl HeadTransform {
    /// Draws a transform from `hidden_size` to `width` numbers; `layer_norm_eps` is the norm's
    /// epsilon.
    pub fn new(
        (hidden_size, width): (usize, usize),
        activation: Activation,
        layer_norm_eps: f64,
        init: &mut Init,
    ) -> Self {
        Self {
            dense: init.linear(hidden_size, width),
            layer_norm: init.layer_norm(width, layer_norm_eps),
            activation,
        }
    }

    /// Transforms the hidden states that words are scored from.
    ///
    /// # Shapes
    /// - `hidden_states`: `[n, hidden_size]`
    /// - returns `[n, width]`
    pub fn forward(&self, hidden_states: Tensor<2>) -> Tensor<2> {
        let transformed = self.activation.of_projection(&self.dense, hidden_states);
        self.layer_norm.forward(transformed)
    }
}

/// The decoder and the bias beside it, which is always the head's own.
///
/// The word table is an argument, not a field: the tied matrix has one owner, hence one gradient,
/// one optimizer state and one entry in the checkpoint.
#[derive(Module, Debug)]
pub struct LmHead {
    decoder: Decoder,
    /// `[vocab_size]`
    bias: Param<Tensor<1>>,
}

impl LmHead {
    /// Draws what stands `apart`; the bias is zero.
    pub fn new(apart: Apart, [vocab_size, width]: [usize; 2], init: &mut Init) -> Self {
        let weight_alone = Apart {
            bias: false,
            ..apart
        };
        Self {
            decoder: Decoder::new(weight_alone, [vocab_size, width], init),
            bias: init.filled([vocab_size], 0.0),
        }
    }

    /// Unnormalised log-probabilities of all words.
    ///
    /// # Shapes
    /// - `hidden_states`: `[n, width]`, one row a position
    /// - `word_embeddings`: `[vocab_size, width]`
    /// - returns `[n, vocab_size]`
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn score(&self, hidden_states: Tensor<2>, word_embeddings: Tensor<2>) -> Tensor<2> {
        self.decoder
            .score(hidden_states, word_embeddings, self.bias.val())
    }
}

/// Transform and scores side by side: `lm_head` of RoBERTa, `lm_predictions.lm_head` of DeBERTa.
///
/// Where the decoder has a bias of its own, the one here is nobody's, as in Hugging Face.
#[derive(Module, Debug)]
pub struct MaskedLmHead {
    dense: Linear,
    layer_norm: LayerNorm,
    decoder: Decoder,
    /// `[vocab_size]`
    bias: Param<Tensor<1>>,
    #[module(skip)]
    activation: Activation,
}

impl MaskedLmHead {
    /// The head that makes scores for `vocab_size` words of `transform`, with a decoder that keeps
    /// `apart` from the word table.
    pub fn new(transform: HeadTransform, vocab_size: usize, apart: Apart, init: &mut Init) -> Self {
        let [_, width] = transform.dense.weight.dims();
        Self {
            dense: transform.dense,
            layer_norm: transform.layer_norm,
            decoder: Decoder::new(apart, [vocab_size, width], init),
            bias: init.filled([vocab_size], 0.0),
            activation: transform.activation,
        }
    }

    /// Unnormalised log-probabilities of all words.
    ///
    /// # Shapes
    /// - `hidden_states`: `[n, hidden_size]`, one row a position, gathered or all of them
    /// - `word_embeddings`: `[vocab_size, width]`
    /// - returns `[n, vocab_size]`
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn forward(&self, hidden_states: Tensor<2>, word_embeddings: Tensor<2>) -> Tensor<2> {
        let transformed = self.activation.of_projection(&self.dense, hidden_states);
        let transformed = self.layer_norm.forward(transformed);
        self.decoder
            .score(transformed, word_embeddings, self.bias.val())
    }
}
