//! What can go wrong between a text file and a batch.

use std::path::PathBuf;

/// Why text, a tokenizer or a corpus could not be used. The message is the whole line a user needs:
/// where, what, and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum TextError {
    /// A file is missing or unreadable.
    #[error("{}: cannot be read ({reason})", path.display())]
    Read {
        path: PathBuf,
        reason: std::io::Error,
    },
    /// A file could not be written.
    #[error("{}: cannot be written ({reason}); check free space and permissions", path.display())]
    Write {
        path: PathBuf,
        reason: std::io::Error,
    },
}
