//! Disentangled attention, and the projection back with the residual.
//!
//! He et al. 2021 (DeBERTa), section 3.1. With queries Q, keys K and values V of the content, and
//! queries Qr and keys Kr of the relative embeddings:
//!
//! ```text
//! score[i, j] = (Q_i·K_j + Q_i·Kr_δ(i,j) + K_j·Qr_δ(i,j)) / √(head_size · number of terms)
//! ```
//!
//! δ(i, j) is the row that stands for i − j ([`crate::RelativePositions`]), and the same in both terms, as
//! in the original code and in Hugging Face; equation 4 of the paper has δ(j, i) in the last one.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Bool, Int, Tensor};
use kiln_nn::{
    AttentionOptions, Dropout, Init, LayerNorm, RelativeIndex, RelativeScores, attend, merge_heads,
};

use crate::DebertaConfig;
use crate::projections::{Memory, Projections};

/// What the attention of all layers shares in one forward pass.
#[derive(Debug, Clone)]
pub struct AttentionContext {
    /// `[batch, 1, query_len, key_len]`, true where query or key is padding; `None` where nothing is.
    pub is_hidden: Option<Tensor<4, Bool>>,
    /// The terms by position, where there are any.
    pub relative: Option<RelativeTable>,
}

/// The relative embeddings that the sequence's length reaches.
#[derive(Debug, Clone)]
pub struct RelativeTable {
    /// `[rows, hidden_size]`, normalised if the model does that.
    pub embeddings: Tensor<2>,
    /// Which row stands for each query and key.
    pub index: RelativeIndex,
}

impl AttentionContext {
    /// The same for queries at chosen positions alone.
    ///
    /// # Shapes
    /// - `positions`: `[batch, num_queries]`, each in `0..seq_len`
    /// - `attention_mask`: `[batch, seq_len]`, the one that this was made with
    pub fn at(&self, positions: Tensor<2, Int>, attention_mask: Option<Tensor<2, Int>>) -> Self {
        Self {
            is_hidden: attention_mask
                .map(|mask| is_hidden(mask.clone().gather(1, positions.clone()), mask)),
            relative: self.relative.as_ref().map(|table| RelativeTable {
                embeddings: table.embeddings.clone(),
                index: table.index.at(positions),
            }),
        }
    }
}

/// Where a query and a key do not see each other: if either is padding. A query that is padding then
/// averages all values, in Hugging Face too.
///
/// # Shapes
/// - `queries`: `[batch, query_len]`, 0 at padding
/// - `keys`: `[batch, key_len]`, 0 at padding
/// - returns `[batch, 1, query_len, key_len]`
pub(crate) fn is_hidden(queries: Tensor<2, Int>, keys: Tensor<2, Int>) -> Tensor<4, Bool> {
    let ([batch, query_len], [_, key_len]) = (queries.dims(), keys.dims());
    let shape = [batch, 1, query_len, key_len];
    let queries = queries.equal_elem(0).reshape([batch, 1, query_len, 1]);
    let keys = keys.equal_elem(0).reshape([batch, 1, 1, key_len]);
    queries.expand(shape).bool_or(keys.expand(shape))
}

/// Hugging Face `DisentangledSelfAttention`.
#[derive(Module, Debug)]
pub struct DisentangledSelfAttention {
    projections: Projections,
    pos_dropout: Dropout,
    dropout: Dropout,
    #[module(skip)]
    content_to_position: bool,
    #[module(skip)]
    position_to_content: bool,
    #[module(skip)]
    score_scale: f64,
}

impl DisentangledSelfAttention {
    fn new(config: &DebertaConfig, init: &mut Init) -> Self {
        Self {
            projections: Projections::new(config, init),
            pos_dropout: Dropout::new(config.hidden_dropout_prob),
            dropout: Dropout::new(config.attention_probs_dropout_prob),
            content_to_position: config.content_to_position(),
            position_to_content: config.position_to_content(),
            score_scale: config.score_scale(),
        }
    }

    fn attend(&self, query: Tensor<4>, memory: Memory, context: &AttentionContext) -> Tensor<3> {
        let relative = context.relative.as_ref();
        let options = AttentionOptions {
            scale: self.score_scale,
            relative: relative.map(|table| self.scores(&query, &memory.key, table)),
            score_bias: None,
            is_hidden: context.is_hidden.clone(),
            dropout: &self.dropout,
        };
        merge_heads(attend(query, memory.key, memory.value, options))
    }

    /// The terms by position. The projected table has no batch: the products broadcast it.
    fn scores(&self, query: &Tensor<4>, key: &Tensor<4>, table: &RelativeTable) -> RelativeScores {
        // Drawn anew in each layer.
        let embeddings = self.pos_dropout.forward(table.embeddings.clone());
        let product = |content: &Tensor<4>, positions: Tensor<4>| {
            content.clone().matmul(positions.swap_dims(2, 3))
        };
        let projections = &self.projections;
        RelativeScores {
            by_query: self
                .content_to_position
                .then(|| projections.position_key(embeddings.clone()))
                .flatten()
                .map(|positions| product(query, positions)),
            by_key: self
                .position_to_content
                .then(|| projections.position_query(embeddings))
                .flatten()
                .map(|positions| product(key, positions)),
            index: table.index.clone(),
        }
    }
}

/// A linear layer whose output, after dropout, is added to the residual and normalised; Hugging
/// Face's `DebertaSelfOutput` and `DebertaOutput`.
#[derive(Module, Debug)]
pub struct ResidualOutput {
    dense: Linear,
    layer_norm: LayerNorm,
    dropout: Dropout,
}

impl ResidualOutput {
    pub(crate) fn new(inputs: usize, config: &DebertaConfig, init: &mut Init) -> Self {
        Self {
            dense: init.linear(inputs, config.hidden_size),
            layer_norm: init.layer_norm(config.hidden_size, config.layer_norm_eps),
            dropout: Dropout::new(config.hidden_dropout_prob),
        }
    }

    pub(crate) fn forward(&self, branch: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        let branch = self.dropout.forward(self.dense.forward(branch));
        self.layer_norm.forward(branch + residual)
    }
}

/// Self-attention with its residual; Hugging Face `DebertaAttention`.
#[derive(Module, Debug)]
pub struct DebertaAttention {
    /// Hugging Face's `self`, a word that Rust reserves.
    self_attention: DisentangledSelfAttention,
    output: ResidualOutput,
}

impl DebertaAttention {
    /// Draws the projections.
    pub fn new(config: &DebertaConfig, init: &mut Init) -> Self {
        Self {
            self_attention: DisentangledSelfAttention::new(config, init),
            output: ResidualOutput::new(config.hidden_size, config, init),
        }
    }

    /// Queries, keys and values all of the same hidden states.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, hidden_size]`
    /// - returns `[batch, seq_len, hidden_size]`
    pub fn forward(&self, hidden_states: Tensor<3>, context: &AttentionContext) -> Tensor<3> {
        let attention = &self.self_attention;
        let projections = &attention.projections;
        let (query, memory) = projections.query_and_memory(hidden_states.clone());
        let attended = attention.attend(query, memory, context);
        self.output.forward(attended, hidden_states)
    }

    /// Keys and values, for [`DebertaAttention::forward_queries`].
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, hidden_size]`
    pub fn memory(&self, hidden_states: Tensor<3>) -> Memory {
        self.self_attention.projections.memory(hidden_states)
    }

    /// Queries of their own on given keys and values. The residual is the queries'.
    ///
    /// # Shapes
    /// - `query_states`: `[batch, query_len, hidden_size]`
    /// - returns `[batch, query_len, hidden_size]`
    pub fn forward_queries(
        &self,
        query_states: Tensor<3>,
        memory: Memory,
        context: &AttentionContext,
    ) -> Tensor<3> {
        let attention = &self.self_attention;
        let query = attention.projections.query(query_states.clone());
        let attended = attention.attend(query, memory, context);
        self.output.forward(attended, query_states)
    }
}
