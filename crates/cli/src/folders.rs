//! Folders that commands write into: where they are, and whether they are free.

use std::path::{Component, Path, PathBuf};

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

/// The folder of the run that the checkpoint in `path` is of, if it is of one.
///
/// # Errors
/// If there is no such path.
pub(crate) fn run_of_checkpoint(path: &Path) -> Result<Option<PathBuf>, Failure> {
    let mut full = absolute(path)?;
    // `..` is another folder's name where a link is in between.
    if full.components().any(|part| part == Component::ParentDir) {
        full = full.canonicalize().map_err(|error| {
            Failure::run(format_args!("{}: no such path ({error})", path.display()))
        })?;
    }
    let checkpoints = full.parent();
    let checkpoints = checkpoints.filter(|above| above.file_name() == Some("checkpoints".as_ref()));
    let run = checkpoints.and_then(Path::parent);
    let run = run.filter(|run| RunFolder::at(run).config().is_file());
    Ok(run.map(Path::to_path_buf))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_leads_to_its_run_however_its_path_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let checkpoint = run.join("checkpoints/step-00000009");
        std::fs::create_dir_all(checkpoint.join("adapter")).unwrap();
        assert_eq!(run_of_checkpoint(&checkpoint).unwrap(), None);
        std::fs::write(run.join("config.json"), "{}").unwrap();
        let found = |path: &Path| {
            let found = run_of_checkpoint(path).unwrap();
            found.map(|run| run.canonicalize().unwrap())
        };
        let expected = Some(run.canonicalize().unwrap());
        assert_eq!(found(&checkpoint), expected);
        assert_eq!(found(&checkpoint.join(".")), expected);
        assert_eq!(found(&checkpoint.join("adapter/..")), expected);
        assert_eq!(found(&checkpoint.join("adapter")), None);
        assert_eq!(found(&run), None);
    }
}
