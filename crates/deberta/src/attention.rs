//! Disentangled attention, and the projection back with the residual.
//!
//! He et al. 2021 (DeBERTa), section 3.1. With queries Q, keys K and values V of the content, and
//! queries Qr and keys Kr of the relative embeddings:
//!
//! ```text
//! score[i, j] = (Q_i·K_j + Q_i·Kr_δ(i,j) + K_j·Qr_δ(i,j)) / √(head_size · number of terms)
//! ```
//!
//! δ(i, j) is the row that stands for i − j ([`crate::RelativePositions`]), and is the same in both
//! terms, as in the original code and in Hugging Face; equation 4 of the paper has δ(j, i) in the
//! last one.

use burn::module::Module;
use burn::tensor::{Bool, Int, Tensor};
use kiln_nn::{
    AttentionOptions, Dropout, Init, RelativeIndex, RelativeScores, ResidualOutput, attend,
    is_padding, merge_heads,
};

use crate::DebertaConfig;
use crate::projections::{KeysValues, Projections};

/// What the attention of all layers shares in one forward pass.
#[derive(Debug, Clone)]
pub struct AttentionContext {
    /// Which tokens are padding; `None` where none is.
    pub padding: Option<Padding>,
    /// The terms by position, where there are any.
    pub relative: Option<RelativeTable>,
}

/// Which tokens are padding, in the shapes that attention needs.
#[derive(Debug, Clone)]
pub struct Padding {
    /// `[batch, 1, 1, key_len]`, true at padding.
    pub keys: Tensor<4, Bool>,
    /// `[batch, query_len, 1]`, true at padding.
    pub queries: Tensor<3, Bool>,
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
    /// This context for queries at chosen positions alone.
    ///
    /// # Shapes
    /// - `positions`: `[batch, num_queries]`, each in `0..seq_len`
    /// - `attention_mask`: `[batch, seq_len]`, the one that this was made with
    pub fn at(&self, positions: Tensor<2, Int>, attention_mask: Option<Tensor<2, Int>>) -> Self {
        Self {
            padding: attention_mask.map(|mask| {
                let queries = mask.clone().gather(1, positions.clone());
                Padding::new(queries, mask)
            }),
            relative: self.relative.as_ref().map(|table| RelativeTable {
                embeddings: table.embeddings.clone(),
                index: table.index.at(positions),
            }),
        }
    }
}

impl Padding {
    /// The padding of queries and of keys, from masks of ones.
    ///
    /// # Shapes
    /// - `queries`: `[batch, query_len]`, 0 at padding
    /// - `keys`: `[batch, key_len]`, 0 at padding
    pub fn new(queries: Tensor<2, Int>, keys: Tensor<2, Int>) -> Self {
        let [batch, query_len] = queries.dims();
        Self {
            keys: is_padding(keys),
            queries: queries.equal_elem(0).reshape([batch, query_len, 1]),
        }
    }
}

/// Attention by content and by relative position; Hugging Face `DisentangledSelfAttention`.
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

    fn attend(
        &self,
        query: Tensor<4>,
        keys_values: KeysValues,
        context: &AttentionContext,
    ) -> Tensor<3> {
        let KeysValues { key, value } = keys_values;
        let (relative, padding) = (context.relative.as_ref(), context.padding.as_ref());
        let options = AttentionOptions {
            scale: self.score_scale,
            relative: relative.map(|table| self.scores(&query, &key, table)),
            score_bias: None,
            is_hidden: padding.map(|padding| padding.keys.clone()),
            dropout: &self.dropout,
        };
        let attended = merge_heads(attend(query, key, value.clone(), options));
        match padding {
            Some(padding) => average_at(padding.queries.clone(), value, attended),
            None => attended,
        }
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

/// The mean of all values in place of what padding attends to. To Hugging Face a query that is
/// padding sees nothing: its scores are equal and have no gradient. A loss over the outputs at
/// padding, such as that of question answering, shows it.
///
/// # Shapes
/// - `is_padding`: `[batch, query_len, 1]`
/// - `value`: `[batch, heads, key_len, head_size]`
/// - `attended`: `[batch, query_len, hidden_size]`; returned in the same shape
fn average_at(is_padding: Tensor<3, Bool>, value: Tensor<4>, attended: Tensor<3>) -> Tensor<3> {
    let shape = attended.shape();
    let mean = merge_heads(value.mean_dim(2)).expand(shape.clone());
    attended.mask_where(is_padding.expand(shape), mean)
}

/// The end of attention and of the feed-forward block, from `inner` numbers.
pub(crate) fn residual_output(
    inner: usize,
    config: &DebertaConfig,
    init: &mut Init,
) -> ResidualOutput {
    let (eps, dropout) = (config.layer_norm_eps, config.hidden_dropout_prob);
    ResidualOutput::new((inner, config.hidden_size), eps, dropout, init)
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
            output: residual_output(config.hidden_size, config, init),
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
        let (query, keys_values) = projections.query_and_keys_values(hidden_states.clone());
        let attended = attention.attend(query, keys_values, context);
        self.output.forward(attended, hidden_states)
    }

    /// Keys and values, for [`DebertaAttention::forward_queries`].
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, hidden_size]`
    pub fn keys_values(&self, hidden_states: Tensor<3>) -> KeysValues {
        self.self_attention.projections.keys_values(hidden_states)
    }

    /// Attends from separate queries to given keys and values. The residual is the queries'.
    ///
    /// # Shapes
    /// - `query_states`: `[batch, query_len, hidden_size]`
    /// - returns `[batch, query_len, hidden_size]`
    pub fn forward_queries(
        &self,
        query_states: Tensor<3>,
        keys_values: KeysValues,
        context: &AttentionContext,
    ) -> Tensor<3> {
        let attention = &self.self_attention;
        let query = attention.projections.query(query_states.clone());
        let attended = attention.attend(query, keys_values, context);
        self.output.forward(attended, query_states)
    }
}
