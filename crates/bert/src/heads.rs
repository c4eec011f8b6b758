//! The encoder with one head: sentence pairs, sequences, tokens, spans, choices.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::{Dropout, Init, project};
use kiln_tasks::Family;
use kiln_tasks::choice::{ChoiceEncoder, MultipleChoice, OwnPooler};
use kiln_tasks::class::{Class, Encoded};
use kiln_tasks::heads::{ClassLogits, RealLabels, SequenceLogits};
use kiln_tasks::token_heads::{QuestionAnswering, TokenClassification};

use crate::{BertConfig, BertModel, ConfigError};

/// A label for each token.
pub type BertForTokenClassification = TokenClassification<BertModel>;

/// The start and the end of an answer within the sequence.
pub type BertForQuestionAnswering = QuestionAnswering<BertModel>;

/// Which of several continuations fits.
pub type BertForMultipleChoice = MultipleChoice<BertModel, OwnPooler>;

impl ChoiceEncoder for BertModel {
    const MULTIPLE_CHOICE: &'static [&'static str] = &["BertForMultipleChoice"];
    type Pooler = OwnPooler;

    fn draw_pooled(config: &BertConfig, init: &mut Init) -> Result<(Self, OwnPooler), ConfigError> {
        Ok((Self::new(config, init), OwnPooler))
    }

    fn choice_dropout(config: &BertConfig) -> f64 {
        config.classifier_dropout()
    }
}

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
}

impl Class for BertForNextSentencePrediction {
    type Config = BertConfig;
    type Encoder = BertModel;
    type Head = ClassLogits;

    const NAMES: &'static [&'static str] = &["BertForNextSentencePrediction"];
    const POOLS: bool = true;

    fn for_file(config: &BertConfig, _: &ModelFile, init: &mut Init) -> Result<Self, OpenError> {
        Ok(Self::new(config, init))
    }

    fn encoder(&self) -> &BertModel {
        &self.bert
    }

    fn head(&self, encoded: &Encoded) -> ClassLogits {
        ClassLogits {
            logits: project(&self.cls.seq_relationship, encoded.pooled()),
        }
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

    /// Scores the labels of pooled sequences.
    ///
    /// # Shapes
    /// - `pooled`: `[batch, hidden_size]`
    /// - returns `[batch, num_labels]`
    pub fn logits(&self, pooled: Tensor<2>) -> Tensor<2> {
        project(&self.classifier, self.dropout.forward(pooled))
    }
}

impl Class for BertForSequenceClassification {
    type Config = BertConfig;
    type Encoder = BertModel;
    type Head = SequenceLogits;

    const NAMES: &'static [&'static str] = &["BertForSequenceClassification"];
    const POOLS: bool = true;

    fn for_file(config: &BertConfig, _: &ModelFile, init: &mut Init) -> Result<Self, OpenError> {
        Ok(Self::new(config, init))
    }

    fn encoder(&self) -> &BertModel {
        &self.bert
    }

    fn head(&self, encoded: &Encoded) -> SequenceLogits {
        SequenceLogits {
            logits: self.logits(encoded.pooled()),
            real_labels: RealLabels::YesOrNo,
        }
    }
}
