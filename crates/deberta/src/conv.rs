//! v2's convolution beside the first layer: neighbouring words seen as one (He et al. 2021, the v2
//! release's nGiE).

use burn::module::Module;
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{Initializer, PaddingConfig1d};
use burn::tensor::{Int, Tensor};
use kiln_nn::{Activation, Dropout, Init, LayerNorm};

use crate::DebertaConfig;
use crate::embeddings::blank_padding;

/// A convolution of the embeddings along the sequence, added to the first layer's output; Hugging
/// Face `ConvLayer`.
#[derive(Module, Debug)]
pub struct ConvLayer {
    conv: Conv1d,
    layer_norm: LayerNorm,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

impl ConvLayer {
    /// Draws the kernel, if the configuration has one.
    pub fn new(config: &DebertaConfig, init: &mut Init) -> Option<Self> {
        let kernel = config.conv_kernel_size()?;
        let (size, groups) = (config.hidden_size, config.conv_groups());
        let margin = (kernel - 1) / 2;
        // The configuration gives the layer its shape; its lazy values are never made.
        let mut conv = Conv1dConfig::new(size, size, kernel)
            .with_groups(groups)
            .with_padding(PaddingConfig1d::Explicit(margin, margin))
            .with_initializer(Initializer::Zeros)
            .init(init.device());
        conv.weight = init.parameter([size, size / groups, kernel]);
        conv.bias = Some(init.filled([size], 0.0));
        Some(Self {
            conv,
            layer_norm: init.layer_norm(size, config.layer_norm_eps),
            dropout: Dropout::new(config.hidden_dropout_prob),
            activation: config.conv_act(),
        })
    }

    /// # Shapes
    /// - `embedded`, `hidden_states`: `[batch, seq_len, hidden_size]`, the input and the output of
    ///   the first layer
    /// - `attention_mask`: `[batch, seq_len]`, 1 = attend, 0 = padding
    /// - returns `[batch, seq_len, hidden_size]`, zero at padding
    pub fn forward(
        &self,
        embedded: Tensor<3>,
        hidden_states: Tensor<3>,
        attention_mask: Option<Tensor<2, Int>>,
    ) -> Tensor<3> {
        let blank = |tensor| match &attention_mask {
            Some(attention_mask) => blank_padding(tensor, attention_mask.clone()),
            None => tensor,
        };
        let convolved = self.conv.forward(embedded.swap_dims(1, 2)).swap_dims(1, 2);
        // Dropout stands before the activation here.
        let convolved = self.dropout.forward(blank(convolved));
        let convolved = self.activation.forward(convolved);
        blank(self.layer_norm.forward(hidden_states + convolved))
    }
}
