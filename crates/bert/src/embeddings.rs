//! Ids to hidden states: word + segment + position, normalised.

use burn::module::Module;
use burn::nn::Embedding;
use burn::tensor::{Int, Tensor};
use kiln_nn::fused::embedding;
use kiln_nn::{Dropout, Init, LayerNorm, embed_words};

use crate::{EncoderConfig, Kind};

/// Which row of the position table a token has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Positions {
    /// Its place in the sequence.
    FromZero,
    /// The id of padding and, without counting padding, its number in the sequence, from one;
    /// padding has the row of its id.
    BehindPadding(usize),
}

/// Sums three tables' rows, then LayerNorm and dropout; Hugging Face `BertEmbeddings`.
#[derive(Module, Debug)]
pub struct BertEmbeddings {
    /// `[vocab_size, embedding_size]`; also the masked language model's decoder.
    pub word_embeddings: Embedding,
    /// `[max_position_embeddings, embedding_size]`
    pub position_embeddings: Embedding,
    /// `[type_vocab_size, embedding_size]`
    pub token_type_embeddings: Embedding,
    layer_norm: LayerNorm,
    dropout: Dropout,
    #[module(skip)]
    pad_token_id: Option<usize>,
    #[module(skip)]
    positions: Positions,
}

impl BertEmbeddings {
    /// Draws the three tables.
    pub fn new<K: Kind>(config: &EncoderConfig<K>, init: &mut Init) -> Self {
        let size = config.embedding_size();
        Self {
            word_embeddings: init.embedding(config.vocab_size, size),
            position_embeddings: init.embedding(config.max_position_embeddings, size),
            token_type_embeddings: init.embedding(config.type_vocab_size, size),
            layer_norm: init.layer_norm(size, config.layer_norm_eps),
            dropout: Dropout::new(config.hidden_dropout_prob),
            pad_token_id: config.pad_token_id,
            positions: match config.pad_token_id {
                Some(padding) if K::POSITIONS_BEHIND_PADDING => Positions::BehindPadding(padding),
                _ => Positions::FromZero,
            },
        }
    }

    /// Ids to the encoder's input: [`Self::sum`], then [`Self::finish`].
    ///
    /// # Shapes
    /// - `input_ids`, `token_type_ids`: `[batch, seq_len]`
    /// - returns `[batch, seq_len, embedding_size]`
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
    /// - returns `[batch, seq_len, embedding_size]`
    ///
    /// # Panics
    /// If there are fewer positions than `seq_len`: to be checked where the batch is made.
    pub fn sum(&self, input_ids: Tensor<2, Int>, token_type_ids: Tensor<2, Int>) -> Tensor<3> {
        let positions = self.positions(&input_ids);
        let words = embed_words(
            self.word_embeddings.weight.val(),
            input_ids,
            self.pad_token_id,
        );
        let types = embedding(self.token_type_embeddings.weight.val(), token_type_ids);
        words + types + positions
    }

    /// Rows of the position table, `[batch or 1, seq_len, embedding_size]`.
    fn positions(&self, input_ids: &Tensor<2, Int>) -> Tensor<3> {
        let [_, seq_len] = input_ids.dims();
        let table = self.position_embeddings.weight.val();
        let [rows, _] = table.dims();
        let first = match self.positions {
            Positions::FromZero => 0,
            Positions::BehindPadding(padding) => padding + 1,
        };
        // A slice beyond the table would be cut short in silence.
        assert!(
            first + seq_len <= rows,
            "{seq_len} tokens, {rows} positions from {first} on"
        );
        match self.positions {
            Positions::FromZero => table.narrow(0, 0, seq_len).unsqueeze::<3>(),
            Positions::BehindPadding(padding) => {
                let is_token = input_ids.clone().not_equal_elem(padding as i64).int();
                let counted = is_token.clone().cumsum(1) * is_token;
                embed_words(table, counted.add_scalar(padding as i64), Some(padding))
            }
        }
    }

    /// What the layers read: the sum normalised, then dropout.
    ///
    /// # Shapes
    /// - `sum`: `[batch, seq_len, embedding_size]`
    /// - returns the same
    ///
    /// # Panics
    /// If the last axis is not `embedding_size`: the caller's mistake.
    pub fn finish(&self, sum: Tensor<3>) -> Tensor<3> {
        self.dropout.forward(self.layer_norm.forward(sum))
    }
}
