//! Examples whose labels are names still.

use super::record::Field;
use crate::{Answer, Input};

/// An example with what its file says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Raw {
    /// None: it has none of its own.
    pub(super) id: Option<String>,
    pub(super) line: u64,
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

/// For `map_err`: with the column.
pub(super) fn at(field: &Field) -> impl Fn(String) -> String {
    move |problem| format!("column {}: {problem}", field.name)
}
