//! The encoder with one head of fine-tuning: sequences, tokens, spans.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use kiln_nn::{Activation, Dropout, Init};

use crate::{DebertaConfig, DebertaModel};

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
        let pooled = self.dense.forward(self.dropout.forward(first));
        self.activation.forward(pooled)
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

    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, hidden_size]`
    /// - returns `[batch, num_labels]`
    pub fn logits(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let pooled = self.pooler.forward(hidden_states);
        self.classifier.forward(self.dropout.forward(pooled))
    }
}

/// A label for each token.
#[derive(Module, Debug)]
#[doc(alias = "DebertaV2ForTokenClassification")]
pub struct DebertaForTokenClassification {
    /// The encoder.
    pub deberta: DebertaModel,
    dropout: Dropout,
    classifier: Linear,
}

impl DebertaForTokenClassification {
    /// Draws encoder and head.
    pub fn new(config: &DebertaConfig, init: &mut Init) -> Self {
        Self {
            deberta: DebertaModel::new(config, init),
            dropout: Dropout::new(config.hidden_dropout_prob),
            classifier: init.linear(config.hidden_size, config.num_labels()),
        }
    }

    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, hidden_size]`
    /// - returns `[batch, seq_len, num_labels]`
    pub fn logits(&self, hidden_states: Tensor<3>) -> Tensor<3> {
        self.classifier.forward(self.dropout.forward(hidden_states))
    }
}

/// The start and the end of an answer within the sequence. No dropout before the head.
#[derive(Module, Debug)]
#[doc(alias = "span")]
#[doc(alias = "DebertaV2ForQuestionAnswering")]
pub struct DebertaForQuestionAnswering {
    /// The encoder.
    pub deberta: DebertaModel,
    qa_outputs: Linear,
}

impl DebertaForQuestionAnswering {
    /// Draws encoder and head.
    pub fn new(config: &DebertaConfig, init: &mut Init) -> Self {
        Self {
            deberta: DebertaModel::new(config, init),
            qa_outputs: init.linear(config.hidden_size, 2),
        }
    }

    /// How well each token starts, and how well it ends, the answer.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, hidden_size]`
    /// - returns two of `[batch, seq_len]`
    pub fn logits(&self, hidden_states: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let logits = self.qa_outputs.forward(hidden_states);
        let column = |index| logits.clone().narrow(2, index, 1).squeeze_dim::<2>(2);
        (column(0), column(1))
    }
}
