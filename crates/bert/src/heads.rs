//! The encoder with one head: sentence pairs, sequences, tokens, spans.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use kiln_nn::{Dropout, Init};

use crate::{BertConfig, BertInputs, BertModel};

/// The head's part of [`BertForNextSentencePrediction`]; Hugging Face `BertOnlyNSPHead`.
#[derive(Module, Debug)]
pub struct NextSentenceHead {
    seq_relationship: Linear,
}

/// Whether the second segment follows the first: label 0 if it does, 1 if it is a random one.
#[derive(Module, Debug)]
pub struct BertForNextSentencePrediction {
    /// The encoder, with its pooler.
    pub bert: BertModel,
    cls: NextSentenceHead,
}

impl BertForNextSentencePrediction {
    /// Draws encoder and head.
    pub fn new(config: &BertConfig, init: &mut Init) -> Self {
        Self {
            bert: BertModel::new(config, init),
            cls: NextSentenceHead {
                seq_relationship: init.linear(config.hidden_size, 2),
            },
        }
    }

    /// # Shapes
    /// - `pooled`: `[batch, hidden_size]`
    /// - returns `[batch, 2]`
    pub fn logits(&self, pooled: Tensor<2>) -> Tensor<2> {
        self.cls.seq_relationship.forward(pooled)
    }
}

/// A label, or a number, for each sequence.
#[derive(Module, Debug)]
pub struct BertForSequenceClassification {
    /// The encoder, with its pooler.
    pub bert: BertModel,
    dropout: Dropout,
    classifier: Linear,
}

impl BertForSequenceClassification {
    /// Draws encoder and head.
    pub fn new(config: &BertConfig, init: &mut Init) -> Self {
        Self {
            bert: BertModel::new(config, init),
            dropout: Dropout::new(config.classifier_dropout()),
            classifier: init.linear(config.hidden_size, config.num_labels()),
        }
    }

    /// # Shapes
    /// - `pooled`: `[batch, hidden_size]`
    /// - returns `[batch, num_labels]`
    pub fn logits(&self, pooled: Tensor<2>) -> Tensor<2> {
        self.classifier.forward(self.dropout.forward(pooled))
    }
}

/// A label for each token.
#[derive(Module, Debug)]
pub struct BertForTokenClassification {
    /// The encoder, without a pooler.
    pub bert: BertModel,
    dropout: Dropout,
    classifier: Linear,
}

impl BertForTokenClassification {
    /// Draws encoder and head.
    pub fn new(config: &BertConfig, init: &mut Init) -> Self {
        Self {
            bert: BertModel::without_pooler(config, init),
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
pub struct BertForQuestionAnswering {
    /// The encoder, without a pooler.
    pub bert: BertModel,
    qa_outputs: Linear,
}

impl BertForQuestionAnswering {
    /// Draws encoder and head.
    pub fn new(config: &BertConfig, init: &mut Init) -> Self {
        Self {
            bert: BertModel::without_pooler(config, init),
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

    /// From ids to the two logits of each token.
    ///
    /// # Shapes
    /// - returns two of `[batch, seq_len]`
    pub fn forward(&self, inputs: BertInputs) -> (Tensor<2>, Tensor<2>) {
        self.logits(self.bert.forward(inputs))
    }
}
