//! The encoder with one head of fine-tuning: sequences, tokens, spans.

use kiln_nn::Activation;
use kiln_tasks::token_heads::{
    FirstTokenEncoder, QuestionAnswering, SequenceClassification, TokenClassification,
};

use crate::ElectraModel;

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
