//! One example as its file has it, whatever the file's format.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a record stands, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// The line that it begins in, from 1; a row in files without lines.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: line {}", self.file.display(), self.line)
    }
}

/// One example.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Its own id, or its number among the examples, from 1.
    pub id: String,
    /// Where it stands.
    pub place: Place,
    /// What a model reads.
    pub input: Input,
    /// What a model is to say; none: the file does not tell.
    pub target: Option<Target>,
}

/// What a model reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A text, or two.
    Text {
        /// The first text.
        first: String,
        /// The second one of a pair.
        second: Option<String>,
    },
    /// A sentence of words that are split already.
    Words(Vec<String>),
    /// A question and the text that may answer it.
    Question {
        /// The question.
        question: String,
        /// The text. Shared by the questions on it.
        context: Arc<str>,
    },
    /// A text and what may follow it.
    Choices {
        /// What all continuations follow.
        first: String,
        /// The continuations.
        endings: Vec<String>,
    },
}

impl Input {
    /// Whether it is two texts, both of which a model reads as they are.
    pub fn is_pair(&self) -> bool {
        matches!(
            self,
            Self::Text {
                second: Some(_),
                ..
            }
        )
    }
}

/// What a model is to say.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// The id of a label.
    Class(usize),
    /// The ids of labels, rising, none twice.
    Classes(Vec<usize>),
    /// Numbers, as many for each example of a task.
    Numbers(Vec<f32>),
    /// The id of a label for each word.
    Tags(Vec<usize>),
    /// Answers; empty: there is none in the text.
    Answers(Vec<Answer>),
    /// Which continuation is right, from 0.
    Choice(usize),
}

/// An answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As its file has it.
    pub text: String,
    /// Its first character in the context, counted in characters (Unicode scalar values).
    pub start: usize,
}
