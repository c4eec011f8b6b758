//! Going on from an earlier checkpoint than the newest.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kiln_learner::{LearnError, NewestCheckpoint, RunFolder};

use crate::failure::Failure;
use crate::wording::count;

/// The whole checkpoint of `step`.
///
/// # Errors
/// If the run has none.
pub(super) fn find(run: &RunFolder, step: u64) -> Result<NewestCheckpoint, Failure> {
    let checkpoints = run.list_checkpoints()?;
    let Some((step, path)) = checkpoints.iter().find(|(found, _)| *found == step) else {
        let steps: Vec<String> = checkpoints
            .iter()
            .map(|(step, _)| step.to_string())
            .collect();
        return Err(Failure::usage(format_args!(
            "--from-step {step}: no checkpoint of that step; the run has {}",
            if steps.is_empty() {
                "none".to_owned()
            } else {
                format!("those of {}", steps.join(", "))
            }
        )));
    };
    kiln_checkpoint::verify(path)?;
    Ok(NewestCheckpoint {
        step: *step,
        path: path.clone(),
        passed_over: Vec::new(),
    })
}

/// Moves the checkpoints after `step` out of the way, with a copy of the metrics that tell of them;
/// gives where they are, none if there are none.
///
/// # Errors
/// If something can't be moved.
pub(super) fn set_aside(run: &RunFolder, step: u64) -> Result<Option<PathBuf>, LearnError> {
    let checkpoints = run.list_checkpoints()?;
    let later: Vec<&(u64, PathBuf)> = checkpoints.iter().filter(|(at, _)| *at > step).collect();
    if later.is_empty() {
        return Ok(None);
    }
    let folder = new_folder(&run.path().join("set-aside"), step)?;
    let failed = |path: &Path, error: io::Error| LearnError::Run {
        path: path.into(),
        problem: format!("cannot be set aside ({error}); check free space and permissions"),
    };
    // First the copy: once the checkpoints are away, the run may be gone on with.
    if run.metrics().exists() {
        fs::copy(run.metrics(), folder.join("metrics.jsonl"))
            .map_err(|error| failed(&run.metrics(), error))?;
    }
    for (_, path) in later.into_iter().rev() {
        let name = path.file_name().unwrap_or_default();
        fs::rename(path, folder.join(name)).map_err(|error| failed(path, error))?;
    }
    Ok(Some(folder))
}

/// What is said of it.
pub(super) fn describe(folder: &Path, step: u64) -> String {
    format!(
        "the checkpoints after step {} and a copy of metrics.jsonl are set aside in {}; delete them \
         when they are not wanted",
        count(step),
        folder.display()
    )
}

fn new_folder(parent: &Path, step: u64) -> Result<PathBuf, LearnError> {
    let failed = |path: &Path, error: io::Error| LearnError::Run {
        path: path.into(),
        problem: format!("cannot be made ({error}); check free space and permissions"),
    };
    fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
    let mut number = 1;
    loop {
        let path = parent.join(format!("after-step-{step:08}-{number}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(failed(&path, error)),
        }
    }
}
