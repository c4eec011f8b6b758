//! What can go wrong with predictions.

use std::path::PathBuf;

/// Why predictions could not be scored, read or written. The message is the whole line a user needs:
/// where, what, and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum MetricsError {
    /// A file is missing or unreadable.
    #[error("{}: cannot be read ({reason}); check its path and its permissions", path.display())]
    Read {
        path: PathBuf,
        reason: std::io::Error,
    },
    /// A file can't be written.
    #[error("{}: cannot be written ({reason}); check space and permissions", path.display())]
    Write {
        path: PathBuf,
        reason: std::io::Error,
    },
    /// A line of a file is no row.
    #[error("{}: line {line}: {problem}; a line is one object as kiln predict writes it", path.display())]
    Line {
        path: PathBuf,
        line: u64,
        problem: String,
    },
    /// A row contradicts itself.
    #[error("example {id}: {problem}")]
    Row { id: String, problem: String },
    /// There is nothing to score.
    #[error("no predictions to score; pass a file with at least one example")]
    Empty,
    /// Some rows lack what they are scored by.
    #[error(
        "{missing} of {total} examples have no target, the first is {first}; score a file that has one for each"
    )]
    NoTarget {
        missing: usize,
        total: usize,
        first: String,
    },
    /// Rows of several tasks.
    #[error("example {id}: a row of {found} among rows of {expected}; score one task at a time")]
    Mixed {
        id: String,
        expected: &'static str,
        found: &'static str,
    },
    /// What was asked for does not fit the rows: what, and the remedy.
    #[error("{0}")]
    Options(String),
    /// Two runs, or several, can't be compared: why, and the remedy.
    #[error("{0}")]
    Compare(String),
}
