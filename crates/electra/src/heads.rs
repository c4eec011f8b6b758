//! The encoder with one head of fine-tuning: sequences, tokens, spans.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use kiln_nn::{Activation, Dropout, Init};

use crate::{ElectraConfig, ElectraModel};

/// The first token's hidden state to labels; Hugging Face `ElectraClassificationHead`.
#[derive(Module, Debug)]
pub struct ClassificationHead {
    dense: Linear,
    dropout: Dropout,
    out_proj: Linear,
}

impl ClassificationHead {
    fn new(config: &ElectraConfig, init: &mut Init) -> Self {
        Self {
            dense: init.linear(config.hidden_size, config.hidden_size),
            dropout: Dropout::new(config.classifier_dropout()),
            out_proj: init.linear(config.hidden_size, config.num_labels()),
        }
    }

    fn forward(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let first = hidden_states.narrow(1, 0, 1).squeeze_dim::<2>(1);
        let hidden = self.dense.forward(self.dropout.forward(first));
        // gelu, where BERT's pooler has tanh.
        let hidden = Activation::Gelu.forward(hidden);
        self.out_proj.forward(self.dropout.forward(hidden))
    }
}

/// A label, or a number, for each sequence.
#[derive(Module, Debug)]
pub struct ElectraForSequenceClassification {
    /// The encoder.
    pub electra: ElectraModel,
    classifier: ClassificationHead,
}

impl ElectraForSequenceClassification {
    /// Draws encoder and head.
    pub fn new(config: &ElectraConfig, init: &mut Init) -> Self {
        Self {
            electra: ElectraModel::new(config, init),
            classifier: ClassificationHead::new(config, init),
        }
    }

    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, hidden_size]`
    /// - returns `[batch, num_labels]`
    pub fn logits(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        self.classifier.forward(hidden_states)
    }
}

/// A label for each token.
#[derive(Module, Debug)]
pub struct ElectraForTokenClassification {
    /// The encoder.
    pub electra: ElectraModel,
    dropout: Dropout,
    classifier: Linear,
}

impl ElectraForTokenClassification {
    /// Draws encoder and head.
    pub fn new(config: &ElectraConfig, init: &mut Init) -> Self {
        Self {
            electra: ElectraModel::new(config, init),
            dropout: Dropout::new(config.classifier_dropout()),
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
pub struct ElectraForQuestionAnswering {
    /// The encoder.
    pub electra: ElectraModel,
    qa_outputs: Linear,
}

impl ElectraForQuestionAnswering {
    /// Draws encoder and head.
    pub fn new(config: &ElectraConfig, init: &mut Init) -> Self {
        Self {
            electra: ElectraModel::new(config, init),
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
