//! `--model`: a Hugging Face folder, a checkpoint that holds a pair of them, or a run, whose newest
//! checkpoint is one of both.

use std::path::{Path, PathBuf};

use kiln_checkpoint::{CONFIG_FILE, ConfigFile, foreign_config};
use kiln_learner::RunFolder;
use kiln_tasks::architecture::{DISCRIMINATOR_FOLDER, GENERATOR_FOLDER};
use kiln_tasks::{Architecture, RunSettings};

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
        refuse_file(path)?;
        if !path.is_dir() {
            return Err(Failure::run(format_args!(
                "{}: no such folder; pass a Hugging Face model folder or a run",
                path.display()
            )));
        }
        let path = newest_checkpoint(path)?.unwrap_or_else(|| path.to_path_buf());
        let folder = half_of_pair(&path).unwrap_or_else(|| path.clone());
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
    let (run, _) = RunFolder::open::<RunSettings>(path)?;
    match run.list_checkpoints()?.pop() {
        Some((_, checkpoint)) => Ok(Some(checkpoint)),
        None => Err(Failure::run(format_args!(
            "{}: the run has no checkpoint yet; continue it with: kiln resume {}",
            run.checkpoints().display(),
            crate::wording::shell(path)
        ))),
    }
}
