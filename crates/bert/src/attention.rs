//! Self-attention and the projection back, with the residual.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Bool, Tensor};
use kiln_nn::{
    AttentionOptions, Dropout, Init, ResidualOutput, attend, merge_heads, project, split_heads,
};

use crate::{EncoderConfig, Kind};

/// Query, key and value; Hugging Face `BertSelfAttention`.
#[derive(Module, Debug)]
pub struct BertSelfAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    dropout: Dropout,
    #[module(skip)]
    num_attention_heads: usize,
}

impl BertSelfAttention {
    fn new<K: Kind>(config: &EncoderConfig<K>, init: &mut Init) -> Self {
        let hidden_size = config.hidden_size;
        Self {
            query: init.linear(hidden_size, hidden_size),
            key: init.linear(hidden_size, hidden_size),
            value: init.linear(hidden_size, hidden_size),
            dropout: Dropout::new(config.attention_probs_dropout_prob),
            num_attention_heads: config.num_attention_heads,
        }
    }

    fn forward(&self, hidden_states: Tensor<3>, is_padding: Option<Tensor<4, Bool>>) -> Tensor<3> {
        let heads = self.num_attention_heads;
        let query = split_heads(project(&self.query, hidden_states.clone()), heads);
        let key = split_heads(project(&self.key, hidden_states.clone()), heads);
        let value = split_heads(project(&self.value, hidden_states), heads);
        let [_, _, _, head_size] = query.dims();
        let options = AttentionOptions {
            scale: 1.0 / (head_size as f64).sqrt(),
            relative: None,
            score_bias: None,
            is_hidden: is_padding,
            dropout: &self.dropout,
        };
        merge_heads(attend(query, key, value, options))
    }
}

/// The end of attention and of the feed-forward block, from `inner` numbers.
pub(crate) fn residual_output<K: Kind>(
    inner: usize,
    config: &EncoderConfig<K>,
    init: &mut Init,
) -> ResidualOutput {
    let (eps, dropout) = (config.layer_norm_eps, config.hidden_dropout_prob);
    ResidualOutput::new((inner, config.hidden_size), eps, dropout, init)
}

/// Self-attention with its residual; Hugging Face `BertAttention`.
#[derive(Module, Debug)]
pub struct BertAttention {
    /// Hugging Face's `self`, a word that Rust reserves.
    self_attention: BertSelfAttention,
    output: ResidualOutput,
}

impl BertAttention {
    /// Draws four square projections.
    pub fn new<K: Kind>(config: &EncoderConfig<K>, init: &mut Init) -> Self {
        Self {
            self_attention: BertSelfAttention::new(config, init),
            output: residual_output(config.hidden_size, config, init),
        }
    }

    /// Attends, and adds the residual.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, hidden_size]`
    /// - `is_padding`: `[batch, 1, 1, seq_len]`, true at padding
    /// - returns `[batch, seq_len, hidden_size]`
    pub fn forward(
        &self,
        hidden_states: Tensor<3>,
        is_padding: Option<Tensor<4, Bool>>,
    ) -> Tensor<3> {
        let context = self
            .self_attention
            .forward(hidden_states.clone(), is_padding);
        self.output.forward(context, hidden_states)
    }
}
