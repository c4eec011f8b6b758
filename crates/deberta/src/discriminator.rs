//! v3's discriminator: whether each token was replaced (He et al. 2023, section 3).

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::{Activation, EncoderInputs, Init, LayerNorm, project};
use kiln_tasks::class::{Class, Encoded};
use kiln_tasks::heads::ReplacedLogits;

use crate::{DebertaConfig, DebertaModel};

/// One number a token, from its hidden state and the first token's; `mask_predictions` in the
/// original's files, and no class of Hugging Face's.
#[derive(Module, Debug)]
pub struct MaskPredictions {
    dense: Linear,
    layer_norm: LayerNorm,
    classifier: Linear,
    #[module(skip)]
    activation: Activation,
}

impl MaskPredictions {
    /// Draws both layers.
    pub fn new(config: &DebertaConfig, init: &mut Init) -> Self {
        let hidden_size = config.hidden_size;
        Self {
            dense: init.linear(hidden_size, hidden_size),
            layer_norm: init.layer_norm(hidden_size, config.layer_norm_eps),
            classifier: init.linear(hidden_size, 1),
            activation: config.hidden_act,
        }
    }

    /// The logit of "replaced" for each token: classifier(act(dense(LayerNorm(h + h₀)))).
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, hidden_size]`
    /// - returns `[batch, seq_len]`
    pub fn forward(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let first = hidden_states.clone().narrow(1, 0, 1);
        let joined = self.layer_norm.forward(hidden_states + first);
        let transformed = self.activation.of_projection(&self.dense, joined);
        project(&self.classifier, transformed).squeeze_dim::<2>(2)
    }
}

/// The encoder with the discriminator's head. It is what v3's pretraining is for: fine-tuning starts
/// from its encoder.
#[derive(Module, Debug)]
pub struct DebertaForPreTraining {
    /// The encoder.
    pub deberta: DebertaModel,
    /// The head.
    pub mask_predictions: MaskPredictions,
}

impl DebertaForPreTraining {
    /// Draws encoder and head.
    pub fn new(config: &DebertaConfig, init: &mut Init) -> Self {
        Self {
            deberta: DebertaModel::new(config, init),
            mask_predictions: MaskPredictions::new(config, init),
        }
    }

    /// The logit of "replaced" for each token.
    ///
    /// # Shapes
    /// - returns `[batch, seq_len]`; what stands at padding means nothing
    ///
    /// # Panics
    /// If the inputs' shapes differ: the caller's mistake.
    pub fn forward(&self, inputs: EncoderInputs) -> Tensor<2> {
        self.mask_predictions.forward(self.deberta.forward(inputs))
    }
}

impl Class for DebertaForPreTraining {
    type Config = DebertaConfig;
    type Encoder = DebertaModel;
    type Head = ReplacedLogits;

    // Only Kiln knows classes of these names.
    const NAMES: &'static [&'static str] = &["DebertaForPreTraining", "DebertaV2ForPreTraining"];

    fn for_file(config: &DebertaConfig, _: &ModelFile, init: &mut Init) -> Result<Self, OpenError> {
        Ok(Self::new(config, init))
    }

    fn encoder(&self) -> &DebertaModel {
        &self.deberta
    }

    fn head(&self, encoded: &Encoded) -> ReplacedLogits {
        ReplacedLogits {
            logits: self.mask_predictions.forward(encoded.hidden_states.clone()),
        }
    }
}
