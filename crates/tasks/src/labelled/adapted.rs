//! The beginning of a run with low-rank adapters.
//!
//! The model that is adapted is kept in the run once, whole, as `base/`: adapters have what they belong to
//! whatever becomes of the folder that the run started from, and a resumed run goes on from the same bits.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use kiln_checkpoint::{CheckpointFolder, verify};
use kiln_learner::{LearnError, ModelFiles, RunFolder};
use kiln_nn::Init;
use kiln_text::tokenizer::Tokenizer;

use crate::fine_tuning::{Adapters, FineTuned, LoraSettings, TunedModelOf, TunedObjective};

/// What a run with adapters is made of.
pub(super) struct Adapted<'a, F: FineTuned> {
    pub(super) objective: &'a TunedObjective<F>,
    pub(super) config: F,
    pub(super) tokenizer: Tokenizer,
    pub(super) lora: &'a LoraSettings,
    /// Adapters are drawn by it.
    pub(super) seed: u64,
}

/// A model to train, and how it is written and read.
pub(super) type Trainable<F> = (TunedModelOf<F>, ModelFiles<TunedModelOf<F>>);

impl<F: FineTuned> Adapted<'_, F> {
    /// The run's model with adapters as they are before the first step: `first` gives the model where the
    /// run has none yet.
    ///
    /// # Errors
    /// If a target means no layer, the run has begun and its model is gone or damaged, or a file can't be
    /// written.
    pub(super) fn start(
        self,
        run: &RunFolder,
        init: &mut Init,
        first: impl FnOnce(&mut Init) -> Result<TunedModelOf<F>, LearnError>,
    ) -> Result<Trainable<F>, LearnError> {
        let folder = base_folder(run)?;
        let is_kept = folder.is_dir();
        let model = if is_kept {
            self.read(&folder, init.device())?
        } else if run.list_checkpoints()?.is_empty() {
            first(init)?
        } else {
            return Err(damaged(&folder, "is not there"));
        };
        let place = (self.seed, init.device());
        let Adapters {
            model: adapted,
            target_modules,
        } = TunedObjective::<F>::with_adapters(model.clone(), self.lora, place)?;
        if !is_kept {
            self.write(&model, &folder)?;
        }
        let lora = LoraSettings {
            targets: target_modules,
            ..self.lora.clone()
        };
        let objective = self.objective;
        let files = objective.adapter_files(self.config, Some(self.tokenizer), lora, folder);
        Ok((adapted, files))
    }

    fn read(&self, folder: &Path, device: &Device) -> Result<TunedModelOf<F>, LearnError> {
        verify(folder).map_err(|error| damaged(folder, &error.to_string()))?;
        let model = self.objective.random(folder, &mut Init::zeros(device))?;
        Ok(TunedObjective::<F>::load(model, folder)?)
    }

    fn write(&self, model: &TunedModelOf<F>, folder: &Path) -> Result<(), LearnError> {
        let new = CheckpointFolder::create(folder)?;
        TunedObjective::write(model, &self.config, Some(&self.tokenizer), new.path())
            .and_then(|()| new.seal())
            .map_err(|error| error.relocated(new.path(), folder))?;
        Ok(new.commit()?)
    }
}

/// The folder of the model that a run adapts.
///
/// # Errors
/// If there is no current folder to find it from.
fn base_folder(run: &RunFolder) -> Result<PathBuf, LearnError> {
    let path = run.path().join(BASE);
    std::path::absolute(&path).map_err(|reason| LearnError::Read { path, reason })
}

/// The folder of the model that a run adapts, in the run's.
pub const BASE: &str = "base";

fn damaged(folder: &Path, problem: &str) -> LearnError {
    LearnError::Run {
        path: folder.to_path_buf(),
        problem: format!(
            "the model that the run adapts is not what it was ({problem}); copy this folder from a \
             backup, or begin the run again"
        ),
    }
}
