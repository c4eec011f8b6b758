//! One layer of the encoder: attention, then feed-forward, each normalised after its residual.

use burn::module::Module;
use burn::tensor::{Bool, Tensor};
use kiln_nn::{Init, Intermediate, ResidualOutput};

use crate::attention::{BertAttention, residual_output};
use crate::{EncoderConfig, Kind};

/// A layer of the encoder; Hugging Face `BertLayer`.
#[derive(Module, Debug)]
pub struct BertLayer {
    attention: BertAttention,
    intermediate: Intermediate,
    output: ResidualOutput,
}

impl BertLayer {
    /// Draws the layer's six weights.
    pub fn new<K: Kind>(config: &EncoderConfig<K>, init: &mut Init) -> Self {
        Self {
            attention: BertAttention::new(config, init),
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
    /// - `is_padding`: `[batch, 1, 1, seq_len]`, true at padding
    /// - returns `[batch, seq_len, hidden_size]`
    pub fn forward(
        &self,
        hidden_states: Tensor<3>,
        is_padding: Option<Tensor<4, Bool>>,
    ) -> Tensor<3> {
        let attended = self.attention.forward(hidden_states, is_padding);
        let intermediate = self.intermediate.forward(attended.clone());
        self.output.forward(intermediate, attended)
    }
}
