//! Why a page can't be written.

use std::path::PathBuf;

use kiln_files::FileError;
use kiln_learner::LearnError;
use kiln_metrics::MetricsError;

use crate::shell::shell;

/// Why there is no report. The message is the whole line a user needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum ReportError {
    /// The run has no records.
    #[error(
        "{}: no step is recorded yet; start the run's first steps with: kiln resume {}",
        metrics.display(), shell(run)
    )]
    NoRecords { metrics: PathBuf, run: PathBuf },
    /// The settings hold what JSON can't say.
    #[error("the run's settings cannot be shown ({reason}); config.json may be damaged")]
    Settings { reason: serde_json::Error },
    /// A scores.json is not one.
    #[error(
        "{}: not the scores of a run ({reason}); another version may have written it: move it away to \
         report without it",
        path.display()
    )]
    Scores {
        path: PathBuf,
        reason: serde_json::Error,
    },
    /// A run that has nothing to be compared by, or nothing to be compared with.
    #[error("{}: {problem}", path.display())]
    Compare { path: PathBuf, problem: String },
    /// A run can't be opened or read.
    #[error(transparent)]
    Run(#[from] LearnError),
    /// Predictions can't be read or scored.
    #[error(transparent)]
    Predictions(#[from] MetricsError),
    /// The page could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
}
