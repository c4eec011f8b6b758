//! `--model`: a Hugging Face folder, a checkpoint that holds a pair of them, or a run, whose newest
//! checkpoint is one of both.

use std::path::{Path, PathBuf};

use kiln_checkpoint::{ConfigFile, foreign_config};
use kiln_learner::RunFolder;
use kiln_tasks::Architecture;
use kiln_tasks::replaced_tokens::PairFolder;

use crate::architectures;
use crate::failure::Failure;
use crate::run_scores::{RunsOfGroup, read_scores, runs_of_group};

/// A model's folder and the architecture that reads it.
pub(crate) struct ModelFolder {
    pub(crate) path: PathBuf,
    pub(crate) architecture: &'static dyn Architecture,
}

impl ModelFolder {
    /// Finds out what `path` holds. Weights are not read.
    ///
    /// # Errors
    /// If there is no config.json, or it names no architecture of the list.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        refuse_file(path)?;
        if !path.is_dir() {
            return Err(Failure::run(format_args!(
                "{}: no such folder; pass a Hugging Face model folder or a run",
                path.display()
            )));
        }
        refuse_group(path)?;
        let path = newest_checkpoint(path)?.unwrap_or_else(|| path.to_path_buf());
        let folder = PairFolder::any_half(&path);
        let config = ConfigFile::open(&folder)?;
        let known = architectures::model_types();
        let Some(model_type) = config.model_type() else {
            // As years ago, when the class said enough.
            let class = config.architectures().first().copied();
            if let Some(architecture) = class.and_then(architectures::by_class) {
                return Ok(Self { path, architecture });
            }
            if let Some(error) = foreign_config(&folder) {
                return Err(error.into());
            }
            return Err(Failure::run(format_args!(
                "{}: model_type is missing; set it to one of {known}",
                config.path().display()
            )));
        };
        match architectures::by_model_type(model_type) {
            Some(architecture) => Ok(Self { path, architecture }),
            None => Err(Failure::run(format_args!(
                "{}: model_type = {model_type}: not an architecture of this version, which has \
                 {known}",
                config.path().display()
            ))),
        }
    }
}

/// Refuses a file where a model's folder is meant.
///
/// # Errors
/// If `path` is one.
pub(crate) fn refuse_file(path: &Path) -> Result<(), Failure> {
    if !path.is_file() {
        return Ok(());
    }
    Err(Failure::run(format_args!(
        "{}: is a file; pass the folder that holds it and config.json",
        path.display()
    )))
}

/// Refuses a folder of several fine-tuning runs, each of which is a model.
fn refuse_group(path: &Path) -> Result<(), Failure> {
    let Some(RunsOfGroup { names, best }) = runs_of_group(path) else {
        return Ok(());
    };
    let shown = |name: &str| crate::wording::shell(&path.join(name));
    let remedy = match (&best, names.first()) {
        (Some(best), _) => format!("pass the best one, {}, or another", shown(best)),
        (None, Some(first)) => format!(
            "pass one that is done, as {}, or go on with them: kiln resume {}",
            shown(first),
            crate::wording::shell(path)
        ),
        (None, None) => "pass another folder".to_owned(),
    };
    Err(Failure::usage(format_args!(
        "{}: holds {} runs; {remedy}",
        path.display(),
        names.len()
    )))
}

/// The newest checkpoint if `path` is a run's folder.
pub(crate) fn newest_checkpoint(path: &Path) -> Result<Option<PathBuf>, Failure> {
    if !path.join("checkpoints").is_dir() {
        return Ok(None);
    }
    // Without its settings: those of another version are no obstacle to its checkpoints.
    let run = RunFolder::at(path);
    // Of a fine-tuning run that has come to its end, the best one.
    if let Some(scores) = read_scores(path) {
        let best = path.join(scores.checkpoint);
        if best.is_dir() {
            return Ok(Some(best));
        }
    }
    match run.list_checkpoints()?.pop() {
        Some((_, checkpoint)) => Ok(Some(checkpoint)),
        // A model beside a folder of this name.
        None if ConfigFile::open(path).is_ok_and(|file| file.model_type().is_some()) => Ok(None),
        None => Err(Failure::run(format_args!(
            "{}: the run has no checkpoint yet; continue it with: kiln resume {}",
            run.checkpoints().display(),
            crate::wording::shell(path)
        ))),
    }
}
