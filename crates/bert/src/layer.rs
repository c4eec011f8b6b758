//! One layer of the encoder: attention, then feed-forward, each normalised after its residual.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Bool, Tensor};
use kiln_nn::{Activation, Init};

use crate::BertConfig;
use crate::attention::{BertAttention, ResidualOutput};

/// The first half of the feed-forward block; Hugging Face `BertIntermediate`.
#[derive(Module, Debug)]
pub struct BertIntermediate {
    dense: Linear,
    #[module(skip)]
    activation: Activation,
}

impl BertIntermediate {
    fn new(config: &BertConfig, init: &mut Init) -> Self {
        Self {
            dense: init.linear(config.hidden_size, config.intermediate_size),
            activation: config.hidden_act,
        }
    }

    fn forward(&self, hidden_states: Tensor<3>) -> Tensor<3> {
        self.activation.forward(self.dense.forward(hidden_states))
    }
}

/// Hugging Face `BertLayer`.
#[derive(Module, Debug)]
pub struct BertLayer {
    attention: BertAttention,
    intermediate: BertIntermediate,
    output: ResidualOutput,
}

impl BertLayer {
    /// Draws the layer's six weights.
    pub fn new(config: &BertConfig, init: &mut Init) -> Self {
        Self {
            attention: BertAttention::new(config, init),
            intermediate: BertIntermediate::new(config, init),
            output: ResidualOutput::new(config.intermediate_size, config, init),
        }
    }

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
