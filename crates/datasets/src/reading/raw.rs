//! Examples whose labels are names still.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use super::record::Field;
use crate::{Answer, DataError, Input, Place};

/// An example with what its file says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Raw {
    /// None: it has none of its own.
    pub(super) id: Option<String>,
    pub(super) line: u64,
    /// The line of each word, where each has one; else empty.
    pub(super) word_lines: Vec<u64>,
    pub(super) input: Input,
    pub(super) target: Option<RawTarget>,
}

/// [`crate::Target`] with names for ids.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RawTarget {
    Class(String),
    Classes(Vec<String>),
    Numbers(Vec<f32>),
    Tags(Vec<String>),
    /// Those that stand where the file says, and what is wrong with the first that does not.
    Answers(Vec<Answer>, Option<String>),
    Choice(usize),
}

/// A word, for messages: at its own line, else by its number at the line of its record.
#[derive(Debug, Clone)]
pub(super) struct WordPlace {
    place: Place,
    name: String,
}

impl WordPlace {
    /// The word with this number, from 0, of a record at `line` whose words have these lines.
    pub(super) fn new(file: &Arc<Path>, line: u64, word_lines: &[u64], word: usize) -> Self {
        let own = word_lines.get(word).copied();
        Self {
            place: Place {
                file: Arc::clone(file),
                line: own.unwrap_or(line),
            },
            name: match own {
                Some(_) => String::new(),
                None => format!("word {}: ", word + 1),
            },
        }
    }

    /// What is wrong with it.
    pub(super) fn problem(self, problem: impl Display) -> DataError {
        DataError::Record {
            place: self.place,
            problem: format!("{}{problem}", self.name),
        }
    }
}

/// For `map_err`: with the column.
pub(super) fn at(field: &Field) -> impl Fn(String) -> String {
    move |problem| format!("column {}: {problem}", field.name)
}
