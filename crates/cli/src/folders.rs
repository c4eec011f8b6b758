//! Folders that commands write into: where they are, and whether they are free.

use std::path::{Path, PathBuf};

use kiln_learner::RunFolder;

use crate::failure::Failure;
use crate::wording::shell;

/// The path from the root on, so that a run can be resumed from another folder.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::run(format_args!("{}: no such path ({error})", path.display())))
}

/// Refuses a folder with something in it; `instead` says what else to do with it, and takes its
/// path as the last word.
///
/// # Errors
/// If there is something, or the folder can't be looked into.
pub(crate) fn refuse_used_folder(path: &Path, instead: &str) -> Result<(), Failure> {
    match RunFolder::is_used(path) {
        Ok(false) => Ok(()),
        Ok(true) => {
            let remedy = if instead.is_empty() {
                String::new()
            } else {
                format!(", or {instead} {}", shell(path))
            };
            Err(Failure::run(format_args!(
                "{}: the folder is not empty; choose another{remedy}",
                path.display()
            )))
        }
        Err(error) => Err(Failure::run(format_args!(
            "{}: cannot be made a folder ({error}); choose another",
            path.display()
        ))),
    }
}
