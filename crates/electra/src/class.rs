//! Hugging Face's ELECTRA classes, by their names and by the task they serve.

use kiln_tasks::forward::ClassSpec;

/// Which head stands on the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectraClass {
    /// None.
    Model,
    /// Replaced token detection: the discriminator.
    PreTraining,
    /// Masked language model: the generator.
    MaskedLm,
    /// A label a sequence.
    SequenceClassification,
    /// A label a token.
    TokenClassification,
    /// The start and end of a span.
    QuestionAnswering,
}

impl ElectraClass {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Model,
        Self::PreTraining,
        Self::MaskedLm,
        Self::SequenceClassification,
        Self::TokenClassification,
        Self::QuestionAnswering,
    ];

    /// The name in config.json's `architectures`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "ElectraModel",
            Self::PreTraining => "ElectraForPreTraining",
            Self::MaskedLm => "ElectraForMaskedLM",
            Self::SequenceClassification => "ElectraForSequenceClassification",
            Self::TokenClassification => "ElectraForTokenClassification",
            Self::QuestionAnswering => "ElectraForQuestionAnswering",
        }
    }

    /// The task's name on the command line.
    pub fn task(self) -> &'static str {
        match self {
            Self::Model => "embed",
            Self::PreTraining => "replaced-tokens",
            Self::MaskedLm => "fill-mask",
            Self::SequenceClassification => "classify",
            Self::TokenClassification => "tag",
            Self::QuestionAnswering => "qa",
        }
    }

    /// What the forward pass checks arguments against.
    pub fn spec(self) -> ClassSpec {
        let (labels, labels_in_words): (&'static [&'static str], _) = match self {
            Self::Model => (&[], "labels and a head"),
            Self::QuestionAnswering => (
                &["start_positions", "end_positions"],
                "start_positions and end_positions",
            ),
            _ => (&["labels"], "labels"),
        };
        ClassSpec {
            name: self.name(),
            arguments: &[],
            labels,
            labels_in_words,
            outputs: match self {
                Self::Model => &["last_hidden_state"],
                Self::QuestionAnswering => &["last_hidden_state", "start_logits", "end_logits"],
                _ => &["last_hidden_state", "logits"],
            },
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
        for class in ElectraClass::ALL {
            assert_eq!(ElectraClass::from_name(class.name()), Some(class));
            assert_eq!(ElectraClass::from_name(class.task()), Some(class));
        }
        assert_eq!(ElectraClass::from_name("ElectraForCausalLM"), None);
    }
}
