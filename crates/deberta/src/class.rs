//! The model classes, by Hugging Face's names and by the task they serve.

use kiln_tasks::forward::ClassSpec;

use crate::config::DebertaVersion;

/// Which head stands on the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebertaClass {
    /// None.
    Model,
    /// Replaced token detection: v3's discriminator. Only Kiln knows a class of this name.
    PreTraining,
    /// Masked language model: v1, v2 and v3's generator.
    MaskedLm,
    /// A label a sequence.
    SequenceClassification,
    /// A label a token.
    TokenClassification,
    /// The start and end of a span.
    QuestionAnswering,
}

impl DebertaClass {
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
    pub fn name(self, version: DebertaVersion) -> &'static str {
        let (v1, v2) = self.names();
        match version {
            DebertaVersion::V1 => v1,
            DebertaVersion::V2 => v2,
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
    pub fn spec(self, version: DebertaVersion) -> ClassSpec {
        let (labels, labels_in_words): (&'static [&'static str], _) = match self {
            Self::Model => (&[], "labels and a head"),
            Self::QuestionAnswering => (
                &["start_positions", "end_positions"],
                "start_positions and end_positions",
            ),
            _ => (&["labels"], "labels"),
        };
        ClassSpec {
            name: self.name(version),
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

    /// The class with this name, of either version, or this task.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| {
            let (v1, v2) = class.names();
            [v1, v2, class.task()].contains(&name)
        })
    }

    /// All names of a version and all tasks, for a message.
    pub fn known(version: DebertaVersion) -> String {
        let names = Self::ALL.map(|class| format!("{} ({})", class.task(), class.name(version)));
        names.join(", ")
    }

    /// The names of v1 and of v2.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Model => ("DebertaModel", "DebertaV2Model"),
            Self::PreTraining => ("DebertaForPreTraining", "DebertaV2ForPreTraining"),
            Self::MaskedLm => ("DebertaForMaskedLM", "DebertaV2ForMaskedLM"),
            Self::SequenceClassification => (
                "DebertaForSequenceClassification",
                "DebertaV2ForSequenceClassification",
            ),
            Self::TokenClassification => (
                "DebertaForTokenClassification",
                "DebertaV2ForTokenClassification",
            ),
            Self::QuestionAnswering => (
                "DebertaForQuestionAnswering",
                "DebertaV2ForQuestionAnswering",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_found_by_each_of_its_names() {
        for class in DebertaClass::ALL {
            for version in [DebertaVersion::V1, DebertaVersion::V2] {
                assert_eq!(DebertaClass::from_name(class.name(version)), Some(class));
            }
            assert_eq!(DebertaClass::from_name(class.task()), Some(class));
        }
        assert_eq!(DebertaClass::from_name("DebertaV2ForMultipleChoice"), None);
    }
}
