//! What can stop a run.

use std::path::PathBuf;

use kiln_checkpoint::{OpenError, WriteError};
use kiln_text::TextError;

/// Why a run could not start, go on or be saved. The message is the whole line a user needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum LearnError {
    /// A setting can't be trained with.
    #[error("settings: {0}")]
    Settings(String),
    /// The data can't be read.
    #[error(transparent)]
    Data(#[from] TextError),
    /// A batch can't be built. The message is the data's own.
    #[error("{0}")]
    Batch(String),
    /// A checkpoint or model can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A checkpoint can't be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A device can't be opened.
    #[error(transparent)]
    Backend(#[from] kiln_backend::BackendError),
    /// A file of the run is missing or unreadable.
    #[error("{}: cannot be read ({reason})", path.display())]
    Read {
        path: PathBuf,
        reason: std::io::Error,
    },
    /// A file of the run can't be written.
    #[error("{}: cannot be written ({reason}); check free space and permissions", path.display())]
    WriteRun {
        path: PathBuf,
        reason: std::io::Error,
    },
    /// A file of the run has another content than expected.
    #[error("{}: {problem}", path.display())]
    Run { path: PathBuf, problem: String },
    /// The gradients were not finite for several steps in a row.
    #[error(
        "step {step}: the gradient of {tensors} was not finite for {count} steps in a row; the last \
         checkpoint is whole: resume from it with a lower learning rate"
    )]
    NotFinite {
        step: u64,
        count: u64,
        tensors: String,
    },
    /// A device failed in the middle of the run.
    #[error("step {step}: the device failed ({reason}); the last checkpoint is whole")]
    Device { step: u64, reason: String },
    /// Burn's event loop failed.
    #[error("metrics: {0}")]
    Events(String),
}
