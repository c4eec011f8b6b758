//! The checkpoint that a run goes on from.

use std::path::PathBuf;
use std::time::Duration;

use kiln_checkpoint::{OpenError, verify};

use crate::error::LearnError;
use crate::run::RunFolder;

/// The newest whole checkpoint of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewestCheckpoint {
    /// The step it was written after.
    pub step: u64,
    /// The checkpoint's folder.
    pub path: PathBuf,
    /// Newer ones passed over, and why.
    pub passed_over: Vec<String>,
}

impl RunFolder {
    /// The newest checkpoint that verifies; none where there is none at all.
    ///
    /// One that does not (a disk's fault: a kill leaves none) is passed over for the one before. One
    /// that can't be read is tried again first: a network's fault may pass.
    ///
    /// # Errors
    /// If the folder can't be listed, or no checkpoint in it is whole.
    pub fn newest_checkpoint(&self) -> Result<Option<NewestCheckpoint>, LearnError> {
        let mut passed_over = Vec::new();
        for (step, path) in self.list_checkpoints()?.into_iter().rev() {
            match again_if_unreadable(&WAITS, || verify(&path)) {
                Ok(()) => {
                    return Ok(Some(NewestCheckpoint {
                        step,
                        path,
                        passed_over,
                    }));
                }
                Err(error) => passed_over.push(match error {
                    // Its remedy, to continue from an earlier one, is what happens here.
                    OpenError::Torn { path, problem } => format!("{}: {problem}", path.display()),
                    OpenError::Read { path, reason } => format!(
                        "{}: cannot be read, tried {} times ({reason})",
                        path.display(),
                        WAITS.len() + 1
                    ),
                    error => error.to_string(),
                }),
            }
        }
        match passed_over.into_iter().next() {
            Some(problem) => Err(LearnError::Run {
                path: self.checkpoints(),
                problem: format!(
                    "no checkpoint is whole (the newest: {problem}); bring one back from a copy, or \
                     start a new run"
                ),
            }),
            None => Ok(None),
        }
    }
}

/// How long to wait before each further try at reading.
const WAITS: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(600),
    Duration::from_millis(1200),
];

/// What `read` gives, tried again after each wait as long as the system can't read.
fn again_if_unreadable(
    waits: &[Duration],
    mut read: impl FnMut() -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    for wait in waits {
        match read() {
            Err(OpenError::Read { .. }) => std::thread::sleep(*wait),
            done => return done,
        }
    }
    read()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn unreadable() -> OpenError {
        OpenError::Read {
            path: "model.safetensors".into(),
            reason: io::Error::other("stale file handle"),
        }
    }

    #[test]
    fn a_read_error_that_passes_is_tried_again_and_damage_is_not() {
        let waits = [Duration::ZERO; 3];
        let mut tries = 0;
        let read = again_if_unreadable(&waits, || {
            tries += 1;
            if tries < 4 { Err(unreadable()) } else { Ok(()) }
        });
        assert!(read.is_ok() && tries == 4, "{tries}");

        let mut tries = 0;
        let read = again_if_unreadable(&waits, || {
            tries += 1;
            Err(unreadable())
        });
        assert!(
            matches!(read, Err(OpenError::Read { .. })) && tries == 4,
            "{tries}"
        );

        let mut tries = 0;
        let read = again_if_unreadable(&waits, || {
            tries += 1;
            Err(OpenError::Torn {
                path: "model.safetensors".into(),
                problem: "has 3 bytes".to_owned(),
            })
        });
        assert!(
            matches!(read, Err(OpenError::Torn { .. })) && tries == 1,
            "{tries}"
        );
    }
}
