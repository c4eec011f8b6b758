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
    /// Of a model that learns `task`, where an example of [`Task::Classify`] can have several labels
    /// (`multi_label`) or not.
    pub fn of(task: Task, multi_label: bool) -> Self {
        match task {
            Task::Classify if multi_label => Self::MultiLabel,
            Task::Classify => Self::SingleLabel,
            Task::Regress => Self::Regression,
            Task::Tag => Self::Tags,
            Task::Qa => Self::Span,
            Task::Choose => Self::Choice,
        }
    }

    /// The problem that Hugging Face calls so; none: there is no such name.
    pub fn from_problem_type(name: &str) -> Option<Self> {
        let named = [Self::SingleLabel, Self::MultiLabel, Self::Regression];
        named
            .into_iter()
            .find(|problem| problem.problem_type() == Some(name))
    }

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
