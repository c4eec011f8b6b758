//! The encoder with one head of fine-tuning: sequences, tokens, spans.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use kiln_bert::BertInputs;
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::{Activation, Dropout, Init};
use kiln_tasks::class::{Class, Encoder, Outputs};
use kiln_tasks::heads::{RealLabels, SequenceLogits};
use kiln_tasks::token_heads::{QuestionAnswering, TokenClassification};

use crate::{ElectraConfig, ElectraModel};

/// A label for each token.
pub type ElectraForTokenClassification = TokenClassification<ElectraModel>;

/// The start and the end of an answer within the sequence.
pub type ElectraForQuestionAnswering = QuestionAnswering<ElectraModel>;

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
}

impl Class for ElectraForSequenceClassification {
    type Config = ElectraConfig;
    type Head = SequenceLogits;

    const NAMES: &'static [&'static str] = &["ElectraForSequenceClassification"];

    fn for_file(config: &ElectraConfig, _: &ModelFile, init: &mut Init) -> Result<Self, OpenError> {
        Ok(Self::new(config, init))
    }

    fn outputs(&self, inputs: BertInputs) -> Outputs<SequenceLogits> {
        self.electra
            .encoded(inputs)
            .with(|hidden_states| SequenceLogits {
                logits: self.classifier.forward(hidden_states),
                real_labels: RealLabels::YesOrNo,
            })
    }
}
