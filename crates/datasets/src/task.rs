//! What a model can be fine-tuned for.

use serde::{Deserialize, Serialize};

/// What a model is fine-tuned for and asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// A label for a text or a pair of texts, or yes and no for each of several labels.
    Classify,
    /// A number, or several, for a text or a pair of texts.
    Regress,
    /// A tag for each word of a sentence.
    Tag,
    /// The span of a text that answers a question.
    Qa,
    /// Which of several continuations fits.
    Choose,
}

impl Task {
    /// All of them, in the order in which help shows them.
    pub const ALL: [Self; 5] = [
        Self::Classify,
        Self::Regress,
        Self::Tag,
        Self::Qa,
        Self::Choose,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classify => "classify",
            Self::Regress => "regress",
            Self::Tag => "tag",
            Self::Qa => "qa",
            Self::Choose => "choose",
        }
    }
}

/// What the logits of a model mean: Hugging Face's `problem_type` where a sequence has labels, and the
/// tasks that have other heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// One label a sequence: `single_label_classification`.
    SingleLabel,
    /// Yes or no for each label: `multi_label_classification`.
    MultiLabel,
    /// Numbers: `regression`.
    Regression,
    /// A label a word.
    Tags,
    /// The start and the end of an answer.
    Span,
    /// One of several continuations.
    Choice,
}

impl Problem {
    /// Hugging Face's name, where it has one.
    pub fn problem_type(self) -> Option<&'static str> {
        match self {
            Self::SingleLabel => Some("single_label_classification"),
            Self::MultiLabel => Some("multi_label_classification"),
            Self::Regression => Some("regression"),
            Self::Tags | Self::Span | Self::Choice => None,
        }
    }
}
