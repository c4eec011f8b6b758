//! Ids to hidden states: words, and where there are such tables, positions and segments.

use burn::module::Module;
use burn::nn::{Embedding, Linear};
use burn::tensor::{Int, Tensor};
use kiln_nn::fused::embedding;
use kiln_nn::{Dropout, EncoderInputs, Init, LayerNorm, embed_words, like, project};

use crate::DebertaConfig;

/// Sums the tables' rows, then LayerNorm and dropout; Hugging Face `DebertaEmbeddings` and
/// `DebertaV2Embeddings`.
#[derive(Module, Debug)]
pub struct DebertaEmbeddings {
    /// `[vocab_size, embedding_size]`; also the masked language model's decoder.
    pub word_embeddings: Embedding,
    /// What makes hidden states of its rows.
    pub block: EmbeddingBlock,
}

impl DebertaEmbeddings {
    /// Draws the tables; the one of positions only if the sum has it.
    pub fn new(config: &DebertaConfig, init: &mut Init) -> Self {
        Self {
            word_embeddings: init.embedding(config.vocab_size, config.embedding_size()),
            block: EmbeddingBlock::new(config, init),
        }
    }

    /// Draws embeddings that have a table of positions in any case, for the mask decoder.
    pub fn with_positions(config: &DebertaConfig, init: &mut Init) -> Self {
        Self {
            word_embeddings: init.embedding(config.vocab_size, config.embedding_size()),
            block: EmbeddingBlock::with_positions(config, init),
        }
    }

    /// The encoder's input.
    ///
    /// # Shapes
    /// - returns `[batch, seq_len, hidden_size]`, zero at padding
    ///
    /// # Panics
    /// If the inputs' shapes differ, or the sequence is longer than the table of positions that the
    /// sum has: to be checked where the batch is made.
    pub fn forward(&self, inputs: EncoderInputs) -> Tensor<3> {
        self.block
            .forward(self.word_embeddings.weight.val(), inputs)
    }
}

/// The embeddings without the word table, which is an argument: generator and discriminator may
/// share it, or the discriminator add something to the generator's.
///
/// The two halves, [`EmbeddingBlock::sum`] and [`EmbeddingBlock::finish`], can be had apart: between
/// them is where the input of a trained model can be disturbed.
#[derive(Module, Debug)]
pub struct EmbeddingBlock {
    /// `[max_position_embeddings, embedding_size]`: for the sum, or for the mask decoder alone.
    pub position_embeddings: Option<Embedding>,
    /// `[type_vocab_size, embedding_size]`
    pub token_type_embeddings: Option<Embedding>,
    embed_proj: Option<Linear>,
    layer_norm: LayerNorm,
    dropout: Dropout,
    #[module(skip)]
    position_biased_input: bool,
    #[module(skip)]
    pad_token_id: Option<usize>,
}

impl EmbeddingBlock {
    /// Draws the tables; the one of positions only if the sum has it.
    pub fn new(config: &DebertaConfig, init: &mut Init) -> Self {
        Self::draw(config, config.position_biased_input, init)
    }

    /// Draws embeddings that have a table of positions in any case, for the mask decoder.
    pub fn with_positions(config: &DebertaConfig, init: &mut Init) -> Self {
        Self::draw(config, true, init)
    }

    fn draw(config: &DebertaConfig, has_positions: bool, init: &mut Init) -> Self {
        let (hidden_size, embedding_size) = (config.hidden_size, config.embedding_size());
        let types = config.type_vocab_size;
        Self {
            position_embeddings: has_positions
                .then(|| init.embedding(config.max_position_embeddings, embedding_size)),
            token_type_embeddings: (types > 0).then(|| init.embedding(types, embedding_size)),
            embed_proj: config
                .has_projection()
                .then(|| init.linear_without_bias(embedding_size, hidden_size)),
            layer_norm: init.layer_norm(hidden_size, config.layer_norm_eps),
            dropout: Dropout::new(config.hidden_dropout_prob),
            position_biased_input: config.position_biased_input,
            pad_token_id: config.pad_token_id,
        }
    }

    /// The encoder's input.
    ///
    /// # Shapes
    /// - `word_embeddings`: `[vocab_size, embedding_size]`
    /// - returns `[batch, seq_len, hidden_size]`, zero at padding
    ///
    /// # Panics
    /// As [`DebertaEmbeddings::forward`].
    pub fn forward(&self, word_embeddings: Tensor<2>, inputs: EncoderInputs) -> Tensor<3> {
        let attention_mask = inputs.attention_mask.clone();
        self.finish(self.sum(word_embeddings, inputs), attention_mask)
    }

    /// The sum of the tables' rows, brought to the encoder's width.
    ///
    /// # Shapes
    /// - `word_embeddings`: `[vocab_size, embedding_size]`
    /// - returns `[batch, seq_len, hidden_size]`
    ///
    /// # Panics
    /// As [`DebertaEmbeddings::forward`].
    pub fn sum(&self, word_embeddings: Tensor<2>, inputs: EncoderInputs) -> Tensor<3> {
        let [_, seq_len] = inputs.input_ids.dims();
        let mut sum = embed_words(word_embeddings, inputs.input_ids, self.pad_token_id);
        if self.position_biased_input
            && let Some(positions) = self.positions(seq_len)
        {
            sum = sum + positions.unsqueeze::<3>();
        }
        if let Some(types) = &self.token_type_embeddings {
            sum = sum + embedding(types.weight.val(), inputs.token_type_ids);
        }
        match &self.embed_proj {
            Some(projection) => project(projection, like(sum, &projection.weight.val())),
            None => sum,
        }
    }

    /// Normalises a sum, blanks padding, drops.
    ///
    /// # Shapes
    /// - `sum`: `[batch, seq_len, hidden_size]`
    /// - `attention_mask`: `[batch, seq_len]`, 1 = attend, 0 = padding
    /// - returns `[batch, seq_len, hidden_size]`
    pub fn finish(&self, sum: Tensor<3>, attention_mask: Option<Tensor<2, Int>>) -> Tensor<3> {
        let normalised = self.layer_norm.forward(sum);
        let normalised = match attention_mask {
            Some(attention_mask) => blank_padding(normalised, attention_mask),
            None => normalised,
        };
        self.dropout.forward(normalised)
    }

    /// Whether there are positions for the mask decoder: a table that the sum leaves out.
    pub fn has_decoder_positions(&self) -> bool {
        self.position_embeddings.is_some() && !self.position_biased_input
    }

    /// The rows that the mask decoder adds, `[seq_len, embedding_size]`, if there are any.
    ///
    /// # Panics
    /// If the sequence is longer than the table: to be checked where the batch is made.
    pub fn decoder_positions(&self, seq_len: usize) -> Option<Tensor<2>> {
        let is_free = !self.position_biased_input;
        is_free.then(|| self.positions(seq_len)).flatten()
    }

    /// The rows of the first positions `[seq_len, embedding_size]`, if there is a table.
    fn positions(&self, seq_len: usize) -> Option<Tensor<2>> {
        let table = self.position_embeddings.as_ref()?.weight.val();
        let [positions, _] = table.dims();
        // A slice beyond the table would be cut short in silence.
        assert!(
            seq_len <= positions,
            "{seq_len} tokens, {positions} positions"
        );
        Some(table.narrow(0, 0, seq_len))
    }
}

/// Zero at padding.
///
/// # Shapes
/// - `hidden_states`: `[batch, seq_len, hidden_size]`
/// - `attention_mask`: `[batch, seq_len]`, 1 = attend, 0 = padding
pub(crate) fn blank_padding(hidden_states: Tensor<3>, attention_mask: Tensor<2, Int>) -> Tensor<3> {
    let [batch, seq_len, hidden_size] = hidden_states.dims();
    let is_padding = attention_mask.equal_elem(0).reshape([batch, seq_len, 1]);
    let is_padding = is_padding.expand([batch, seq_len, hidden_size]);
    hidden_states.mask_fill(is_padding, 0.0)
}
