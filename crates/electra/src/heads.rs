//! The encoder with one head of fine-tuning: sequences, tokens, spans, choices.

use kiln_bert::ConfigError;
use kiln_nn::{Activation, Init};
use kiln_tasks::choice::{ChoiceEncoder, MultipleChoice};
use kiln_tasks::summary::{SequenceSummary, SummaryFields};
use kiln_tasks::token_heads::{
    FirstTokenEncoder, QuestionAnswering, SequenceClassification, TokenClassification,
};

use crate::{ElectraConfig, ElectraModel};

/// A label, or a number, for each sequence.
pub type ElectraForSequenceClassification = SequenceClassification<ElectraModel>;

/// A label for each token.
pub type ElectraForTokenClassification = TokenClassification<ElectraModel>;

/// The start and the end of an answer within the sequence.
pub type ElectraForQuestionAnswering = QuestionAnswering<ElectraModel>;

impl FirstTokenEncoder for ElectraModel {
    const SEQUENCE_CLASSIFICATION: &'static [&'static str] = &["ElectraForSequenceClassification"];
    /// gelu, where BERT's pooler has tanh.
    const ACTIVATION: Activation = Activation::Gelu;
}

/// Which of several continuations fits.
pub type ElectraForMultipleChoice = MultipleChoice<ElectraModel, SequenceSummary>;

impl ChoiceEncoder for ElectraModel {
    const MULTIPLE_CHOICE: &'static [&'static str] = &["ElectraForMultipleChoice"];
    type Pooler = SequenceSummary;

    fn draw_pooled(
        config: &ElectraConfig,
        init: &mut Init,
    ) -> Result<(Self, SequenceSummary), ConfigError> {
        let summary = SummaryFields::of(&config.other)?.summary(&config.other)?;
        let model = Self::new(config, init);
        Ok((
            model,
            SequenceSummary::new(summary, config.hidden_size, init),
        ))
    }

    /// None: the summary has its own.
    fn choice_dropout(_: &ElectraConfig) -> f64 {
        0.0
    }
}
