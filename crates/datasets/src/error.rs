//! What can go wrong with labelled data.

use std::path::PathBuf;

use kiln_text::TextError;

/// Why labelled data could not be used. The message is the whole line a user needs: where, what, and
/// the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum DataError {
    /// A file is missing or unreadable.
    #[error(
        "{}: cannot be read ({reason}); check its path, its permissions and that it is whole",
        path.display()
    )]
    Read {
        path: PathBuf,
        reason: std::io::Error,
    },
    /// What was made of examples can't be kept on disk.
    #[error(
        "{}: what examples become can't be kept there ({reason}); free space, or name another folder \
         in TMPDIR",
        folder.display()
    )]
    Store {
        folder: PathBuf,
        reason: std::io::Error,
    },
    /// What was kept on disk is not there any more as it was written.
    #[error(
        "{}: row {} of {rows} is not what was written there; the disk has a fault: check it, or name \
         a folder on another one in TMPDIR, and start again",
        folder.display(),
        row + 1
    )]
    Damaged {
        folder: PathBuf,
        row: usize,
        rows: usize,
    },
    /// A model's logits can't be used.
    #[error("example {}: {problem}", example + 1)]
    Logits { example: u64, problem: String },
    /// A record of a file is not what it should be.
    #[error("{place}: {problem}")]
    Record {
        place: crate::Place,
        problem: String,
    },
    /// Text or tokenizer.
    #[error(transparent)]
    Text(#[from] TextError),
    /// What a model says to a question can't be used.
    #[error("question {question:?}: {problem}")]
    Output { question: String, problem: String },
    /// Settings that can't be used: the field, its value and the remedy.
    #[error("{0}")]
    Settings(String),
}
