//! `--model`: a Hugging Face folder, a checkpoint that holds a pair of them, or a run, whose newest
//! checkpoint is one of both.

use std::path::{Path, PathBuf};

use kiln_checkpoint::{CONFIG_FILE, ConfigFile};
use kiln_learner::architecture::{DISCRIMINATOR_FOLDER, GENERATOR_FOLDER};
use kiln_learner::{Architecture, RunFolder};

use crate::architectures;
use crate::failure::Failure;

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
        if !path.is_dir() {
            return Err(Failure::run(format_args!(
                "{}: no such folder; pass a Hugging Face model folder or a run",
                path.display()
            )));
        }
        let path = newest_checkpoint(path)?.unwrap_or_else(|| path.to_path_buf());
        let config = ConfigFile::open(&half_of_pair(&path).unwrap_or_else(|| path.clone()))?;
        let known = architectures::model_types();
        let Some(model_type) = config.model_type() else {
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

/// The first half that is there, if `path` holds a generator and a discriminator, or one of them, in
/// folders of their own. Which of the two is meant, the architecture decides by what it is to do.
pub(crate) fn half_of_pair(path: &Path) -> Option<PathBuf> {
    if path.join(CONFIG_FILE).exists() {
        return None;
    }
    [DISCRIMINATOR_FOLDER, GENERATOR_FOLDER]
        .map(|half| path.join(half))
        .into_iter()
        .find(|half| half.join(CONFIG_FILE).exists())
}

/// The generator, if `path` holds one in a folder of its own.
pub(crate) fn generator_of_pair(path: &Path) -> Option<PathBuf> {
    half_of_pair(path)?;
    let generator = path.join(GENERATOR_FOLDER);
    generator.is_dir().then_some(generator)
}

/// The newest checkpoint if `path` is a run's folder.
pub(crate) fn newest_checkpoint(path: &Path) -> Result<Option<PathBuf>, Failure> {
    if !path.join("checkpoints").is_dir() {
        return Ok(None);
    }
    let (run, _) = RunFolder::open(path)?;
    match run.list_checkpoints()?.pop() {
        Some((_, checkpoint)) => Ok(Some(checkpoint)),
        None => Err(Failure::run(format_args!(
            "{}: the run has no checkpoint yet; continue it with: kiln resume {}",
            run.checkpoints().display(),
            crate::wording::shell(path)
        ))),
    }
}
