//! Why an argument of a forward pass is refused.

use kiln_learner::LearnError;

/// An argument that is missing or does not fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum InputError {
    /// An argument the class cannot do without.
    #[error("{name}: missing; {class} needs it")]
    Missing { name: String, class: &'static str },
    /// An argument the class does not take.
    #[error("{name}: {class} takes no such input, but {known}")]
    Unknown {
        name: String,
        class: &'static str,
        known: String,
    },
    /// Real numbers for whole ones, or the reverse.
    #[error("{name}: has elements of type {found}, {expected} are needed")]
    Dtype {
        name: String,
        found: String,
        expected: &'static str,
    },
    /// Another shape than the other arguments ask for.
    #[error("{name}: has shape {found:?}, {expected} is needed")]
    Shape {
        name: String,
        found: Vec<usize>,
        expected: String,
    },
    /// An entry out of range.
    #[error("{name}: entry {index} is {value}, allowed are {allowed}")]
    Range {
        name: String,
        index: usize,
        value: f64,
        allowed: String,
    },
    /// More tokens than the model has positions.
    #[error("input_ids: {seq_len} tokens, {room}; shorten them")]
    TooLong { seq_len: usize, room: String },
    /// Labels of which none is scored.
    #[error("{name}: every entry is -100, so there is nothing to score; leave it out")]
    NothingScored { name: String },
    /// Positions of which none is one of the tokens.
    #[error(
        "{name}: every position is beyond the {seq_len} tokens, so there is nothing to score; leave it out"
    )]
    NoPosition { name: String, seq_len: usize },
    /// A mask that leaves nothing to score.
    #[error("attention_mask: every entry is 0, so there is nothing to score; leave labels out")]
    NothingAttended,
    /// Gradients of nothing.
    #[error(
        "no loss to differentiate; {class} needs {labels}, or cotangent.OUTPUT beside an output"
    )]
    NoLoss { class: &'static str, labels: String },
}

impl From<InputError> for LearnError {
    fn from(error: InputError) -> Self {
        Self::Batch(error.to_string())
    }
}
