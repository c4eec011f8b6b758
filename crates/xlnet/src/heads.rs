//! The stack with one head of fine-tuning: sequences, tokens, spans, choices.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::{Init, project};
use kiln_tasks::Family;
use kiln_tasks::choice::Pool;
use kiln_tasks::class::{Class, Encoded};
use kiln_tasks::heads::{ChoiceLogits, RealLabels, SequenceLogits};
use kiln_tasks::summary::{SequenceSummary, Summary};
use kiln_tasks::token_heads::{QuestionAnswering, TokenClassification};

use crate::config::XlnetConfig;
use crate::model::XlnetModel;

/// A label for each token.
#[doc(alias = "XLNetForTokenClassification")]
pub type XlnetForTokenClassification = TokenClassification<XlnetModel>;

/// The start and the end of an answer within the sequence, each by itself.
#[doc(alias = "XLNetForQuestionAnsweringSimple")]
pub type XlnetForQuestionAnsweringSimple = QuestionAnswering<XlnetModel>;

/// A label, or a number, for each sequence.
#[derive(Module, Debug)]
#[doc(alias = "XLNetForSequenceClassification")]
pub struct XlnetForSequenceClassification {
    /// The stack.
    pub transformer: XlnetModel,
    sequence_summary: SequenceSummary,
    logits_proj: Linear,
}

impl XlnetForSequenceClassification {
    /// Draws stack and head; `summary` is [`XlnetConfig::summary`].
    pub fn new(config: &XlnetConfig, summary: Summary, init: &mut Init) -> Self {
        Self::of_labels(config.num_labels(), config, summary, init)
    }

    fn of_labels(
        num_labels: usize,
        config: &XlnetConfig,
        summary: Summary,
        init: &mut Init,
    ) -> Self {
        Self {
            transformer: XlnetModel::new(config, init),
            sequence_summary: SequenceSummary::new(summary, config.d_model, init),
            logits_proj: init.linear(config.d_model, num_labels),
        }
    }

    /// Sums up sequences and scores their labels.
    ///
    /// # Shapes
    /// - returns `[batch, num_labels]`
    pub fn logits(&self, encoded: &Encoded) -> Tensor<2> {
        project(&self.logits_proj, self.sequence_summary.pool(encoded))
    }
}

impl Class for XlnetForSequenceClassification {
    type Config = XlnetConfig;
    type Encoder = XlnetModel;
    type Head = SequenceLogits;

    const NAMES: &'static [&'static str] = &["XLNetForSequenceClassification"];

    fn for_file(
        config: &XlnetConfig,
        file: &ModelFile,
        init: &mut Init,
    ) -> Result<Self, OpenError> {
        let summary = config.summary().map_err(|error| error.beside(file))?;
        Ok(Self::new(config, summary, init))
    }

    fn encoder(&self) -> &XlnetModel {
        &self.transformer
    }

    fn head(&self, encoded: &Encoded) -> SequenceLogits {
        SequenceLogits {
            logits: self.logits(encoded),
            real_labels: RealLabels::YesOrNo,
        }
    }
}

/// Which of several continuations fits.
#[derive(Module, Debug)]
#[doc(alias = "XLNetForMultipleChoice")]
pub struct XlnetForMultipleChoice {
    /// A classifier with one label, whose number is the score.
    scorer: XlnetForSequenceClassification,
}

impl XlnetForMultipleChoice {
    /// Draws stack and head; `summary` is [`XlnetConfig::summary`].
    pub fn new(config: &XlnetConfig, summary: Summary, init: &mut Init) -> Self {
        Self {
            scorer: XlnetForSequenceClassification::of_labels(1, config, summary, init),
        }
    }
}

impl Class for XlnetForMultipleChoice {
    type Config = XlnetConfig;
    type Encoder = XlnetModel;
    type Head = ChoiceLogits;

    const NAMES: &'static [&'static str] = &["XLNetForMultipleChoice"];

    fn for_file(
        config: &XlnetConfig,
        file: &ModelFile,
        init: &mut Init,
    ) -> Result<Self, OpenError> {
        let summary = config.summary().map_err(|error| error.beside(file))?;
        Ok(Self::new(config, summary, init))
    }

    fn encoder(&self) -> &XlnetModel {
        &self.scorer.transformer
    }

    fn head(&self, encoded: &Encoded) -> ChoiceLogits {
        ChoiceLogits::of_column(self.scorer.logits(encoded))
    }
}
