//! The model classes, by Hugging Face's names and by the task they serve.

use kiln_tasks::forward::ClassSpec;

/// Which head stands on the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XlnetClass {
    /// None.
    Model,
    /// Language model.
    LmHead,
    /// A label a sequence.
    SequenceClassification,
    /// A label a token.
    TokenClassification,
    /// The start and end of a span.
    QuestionAnsweringSimple,
}

impl XlnetClass {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Model,
        Self::LmHead,
        Self::SequenceClassification,
        Self::TokenClassification,
        Self::QuestionAnsweringSimple,
    ];

    /// The name in config.json's `architectures`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "XLNetModel",
            Self::LmHead => "XLNetLMHeadModel",
            Self::SequenceClassification => "XLNetForSequenceClassification",
            Self::TokenClassification => "XLNetForTokenClassification",
            Self::QuestionAnsweringSimple => "XLNetForQuestionAnsweringSimple",
        }
    }

    /// The task's name on the command line.
    pub fn task(self) -> &'static str {
        match self {
            Self::Model => "embed",
            Self::LmHead => "fill-mask",
            Self::SequenceClassification => "classify",
            Self::TokenClassification => "tag",
            Self::QuestionAnsweringSimple => "qa",
        }
    }

    /// What the forward pass checks arguments against.
    pub fn spec(self) -> ClassSpec {
        let (labels, labels_in_words): (&'static [&'static str], _) = match self {
            Self::Model => (&[], "labels and a head"),
            Self::QuestionAnsweringSimple => (
                &["start_positions", "end_positions"],
                "start_positions and end_positions",
            ),
            _ => (&["labels"], "labels"),
        };
        ClassSpec {
            name: self.name(),
            arguments: &["input_mask", "perm_mask", "target_mapping", "mems."],
            labels,
            labels_in_words,
            outputs: match self {
                Self::Model => &["last_hidden_state"],
                Self::QuestionAnsweringSimple => {
                    &["last_hidden_state", "start_logits", "end_logits"]
                }
                _ => &["last_hidden_state", "logits"],
            },
        }
    }

    /// The class with this name or this task.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|class| [class.name(), class.task()].contains(&name))
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
    fn a_class_is_found_by_each_of_its_names() {
        for class in XlnetClass::ALL {
            assert_eq!(XlnetClass::from_name(class.name()), Some(class));
            assert_eq!(XlnetClass::from_name(class.task()), Some(class));
        }
        assert_eq!(XlnetClass::from_name("XLNetForMultipleChoice"), None);
    }
}
