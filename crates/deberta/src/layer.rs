//! One layer of the encoder: attention, then feed-forward, each normalised after its residual.

use burn::module::Module;
use burn::tensor::Tensor;
use kiln_nn::{Init, Intermediate, ResidualOutput};

use crate::DebertaConfig;
use crate::attention::{AttentionContext, DebertaAttention, residual_output};
use crate::projections::KeysValues;

/// Hugging Face `DebertaLayer` and `DebertaV2Layer`.
#[derive(Module, Debug)]
pub struct DebertaLayer {
    attention: DebertaAttention,
    intermediate: Intermediate,
    output: ResidualOutput,
}

impl DebertaLayer {
    /// Draws the layer's weights.
    pub fn new(config: &DebertaConfig, init: &mut Init) -> Self {
        Self {
            attention: DebertaAttention::new(config, init),
            intermediate: Intermediate::new(
                config.hidden_size,
                config.intermediate_size,
                config.hidden_act,
                init,
            ),
            output: residual_output(config.intermediate_size, config, init),
        }
    }

    /// Runs attention, then the feed-forward block.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, hidden_size]`
    /// - returns `[batch, seq_len, hidden_size]`
    pub fn forward(&self, hidden_states: Tensor<3>, context: &AttentionContext) -> Tensor<3> {
        self.feed_forward(self.attention.forward(hidden_states, context))
    }

    /// Keys and values, for [`DebertaLayer::forward_queries`].
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, hidden_size]`
    pub fn keys_values(&self, hidden_states: Tensor<3>) -> KeysValues {
        self.attention.keys_values(hidden_states)
    }

    /// Runs the layer from separate queries on given keys and values.
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
        let attention = &self.attention;
        self.feed_forward(attention.forward_queries(query_states, keys_values, context))
    }

    fn feed_forward(&self, attended: Tensor<3>) -> Tensor<3> {
        let intermediate = self.intermediate.forward(attended.clone());
        self.output.forward(intermediate, attended)
    }
}
