//! A run's folder.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_checkpoint::{WriteError, write_json};
use kiln_files::create_folders;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::LearnError;

/// A run's folder.
///
/// ```text
/// RUN/config.json            the settings that repeat it
/// RUN/metrics.jsonl          a line a step
/// RUN/tokenizer/             the tokenizer it uses
/// RUN/checkpoints/step-…/    Hugging Face files, and training/ for resuming
/// RUN/base/                  the model that adapters are trained for, where some are
/// RUN/report.html            curves
/// RUN/corpus/                its tokenised text, where that is kept; eval-corpus/ likewise
/// RUN/.lock                  held while somebody trains it
/// ```
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
    /// Held by whoever trains the run, until the last copy is dropped or the process dies.
    lock: Option<Arc<File>>,
}

/// The name of the file whose lock keeps others out.
const LOCK: &str = ".lock";

impl RunFolder {
    /// Makes a new run's folder, empty, and keeps others out of it.
    ///
    /// # Errors
    /// If the folder exists and is not empty, can't be made, or another process has just begun a run
    /// in it.
    pub fn create(path: &Path) -> Result<Self, LearnError> {
        // Before anything is written: it may be another thing's folder.
        refuse_used(path)?;
        create_folders(path).map_err(WriteError::from)?;
        let run = Self::at(path).locked()?;
        // Two that found it empty: one of them has the lock now, and may be done by then.
        refuse_used(path)?;
        Ok(run)
    }

    /// Whether there is something in the folder `path`, besides a lock, which is all that a run
    /// leaves that was never begun.
    ///
    /// # Errors
    /// If it is there and can't be looked into.
    pub fn is_used(path: &Path) -> io::Result<bool> {
        match std::fs::read_dir(path) {
            Ok(mut entries) => entries.try_fold(false, |is_used, entry| {
                Ok(is_used || entry?.file_name() != LOCK)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The run in `path`, whatever is there: nothing is read or made.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.into(),
            lock: None,
        }
    }

    /// Opens an existing run, and reads its settings.
    ///
    /// # Errors
    /// If there is no run in `path`, or its config.json is not what `S` is read from.
    pub fn open<S: DeserializeOwned>(path: &Path) -> Result<(Self, S), LearnError> {
        let run = Self::at(path);
        let file = run.config();
        if !file.is_file() {
            return Err(LearnError::Run {
                path: path.into(),
                problem: "no run in this folder (config.json is missing); pass the folder that \
                          kiln pretrain --output made"
                    .into(),
            });
        }
        let text = std::fs::read_to_string(&file).map_err(|reason| LearnError::Read {
            path: file.clone(),
            reason,
        })?;
        let settings = serde_json::from_str(&text).map_err(|error| LearnError::Run {
            path: file,
            problem: format!("not a run's settings ({error}); another version may have written it"),
        })?;
        Ok((run, settings))
    }

    /// Writes the settings, durably: the file is the old one or the new one, whatever happens.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write_settings(&self, settings: &impl Serialize) -> Result<(), LearnError> {
        Ok(write_json(&self.config(), settings)?)
    }

    /// This folder, kept from other processes until the last copy of it is dropped, or this process
    /// dies.
    ///
    /// # Errors
    /// If another process trains the run, or the file to lock can't be made.
    pub fn locked(self) -> Result<Self, LearnError> {
        if self.lock.is_some() {
            return Ok(self);
        }
        let path = self.path.join(LOCK);
        let file = File::create(&path).map_err(|reason| LearnError::WriteRun {
            path: path.clone(),
            reason,
        })?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(LearnError::Run {
                path: self.path.clone(),
                problem: "another process is training this run; wait for it, or stop it first"
                    .into(),
            }),
            // Some file systems have no locks: then nobody can be kept out.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Self {
                lock: Some(Arc::new(file)),
                ..self
            }),
        }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `config.json`: the run's settings, not the model's.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.json")
    }

    /// `metrics.jsonl`: the values of steps and evaluations, a line each.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// `tokenizer/`: the tokenizer that was trained for the run.
    pub fn tokenizer(&self) -> PathBuf {
        self.path.join("tokenizer")
    }

    /// `checkpoints/`: a folder for each step that was saved.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// `corpus/`: a copy of the prepared corpus, where one is kept.
    pub fn corpus(&self) -> PathBuf {
        self.path.join("corpus")
    }

    /// `eval-corpus/`: a copy of the corpus to evaluate on, where one is kept.
    pub fn eval_corpus(&self) -> PathBuf {
        self.path.join("eval-corpus")
    }

    /// `report.html`: the run's curves and settings.
    pub fn report(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// The checkpoint of `step`, whether it exists or not.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints().join(format!("step-{step:08}"))
    }

    /// The checkpoints under their final names, by step, oldest first.
    ///
    /// # Errors
    /// If the folder can't be read.
    pub fn list_checkpoints(&self) -> Result<Vec<(u64, PathBuf)>, LearnError> {
        let folder = self.checkpoints();
        let failed = |reason| LearnError::Read {
            path: folder.clone(),
            reason,
        };
        let mut found = Vec::new();
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(reason) => return Err(failed(reason)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let step = name
                .to_str()
                .and_then(|name| name.strip_prefix("step-")?.parse().ok());
            if let Some(step) = step {
                found.push((step, entry.path()));
            }
        }
        found.sort();
        Ok(found)
    }
}

/// Refuses a folder with something in it.
fn refuse_used(path: &Path) -> Result<(), LearnError> {
    match RunFolder::is_used(path) {
        Ok(false) => Ok(()),
        Ok(true) => Err(LearnError::Run {
            path: path.into(),
            problem: format!(
                "the folder is not empty; choose another, or continue the run in it with: kiln \
                 resume {}",
                path.display()
            ),
        }),
        Err(reason) => Err(LearnError::Read {
            path: path.into(),
            reason,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_two_in_one_folder_is_refused_and_a_left_lock_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs/first");
        std::fs::create_dir_all(&path).unwrap();
        // As another process that has just found the folder empty.
        let other = RunFolder::at(&path).locked().unwrap();
        let error = RunFolder::create(&path).unwrap_err().to_string();
        assert!(error.contains("another process is training"), "{error}");
        assert_eq!(
            std::fs::read_dir(&path).unwrap().count(),
            1,
            "the lock alone"
        );
        drop(other);
        let run = RunFolder::create(&path).unwrap();
        assert!(RunFolder::at(&path).locked().is_err());
        let copy = run.clone();
        drop(run);
        assert!(RunFolder::at(&path).locked().is_err(), "a copy holds it");
        drop(copy);
        RunFolder::at(&path).locked().unwrap();
    }
}
