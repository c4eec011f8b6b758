//! The discriminator's head: whether each token was replaced.
//!
//! Clark et al. 2020, section 2, D; Hugging Face `ElectraDiscriminatorPredictions` and
//! `ElectraForPreTraining`.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use kiln_bert::BertInputs;
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::{Activation, Init, project};
use kiln_tasks::class::{Class, Encoded};
use kiln_tasks::heads::ReplacedLogits;

use crate::{ElectraConfig, ElectraModel};

/// `dense`, activation, and a linear map to one number a token.
#[derive(Module, Debug)]
pub struct DiscriminatorPredictions {
    dense: Linear,
    dense_prediction: Linear,
    #[module(skip)]
    activation: Activation,
}

impl DiscriminatorPredictions {
    /// Draws both layers.
    pub fn new(config: &ElectraConfig, init: &mut Init) -> Self {
        Self {
            dense: init.linear(config.hidden_size, config.hidden_size),
            dense_prediction: init.linear(config.hidden_size, 1),
            activation: config.hidden_act,
        }
    }

    /// The logit of "replaced" for each token.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, hidden_size]`
    /// - returns `[batch, seq_len]`
    pub fn forward(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let hidden_states = self.activation.of_projection(&self.dense, hidden_states);
        project(&self.dense_prediction, hidden_states).squeeze_dim::<2>(2)
    }
}

/// The encoder with the discriminator's head. It is what pretraining is for: fine-tuning starts
/// from its encoder.
#[derive(Module, Debug)]
pub struct ElectraForPreTraining {
    /// The encoder.
    pub electra: ElectraModel,
    /// The head.
    pub discriminator_predictions: DiscriminatorPredictions,
}

impl ElectraForPreTraining {
    /// Draws encoder and head.
    pub fn new(config: &ElectraConfig, init: &mut Init) -> Self {
        Self {
            electra: ElectraModel::new(config, init),
            discriminator_predictions: DiscriminatorPredictions::new(config, init),
        }
    }

    /// The logit of "replaced" for each token.
    ///
    /// # Shapes
    /// - returns `[batch, seq_len]`; what stands at padding means nothing
    ///
    /// # Panics
    /// If the inputs' shapes differ: the caller's mistake.
    pub fn forward(&self, inputs: BertInputs) -> Tensor<2> {
        let hidden_states = self.electra.forward(inputs);
        self.discriminator_predictions.forward(hidden_states)
    }
}

impl Class for ElectraForPreTraining {
    type Config = ElectraConfig;
    type Encoder = ElectraModel;
    type Head = ReplacedLogits;

    const NAMES: &'static [&'static str] = &["ElectraForPreTraining"];

    fn for_file(config: &ElectraConfig, _: &ModelFile, init: &mut Init) -> Result<Self, OpenError> {
        Ok(Self::new(config, init))
    }

    fn encoder(&self) -> &ElectraModel {
        &self.electra
    }

    fn head(&self, encoded: &Encoded) -> ReplacedLogits {
        let hidden_states = encoded.hidden_states.clone();
        ReplacedLogits {
            logits: self.discriminator_predictions.forward(hidden_states),
        }
    }
}
