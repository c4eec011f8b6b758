//! Hugging Face's BERT classes, by their names and by the task they serve.

use kiln_tasks::forward::ClassSpec;

/// Which heads stand on the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BertClass {
    /// None; the pooler is there if the file has one.
    Model,
    /// Masked language model and next sentence.
    PreTraining,
    /// Masked language model.
    MaskedLm,
    /// Next sentence.
    NextSentencePrediction,
    /// A label a sequence.
    SequenceClassification,
    /// A label a token.
    TokenClassification,
    /// The start and end of a span.
    QuestionAnswering,
}

impl BertClass {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Model,
        Self::PreTraining,
        Self::MaskedLm,
        Self::NextSentencePrediction,
        Self::SequenceClassification,
        Self::TokenClassification,
        Self::QuestionAnswering,
    ];

    /// The name in config.json's `architectures`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "BertModel",
            Self::PreTraining => "BertForPreTraining",
            Self::MaskedLm => "BertForMaskedLM",
            Self::NextSentencePrediction => "BertForNextSentencePrediction",
            Self::SequenceClassification => "BertForSequenceClassification",
            Self::TokenClassification => "BertForTokenClassification",
            Self::QuestionAnswering => "BertForQuestionAnswering",
        }
    }

    /// The task's name on the command line.
    pub fn task(self) -> &'static str {
        match self {
            Self::Model => "embed",
            Self::PreTraining => "pretrain",
            Self::MaskedLm => "fill-mask",
            Self::NextSentencePrediction => "next-sentence",
            Self::SequenceClassification => "classify",
            Self::TokenClassification => "tag",
            Self::QuestionAnswering => "qa",
        }
    }

    /// The arguments that give it a loss.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Model => &[],
            Self::PreTraining => &["labels", "next_sentence_label"],
            Self::MaskedLm
            | Self::NextSentencePrediction
            | Self::SequenceClassification
            | Self::TokenClassification => &["labels"],
            Self::QuestionAnswering => &["start_positions", "end_positions"],
        }
    }

    /// The same as a phrase.
    fn labels_in_words(self) -> &'static str {
        match self {
            Self::Model => "labels and a head",
            Self::PreTraining => "labels and next_sentence_label",
            Self::QuestionAnswering => "start_positions and end_positions",
            _ => "labels",
        }
    }

    /// The names of what it computes, losses left out.
    pub fn outputs(self) -> &'static [&'static str] {
        match self {
            Self::Model => &["last_hidden_state", "pooler_output"],
            Self::PreTraining => &[
                "last_hidden_state",
                "pooler_output",
                "prediction_logits",
                "seq_relationship_logits",
            ],
            Self::NextSentencePrediction | Self::SequenceClassification => {
                &["last_hidden_state", "pooler_output", "logits"]
            }
            Self::MaskedLm | Self::TokenClassification => &["last_hidden_state", "logits"],
            Self::QuestionAnswering => &["last_hidden_state", "start_logits", "end_logits"],
        }
    }

    /// What the forward pass checks arguments against.
    pub fn spec(self) -> ClassSpec {
        ClassSpec {
            name: self.name(),
            arguments: &[],
            labels: self.labels(),
            labels_in_words: self.labels_in_words(),
            outputs: self.outputs(),
        }
    }

    /// The class with this name or task.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|class| class.name() == name || class.task() == name)
    }

    /// All names and tasks, for a message.
    pub fn known() -> String {
        let names = Self::ALL.map(|class| format!("{} ({})", class.task(), class.name()));
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_found_by_either_name() {
        for class in BertClass::ALL {
            assert_eq!(BertClass::from_name(class.name()), Some(class));
            assert_eq!(BertClass::from_name(class.task()), Some(class));
        }
        assert_eq!(BertClass::from_name("BertLMHeadModel"), None);
    }
}
