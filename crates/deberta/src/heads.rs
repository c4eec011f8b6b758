//! The encoder with one head of fine-tuning: sequences, tokens, spans, choices.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::{Activation, Dropout, Init, project};
use kiln_tasks::Family;
use kiln_tasks::choice::{ChoiceEncoder, MultipleChoice, Pool};
use kiln_tasks::class::{Class, Encoded};
use kiln_tasks::heads::{RealLabels, SequenceLogits};
use kiln_tasks::model_config::refuse;
use kiln_tasks::token_heads::{QuestionAnswering, TokenClassification};

use crate::{ConfigError, DebertaConfig, DebertaModel, DebertaVersion};

/// A label for each token.
#[doc(alias = "DebertaV2ForTokenClassification")]
pub type DebertaForTokenClassification = TokenClassification<DebertaModel>;

/// The start and the end of an answer within the sequence.
#[doc(alias = "DebertaV2ForQuestionAnswering")]
pub type DebertaForQuestionAnswering = QuestionAnswering<DebertaModel>;

/// A linear map of the first token's hidden state, with an activation; Hugging Face `ContextPooler`.
#[derive(Module, Debug)]
pub struct ContextPooler {
    dense: Linear,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

impl ContextPooler {
    fn new(config: &DebertaConfig, init: &mut Init) -> Self {
        Self {
            dense: init.linear(config.hidden_size, config.hidden_size),
            dropout: Dropout::new(config.pooler_dropout),
            activation: config.pooler_hidden_act,
        }
    }

    fn forward(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let first = hidden_states.narrow(1, 0, 1).squeeze_dim::<2>(1);
        let pooled = project(&self.dense, self.dropout.forward(first));
        self.activation.forward(pooled)
    }
}

impl Pool for ContextPooler {
    fn pool(&self, encoded: &Encoded) -> Tensor<2> {
        self.forward(encoded.hidden_states.clone())
    }
}

/// Which of several continuations fits.
#[doc(alias = "DebertaV2ForMultipleChoice")]
pub type DebertaForMultipleChoice = MultipleChoice<DebertaModel, ContextPooler>;

impl ChoiceEncoder for DebertaModel {
    const MULTIPLE_CHOICE: &'static [&'static str] = &["DebertaV2ForMultipleChoice"];
    type Pooler = ContextPooler;

    /// v1 has no such class in Hugging Face.
    fn draw_pooled(
        config: &DebertaConfig,
        init: &mut Init,
    ) -> Result<(Self, ContextPooler), ConfigError> {
        if config.version() == DebertaVersion::V1 {
            let remedy = "only v2 and v3 choose among continuations; choose a model of theirs";
            refuse("model_type", config.model_type(), remedy)?;
        }
        let model = Self::new(config, init);
        Ok((model, ContextPooler::new(config, init)))
    }

    fn choice_dropout(config: &DebertaConfig) -> f64 {
        config.cls_dropout()
    }
}

/// A label, or a number, for each sequence.
#[derive(Module, Debug)]
#[doc(alias = "DebertaV2ForSequenceClassification")]
pub struct DebertaForSequenceClassification {
    /// The encoder.
    pub deberta: DebertaModel,
    pooler: ContextPooler,
    dropout: Dropout,
    classifier: Linear,
}

impl DebertaForSequenceClassification {
    /// Draws encoder and head.
    pub fn new(config: &DebertaConfig, init: &mut Init) -> Self {
        Self {
            deberta: DebertaModel::new(config, init),
            pooler: ContextPooler::new(config, init),
            dropout: Dropout::new(config.cls_dropout()),
            classifier: init.linear(config.hidden_size, config.num_labels()),
        }
    }

    /// Pools sequences and scores their labels.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, hidden_size]`
    /// - returns `[batch, num_labels]`
    pub fn logits(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let pooled = self.pooler.forward(hidden_states);
        project(&self.classifier, self.dropout.forward(pooled))
    }
}

impl Class for DebertaForSequenceClassification {
    type Config = DebertaConfig;
    type Encoder = DebertaModel;
    type Head = SequenceLogits;

    const NAMES: &'static [&'static str] = &[
        "DebertaForSequenceClassification",
        "DebertaV2ForSequenceClassification",
    ];

    fn for_file(config: &DebertaConfig, _: &ModelFile, init: &mut Init) -> Result<Self, OpenError> {
        Ok(Self::new(config, init))
    }

    fn encoder(&self) -> &DebertaModel {
        &self.deberta
    }

    fn head(&self, encoded: &Encoded) -> SequenceLogits {
        SequenceLogits {
            logits: self.logits(encoded.hidden_states.clone()),
            real_labels: RealLabels::Probabilities,
        }
    }
}
