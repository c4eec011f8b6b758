//! The two halves of a feed-forward block, the second of which also ends attention: post-norm
//! layers as in BERT.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;

use crate::{Activation, Dropout, Init, LayerNorm, project};

/// A linear layer with its activation; Hugging Face's `BertIntermediate`, `DebertaIntermediate`.
#[derive(Module, Debug)]
pub struct Intermediate {
    dense: Linear,
    #[module(skip)]
    activation: Activation,
}

impl Intermediate {
    /// Draws a layer from `width` to `inner` numbers.
    pub fn new(width: usize, inner: usize, activation: Activation, init: &mut Init) -> Self {
        Self {
            dense: init.linear(width, inner),
            activation,
        }
    }

    /// Applies the linear layer, then the activation.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, width]`
    /// - returns `[batch, seq_len, inner]`
    pub fn forward(&self, hidden_states: Tensor<3>) -> Tensor<3> {
        self.activation.of_projection(&self.dense, hidden_states)
    }
}

/// A linear layer whose output, after dropout, is added to the residual and normalised; Hugging
/// Face's `BertSelfOutput` and `BertOutput`, `DebertaSelfOutput` and `DebertaOutput`.
#[derive(Module, Debug)]
pub struct ResidualOutput {
    dense: Linear,
    layer_norm: LayerNorm,
    dropout: Dropout,
}

impl ResidualOutput {
    /// Draws a layer from `inner` to `width` numbers; `layer_norm_eps` is the norm's epsilon.
    pub fn new(
        (inner, width): (usize, usize),
        layer_norm_eps: f64,
        dropout: f64,
        init: &mut Init,
    ) -> Self {
        Self {
            dense: init.linear(inner, width),
            layer_norm: init.layer_norm(width, layer_norm_eps),
            dropout: Dropout::new(dropout),
        }
    }

    /// Adds the branch to the residual and normalises.
    ///
    /// # Shapes
    /// - `branch`: `[batch, seq_len, inner]`
    /// - `residual`: `[batch, seq_len, width]`
    /// - returns `[batch, seq_len, width]`
    pub fn forward(&self, branch: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        let branch = project(&self.dense, branch);
        self.layer_norm
            .forward_residual(branch, residual, &self.dropout)
    }
}
