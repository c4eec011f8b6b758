//! Ids to hidden states: word + segment + position, normalised.

use burn::module::Module;
use burn::nn::Embedding;
use burn::tensor::{Int, Tensor};
use kiln_nn::{Dropout, Init, LayerNorm, embed_words};

use crate::BertConfig;

/// Sums three tables' rows, then LayerNorm and dropout; Hugging Face `BertEmbeddings`.
#[derive(Module, Debug)]
pub struct BertEmbeddings {
    /// `[vocab_size, hidden_size]`; also the masked language model's decoder.
    pub word_embeddings: Embedding,
    /// `[max_position_embeddings, hidden_size]`
    pub position_embeddings: Embedding,
    /// `[type_vocab_size, hidden_size]`
    pub token_type_embeddings: Embedding,
    layer_norm: LayerNorm,
    dropout: Dropout,
    #[module(skip)]
    pad_token_id: Option<usize>,
}

impl BertEmbeddings {
    /// Draws the three tables.
    pub fn new(config: &BertConfig, init: &mut Init) -> Self {
        let hidden_size = config.hidden_size;
        Self {
            word_embeddings: init.embedding(config.vocab_size, hidden_size),
            position_embeddings: init.embedding(config.max_position_embeddings, hidden_size),
            token_type_embeddings: init.embedding(config.type_vocab_size, hidden_size),
            layer_norm: init.layer_norm(hidden_size, config.layer_norm_eps),
            dropout: Dropout::new(config.hidden_dropout_prob),
            pad_token_id: config.pad_token_id,
        }
    }

    /// Ids to the encoder's input: [`Self::sum`], then [`Self::finish`].
    ///
    /// # Shapes
    /// - `input_ids`, `token_type_ids`: `[batch, seq_len]`
    /// - returns `[batch, seq_len, hidden_size]`
    ///
    /// # Panics
    /// As [`Self::sum`].
    pub fn forward(&self, input_ids: Tensor<2, Int>, token_type_ids: Tensor<2, Int>) -> Tensor<3> {
        self.finish(self.sum(input_ids, token_type_ids))
    }

    /// The sum of the three tables' rows, before anything is done to it.
    ///
    /// # Shapes
    /// - `input_ids`: `[batch, seq_len]`, each below `vocab_size`
    /// - `token_type_ids`: `[batch, seq_len]`, each below `type_vocab_size`
    /// - returns `[batch, seq_len, hidden_size]`
    ///
    /// # Panics
    /// If `seq_len` is above `max_position_embeddings`: to be checked where the batch is made.
    pub fn sum(&self, input_ids: Tensor<2, Int>, token_type_ids: Tensor<2, Int>) -> Tensor<3> {
        let [_, seq_len] = input_ids.dims();
        let table = self.position_embeddings.weight.val();
        let [positions, _] = table.dims();
        // A slice beyond the table would be cut short in silence.
        assert!(
            seq_len <= positions,
            "{seq_len} tokens, {positions} positions"
        );
        let positions = table.narrow(0, 0, seq_len).unsqueeze::<3>();

        let words = embed_words(
            self.word_embeddings.weight.val(),
            input_ids,
            self.pad_token_id,
        );
        let types = self.token_type_embeddings.forward(token_type_ids);
        words + types + positions
    }

    /// What the layers read: the sum normalised, then dropout.
    ///
    /// # Shapes
    /// - `sum`: `[batch, seq_len, hidden_size]`
    /// - returns the same
    ///
    /// # Panics
    /// If the last axis is not `hidden_size`: the caller's mistake.
    pub fn finish(&self, sum: Tensor<3>) -> Tensor<3> {
        self.dropout.forward(self.layer_norm.forward(sum))
    }
}
