//! Where a run's config.json comes from: a preset, a file, or the model it starts from.

use std::path::{Path, PathBuf};

use kiln_checkpoint::{CONFIG_FILE, ConfigFile, ModelFile, OpenError};
use kiln_learner::LearnError;
use kiln_tasks::Architecture;
use kiln_tasks::replaced_tokens::PairFolder;
use serde_json::{Map, Value};

use super::args::ModelArgs;
use super::published::Changes;
use crate::architectures;
use crate::failure::Failure;
use crate::model_folder::{newest_checkpoint, refuse_file};

/// A model's config, before the vocabulary is known.
pub(super) struct ModelSource {
    kind: Kind,
    /// The folder that the first weights come from; it may hold a pair.
    pub(super) init_from: Option<PathBuf>,
    /// The folder with the tokenizer that belongs to them.
    pub(super) tokenizer: Option<PathBuf>,
}

enum Kind {
    Preset(String),
    /// A config.json.
    File(ConfigFile),
}

impl ModelSource {
    /// Finds the config that the flags name, and the weights to start from, if they name any. Of a pair
    /// the generator is taken where `words_alone` are predicted.
    ///
    /// # Errors
    /// If a file is missing, or belongs to another architecture.
    pub(super) fn find(
        args: &ModelArgs,
        architecture: &dyn Architecture,
        words_alone: bool,
    ) -> Result<Self, Failure> {
        let mut init_from = args.init_from.as_deref().map(resolve).transpose()?;
        if words_alone {
            let generator = init_from.as_deref().and_then(PairFolder::find);
            init_from = generator.and_then(|pair| pair.generator()).or(init_from);
        }
        // Of a pair it is the discriminator that has the run's config and tokenizer.
        let model = init_from.as_deref().map(PairFolder::any_half);
        if let Some(folder) = &model {
            // Only the list of tensors is read.
            ModelFile::open(folder)?;
        }
        let kind = match (&args.config, &args.preset, &model) {
            (Some(path), _, _) => read(&folder_or_file(path)?, architecture)?,
            (None, Some(preset), _) => Kind::Preset(preset.clone()),
            (None, None, Some(folder)) => read(folder, architecture)?,
            (None, None, None) => {
                let smallest = architecture.presets().first().copied().unwrap_or_default();
                Kind::Preset(smallest.to_owned())
            }
        };
        model.as_deref().map_or(Ok(()), refuse_generator)?;
        Ok(Self {
            kind,
            init_from,
            tokenizer: model,
        })
    }

    /// The preset's name, if the config comes from one.
    pub(super) fn preset(&self) -> Option<&str> {
        match &self.kind {
            Kind::Preset(name) => Some(name),
            Kind::File(_) => None,
        }
    }

    /// Entries of the model's vocabulary, where the config says so.
    pub(super) fn vocab_size(&self) -> Option<u32> {
        let number = self.fields()?.get("vocab_size")?.as_u64()?;
        number.try_into().ok()
    }

    /// The longest sequence, where the config says so.
    pub(super) fn longest(&self, architecture: &dyn Architecture) -> Option<usize> {
        architecture.longest(self.fields()?)
    }

    /// The config, if it comes from a file.
    fn fields(&self) -> Option<&Map<String, Value>> {
        match &self.kind {
            Kind::Preset(_) => None,
            Kind::File(file) => Some(file.fields()),
        }
    }

    /// The failure for `error`; one of a field of the config names the file it stands in.
    pub(super) fn failure(&self, error: LearnError) -> Failure {
        match (error, &self.kind) {
            (LearnError::Config { field, reason }, Kind::File(file)) => OpenError::Field {
                path: file.path().to_path_buf(),
                field,
                reason,
            }
            .into(),
            (error, _) => error.into(),
        }
    }

    /// config.json for a vocabulary of `vocab_size` and sequences of `seq_len`.
    ///
    /// # Errors
    /// If there is no such preset.
    pub(super) fn config(
        &self,
        architecture: &dyn Architecture,
        vocab_size: usize,
        seq_len: usize,
        changes: &Changes<'_>,
    ) -> Result<Value, Failure> {
        let config = match &self.kind {
            Kind::Preset(name) => architecture.preset(name, vocab_size, seq_len)?,
            Kind::File(file) => Value::Object(file.fields().clone()),
        };
        Ok(complete(config, vocab_size, changes))
    }
}

/// A config with the vocabulary, where it does not say how large that is, and what flags change.
pub(super) fn complete(mut config: Value, vocab_size: usize, changes: &Changes<'_>) -> Value {
    if let Value::Object(fields) = &mut config {
        fields
            .entry("vocab_size")
            .or_insert_with(|| vocab_size.into());
        changes.of_model(&mut config);
    }
    config
}

/// A run's newest checkpoint, or the folder itself.
fn resolve(folder: &Path) -> Result<PathBuf, Failure> {
    refuse_file(folder)?;
    Ok(newest_checkpoint(folder)?.unwrap_or_else(|| folder.to_path_buf()))
}

/// Where `--config` is a folder, that of a run's newest checkpoint, or of the first of a pair.
fn folder_or_file(path: &Path) -> Result<PathBuf, Failure> {
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    Ok(PairFolder::any_half(&resolve(path)?))
}

/// The fields of a config.json that belongs to `architecture`, or does not say to which.
fn read(path: &Path, architecture: &dyn Architecture) -> Result<Kind, Failure> {
    let mut file = ConfigFile::open(path)?;
    file.resolve_aliases(architecture.config_aliases());
    let is_object = |field: &str| file.fields().get(field).is_some_and(Value::is_object);
    if is_object("model") && is_object("training") {
        return Err(Failure::usage(format_args!(
            "{}: these are the settings of a run, not a model's config; pass the run's folder, or \
             config.json of a checkpoint",
            file.path().display()
        )));
    }
    match file.model_type() {
        Some(other) if !architecture.model_types().contains(&other) => {
            let its_own = architectures::by_model_type(other);
            let its_own = its_own.map_or(String::new(), |it| format!(", or train {}", it.name()));
            Err(Failure::usage(format_args!(
                "{}: model_type = {other}: this is no {}; pass another config{its_own}",
                file.path().display(),
                architecture.name()
            )))
        }
        _ => Ok(Kind::File(file)),
    }
}

/// Refuses a generator in a discriminator's place. Its embeddings would fit and its name is the
/// same, but its layers are narrower.
fn refuse_generator(folder: &Path) -> Result<(), Failure> {
    if !folder.join(CONFIG_FILE).exists() {
        return Ok(());
    }
    let file = ConfigFile::open(folder)?;
    if file.architectures().first() == Some(&"ElectraForMaskedLM") {
        return Err(Failure::usage(format_args!(
            "{}: a generator alone; pass it with --init-generator, and a discriminator or nothing \
             with --init-from",
            file.path().display()
        )));
    }
    Ok(())
}
