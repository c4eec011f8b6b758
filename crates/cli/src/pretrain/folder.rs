//! A new run's folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kiln_learner::RunFolder;

use crate::failure::Failure;
use crate::folders::absolute;
use crate::out_of_memory;

/// Finds out whether a folder could be made at `path`, without making it.
///
/// # Errors
/// If nothing can be written there.
pub(crate) fn check_writable(path: &Path) -> Result<(), Failure> {
    let path = absolute(path)?;
    let existing = path.ancestors().find(|ancestor| ancestor.is_dir());
    let Some(existing) = existing else {
        return Ok(());
    };
    tempfile::tempfile_in(existing).map(drop).map_err(|error| {
        Failure::run(format_args!(
            "{}: cannot be written ({error}); check free space and permissions of {}",
            path.display(),
            existing.display()
        ))
    })
}

/// A run's folder that goes away again, unless a step was made in it: the same command can then be
/// given once more.
///
/// What is in the folder decides, not how the command ended: after a panic too, what took time to
/// make stays.
///
/// So it is where memory runs out and nothing is dropped any more.
pub(crate) struct NewRun(MadeFolder);

#[derive(Clone)]
struct MadeFolder {
    run: RunFolder,
    /// The folders that did not exist before, the run's own first; none: it did.
    made: Vec<PathBuf>,
}

impl NewRun {
    /// Makes the folder.
    ///
    /// # Errors
    /// If it is not empty or can't be made.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let full = absolute(path)?;
        let made = full
            .ancestors()
            .take_while(|ancestor| !ancestor.exists())
            .map(Path::to_path_buf)
            .collect();
        let folder = MadeFolder {
            run: RunFolder::create(path)?,
            made,
        };
        let last_deed = folder.clone();
        out_of_memory::before_the_end(Some(Box::new(move || last_deed.take_away_unless_started())));
        Ok(Self(folder))
    }

    pub(crate) fn run(&self) -> &RunFolder {
        &self.0.run
    }
}

impl Drop for NewRun {
    fn drop(&mut self) {
        out_of_memory::before_the_end(None);
        self.0.take_away_unless_started();
    }
}

impl MadeFolder {
    /// Whether there is anything in it that took time to make; in doubt there is.
    fn is_started(&self) -> bool {
        let has_steps = match fs::metadata(self.run.metrics()) {
            Ok(metrics) => metrics.len() > 0,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        };
        let checkpoints = self.run.list_checkpoints();
        has_steps || checkpoints.map_or(true, |list| !list.is_empty())
    }

    fn take_away_unless_started(&self) {
        if self.is_started() {
            return;
        }
        // What can't be removed stays: the error that led here says more than another one would.
        if let [run, above @ ..] = self.made.as_slice() {
            let _ = fs::remove_dir_all(run);
            // Empty ones alone: another run may have begun in them.
            let _ = above.iter().try_for_each(fs::remove_dir);
            return;
        }
        let entries = fs::read_dir(self.run.path())
            .into_iter()
            .flatten()
            .flatten();
        for entry in entries {
            let path = entry.path();
            let _ = if path.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_never_started_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        drop(NewRun::create(&path).unwrap());
        assert!(!folder.path().join("a").exists());
    }

    #[test]
    fn a_run_that_never_started_leaves_another_in_the_same_folder_alone() {
        let folder = tempfile::tempdir().unwrap();
        let first = NewRun::create(&folder.path().join("runs/first")).unwrap();
        let second = folder.path().join("runs/second");
        fs::create_dir(&second).unwrap();
        drop(first);
        assert!(second.exists() && !folder.path().join("runs/first").exists());
    }

    #[test]
    fn a_folder_that_was_there_before_stays_and_is_empty_again() {
        let folder = tempfile::tempdir().unwrap();
        let new = NewRun::create(folder.path()).unwrap();
        fs::write(new.run().config(), "{}").unwrap();
        drop(new);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_run_with_a_step_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let new = NewRun::create(&path).unwrap();
        fs::write(
            new.run().metrics(),
            "{\"kind\":\"train\",\"step\":1,\"loss\":5.0}\n",
        )
        .unwrap();
        drop(new);
        assert!(path.join("metrics.jsonl").exists());
    }

    #[test]
    fn a_run_with_a_checkpoint_is_kept_when_what_comes_after_training_panics() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let checkpoint = path.join("checkpoints/step-00000004");
        let ended = std::panic::catch_unwind(|| {
            let new = NewRun::create(&path).unwrap();
            fs::create_dir_all(new.run().checkpoint(4)).unwrap();
            panic!("no such length");
        });
        assert!(ended.is_err() && checkpoint.is_dir());
    }
}
