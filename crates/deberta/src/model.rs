//! DeBERTa's encoder: ids to hidden states (He et al. 2021).

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use kiln_nn::{EncoderInputs, Init};
use kiln_tasks::class::{Encoded, Encoder};

use crate::DebertaConfig;
use crate::embeddings::DebertaEmbeddings;
use crate::encoder::DebertaEncoder;

/// Token ids to hidden states; Hugging Face `DebertaModel` and `DebertaV2Model`. There is no pooler:
/// sequence classification has its own.
#[derive(Module, Debug)]
#[doc(alias = "DebertaV2Model")]
pub struct DebertaModel {
    /// The tables; that of words is also the masked language model's decoder.
    pub embeddings: DebertaEmbeddings,
    /// The layers.
    pub encoder: DebertaEncoder,
}

impl DebertaModel {
    /// Draws all weights, in the order of the forward pass.
    pub fn new(config: &DebertaConfig, init: &mut Init) -> Self {
        Self {
            embeddings: DebertaEmbeddings::new(config, init),
            encoder: DebertaEncoder::new(config, init),
        }
    }

    /// Draws a model that has a table of positions in any case, for [`DebertaModel::decode_masks`].
    pub fn with_positions(config: &DebertaConfig, init: &mut Init) -> Self {
        Self {
            embeddings: DebertaEmbeddings::with_positions(config, init),
            encoder: DebertaEncoder::new(config, init),
        }
    }

    /// The last layer's hidden states.
    ///
    /// # Shapes
    /// - returns `[batch, seq_len, hidden_size]`; what stands at padding means nothing
    ///
    /// # Panics
    /// If the inputs' shapes differ: the caller's mistake.
    pub fn forward(&self, inputs: EncoderInputs) -> Tensor<3> {
        let attention_mask = inputs.attention_mask.clone();
        self.encode(self.embeddings.forward(inputs), attention_mask)
    }

    /// The last layer's hidden states from given embeddings, such as
    /// [`crate::EmbeddingBlock::finish`] returns.
    ///
    /// # Shapes
    /// - `embedded`: `[batch, seq_len, hidden_size]`
    /// - `attention_mask`: `[batch, seq_len]`, 1 = attend, 0 = padding
    /// - returns `[batch, seq_len, hidden_size]`
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn encode(&self, embedded: Tensor<3>, attention_mask: Option<Tensor<2, Int>>) -> Tensor<3> {
        self.encoder.forward(embedded, attention_mask)
    }

    /// The word table `[vocab_size, embedding_size]`, to be handed to a masked language model head.
    pub fn word_embeddings(&self) -> Tensor<2> {
        self.embeddings.word_embeddings.weight.val()
    }
}

impl Encoder for DebertaModel {
    type Config = DebertaConfig;

    const NAMES: &'static [&'static str] = &["DebertaModel", "DebertaV2Model"];
    const TOKEN_CLASSIFICATION: &'static [&'static str] = &[
        "DebertaForTokenClassification",
        "DebertaV2ForTokenClassification",
    ];
    const QUESTION_ANSWERING: &'static [&'static str] = &[
        "DebertaForQuestionAnswering",
        "DebertaV2ForQuestionAnswering",
    ];

    fn width(config: &DebertaConfig) -> usize {
        config.hidden_size
    }

    fn dropout(config: &DebertaConfig) -> f64 {
        config.hidden_dropout_prob
    }

    fn draw(config: &DebertaConfig, init: &mut Init) -> Self {
        Self::new(config, init)
    }

    fn sum(&self, inputs: &EncoderInputs) -> Tensor<3> {
        let block = &self.embeddings.block;
        block.sum(self.word_embeddings(), inputs.clone())
    }

    fn encoded_from(&self, sum: Tensor<3>, inputs: EncoderInputs) -> Encoded {
        let attention_mask = inputs.attention_mask;
        let embedded = self.embeddings.block.finish(sum, attention_mask.clone());
        Encoded::new(self.encode(embedded, attention_mask))
    }
}
