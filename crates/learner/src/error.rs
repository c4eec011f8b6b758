//! What can stop a run.

use std::path::PathBuf;

use kiln_checkpoint::{OpenError, WriteError};
use kiln_text::TextError;

use crate::collective::CollectiveError;

/// Why a run could not start, go on or be saved. The message is the whole line a user needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum LearnError {
    /// A setting can't be trained with.
    #[error("settings: {0}")]
    Settings(String),
    /// A field of the model's config.json has a value that the architecture can't have.
    #[error("the model's config: {field}: {reason}; correct this field")]
    Config { field: String, reason: String },
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
    /// A file of the run is missing or unreadable.
    #[error("{}: cannot be read ({reason}); check the path and its permissions", path.display())]
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
    /// The run can't go on as it does: gradients were not finite for several steps in a row, or the
    /// last step left no model worth keeping. What was saved before is sound.
    #[error("step {step}: {problem}; {}", rescue(checkpoint.as_deref(), *first_step))]
    Diverged {
        step: u64,
        problem: String,
        /// The last checkpoint; none: there is none yet.
        checkpoint: Option<PathBuf>,
        /// No step has changed a weight: the learning rate is not to blame.
        first_step: bool,
    },
    /// A device failed: in the middle of a run, or outside of one where `step` is 0.
    #[error("{}", device_failed(*step, reason))]
    Device { step: u64, reason: String },
    /// Another rank of the run is gone, or can't go on with this one.
    #[error("{0}; the run ended on all ranks, what was saved is whole")]
    Rank(#[from] CollectiveError),
    /// Burn's event loop failed.
    #[error("metrics: {0}; what was saved is whole")]
    Events(String),
}

fn rescue(checkpoint: Option<&std::path::Path>, first_step: bool) -> String {
    if first_step {
        return "no step has changed a weight yet: the weights that the run started from, or its \
                model's config, give no finite loss"
            .to_owned();
    }
    match checkpoint {
        Some(path) => format!(
            "the last good checkpoint is {}: go on from it with a lower learning rate",
            path.display()
        ),
        None => "no checkpoint was saved before: start again with a lower learning rate".to_owned(),
    }
}

fn device_failed(step: u64, reason: &str) -> String {
    match step {
        0 => format!("the device failed ({reason}); try again, or another device with --backend"),
        step => {
            format!("step {step}: the device failed ({reason}); what was saved is whole")
        }
    }
}
