//! RoBERTa's encoder, which is BERT's on other positions, and the heads of fine-tuning.

use burn::module::Module;
use burn::tensor::Tensor;
use kiln_bert::{BertInputs, BertModel};
use kiln_checkpoint::ModelFile;
use kiln_nn::{Activation, Init};
use kiln_tasks::ConfigError;
use kiln_tasks::choice::{ChoiceEncoder, MultipleChoice, OwnPooler};
use kiln_tasks::class::{Encoded, Encoder};
use kiln_tasks::token_heads::{
    FirstTokenEncoder, QuestionAnswering, SequenceClassification, TokenClassification,
};

use crate::RobertaConfig;

/// A label, or a number, for each sequence, from the hidden state of `<s>`.
pub type RobertaForSequenceClassification = SequenceClassification<RobertaModel>;

/// A label for each token.
pub type RobertaForTokenClassification = TokenClassification<RobertaModel>;

/// The start and the end of an answer within the sequence.
pub type RobertaForQuestionAnswering = QuestionAnswering<RobertaModel>;

/// Which of several continuations fits.
pub type RobertaForMultipleChoice = MultipleChoice<RobertaModel, OwnPooler>;

/// Token ids to hidden states, and with a pooler to one vector a sequence; Hugging Face
/// `RobertaModel`.
#[derive(Module, Debug)]
pub struct RobertaModel {
    /// BERT's encoder, whose positions begin behind the id of padding.
    pub bert: BertModel,
}

impl Encoder for RobertaModel {
    type Config = RobertaConfig;

    const NAMES: &'static [&'static str] = &["RobertaModel"];
    const POOLS: bool = true;
    const TOKEN_CLASSIFICATION: &'static [&'static str] = &["RobertaForTokenClassification"];
    const QUESTION_ANSWERING: &'static [&'static str] = &["RobertaForQuestionAnswering"];

    fn width(config: &RobertaConfig) -> usize {
        config.hidden_size
    }

    fn dropout(config: &RobertaConfig) -> f64 {
        config.classifier_dropout()
    }

    fn draw(config: &RobertaConfig, init: &mut Init) -> Self {
        Self {
            bert: BertModel::without_pooler(config, init),
        }
    }

    fn for_file(config: &RobertaConfig, file: &ModelFile, init: &mut Init) -> Self {
        Self {
            bert: BertModel::as_in_file(config, file, init),
        }
    }

    fn sum(&self, inputs: &BertInputs) -> Tensor<3> {
        self.bert.sum(inputs)
    }

    fn encoded_from(&self, sum: Tensor<3>, inputs: BertInputs) -> Encoded {
        self.bert.encoded_from(sum, inputs)
    }
}

impl FirstTokenEncoder for RobertaModel {
    const SEQUENCE_CLASSIFICATION: &'static [&'static str] = &["RobertaForSequenceClassification"];
    const ACTIVATION: Activation = Activation::Tanh;
}

impl ChoiceEncoder for RobertaModel {
    const MULTIPLE_CHOICE: &'static [&'static str] = &["RobertaForMultipleChoice"];
    type Pooler = OwnPooler;

    fn draw_pooled(
        config: &RobertaConfig,
        init: &mut Init,
    ) -> Result<(Self, OwnPooler), ConfigError> {
        let bert = BertModel::new(config, init);
        Ok((Self { bert }, OwnPooler))
    }

    /// Not `classifier_dropout`, as in Hugging Face.
    fn choice_dropout(config: &RobertaConfig) -> f64 {
        config.hidden_dropout_prob
    }
}
