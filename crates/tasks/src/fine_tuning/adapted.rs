//! Models with low-rank adapters, whichever head they have.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use kiln_checkpoint::{ModelFile, OpenError, WriteError, parameters};
use kiln_learner::{LearnError, ModelFiles};
use kiln_nn::Init;
use kiln_text::tokenizer::Tokenizer;

use super::by_head::{each, mapped};
use super::lora::{
    AdapterFile, AdapterTask, Adapters, Among, LoraScale, LoraSettings, PeftConfig, attach, load,
    make_folder, write,
};
use super::place::Place;
use super::tuned::{FineTuned, HeadKind, TunedModel, TunedModelOf, TunedObjective};
use crate::class::write_folder;
use crate::family::Family;
use crate::tokenizer::write_tokenizer;

/// The folder of the adapter in a checkpoint.
pub const ADAPTER: &str = "adapter";

/// Keeps the streams that adapters are drawn from apart from the model's own.
const PURPOSE: u64 = u64::from_le_bytes(*b"adapters");

impl HeadKind {
    /// What PEFT calls what a model with this head does.
    fn adapter_task(self) -> AdapterTask {
        match self {
            Self::Sequence => AdapterTask::Sequence,
            Self::Tokens => AdapterTask::Tokens,
            Self::Spans => AdapterTask::Answers,
            // PEFT's class for answers is for heads that give two numbers a token.
            Self::Choices | Self::Beam => AdapterTask::Unnamed,
        }
    }
}

impl<F: FineTuned> TunedObjective<F> {
    /// `model` on `device` with adapters as they are before the first step, drawn by `seed`, and the
    /// layers that have one.
    ///
    /// # Errors
    /// If a target means no layer; the message lists those there are.
    pub fn with_adapters(
        model: TunedModelOf<F>,
        lora: &LoraSettings,
        (seed, device): (u64, &Device),
    ) -> Result<Adapters<TunedModelOf<F>>, LearnError> {
        let chosen = (lora, LoraScale::Rank, Among::Encoder);
        let mut init = Init::new(seed ^ PURPOSE, 1.0, device);
        let target_modules;
        let model = mapped!(model, TunedModel => TunedModel, model => {
            let adapters = attach(model, chosen, F::FILE_NAMES.names, &mut init);
            let adapters = adapters.map_err(LearnError::Settings)?;
            target_modules = adapters.target_modules;
            adapters.model
        });
        Ok(Adapters {
            model,
            target_modules,
        })
    }

    /// Writes a model into an existing folder as everybody reads it, with the tokenizer if there is one.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn write(
        model: &TunedModelOf<F>,
        config: &F,
        tokenizer: Option<&Tokenizer>,
        folder: &Path,
    ) -> Result<(), WriteError> {
        each!(model, TunedModel, model => write_folder(model, config, folder))?;
        write_tokenizer(tokenizer, folder)
    }

    /// The files of a model with adapters in a checkpoint: the merged model, which everybody reads, and
    /// `adapter/` beside it, which training goes on from. `base` is the folder of the model that was
    /// adapted: the model that they are read into has its weights already.
    pub fn adapter_files(
        &self,
        config: F,
        tokenizer: Option<Tokenizer>,
        lora: LoraSettings,
        base: PathBuf,
    ) -> ModelFiles<TunedModelOf<F>> {
        let peft = PeftConfig {
            lora,
            scale: LoraScale::Rank,
            task: self.kind().adapter_task(),
            base: Some(base),
            modules_to_save: Vec::new(),
        };
        ModelFiles::new(
            move |model: &TunedModelOf<F>, folder| {
                let merged = model.clone().materialize();
                Self::write(&merged, &config, tokenizer.as_ref(), folder)?;
                let folder = make_folder(folder.join(ADAPTER))?;
                each!(model, TunedModel, model => write::<F, _>(model, peft.clone(), &folder))
            },
            |model, folder| {
                let file = AdapterFile::open(&folder.join(ADAPTER))?;
                Ok(
                    mapped!(model, TunedModel => TunedModel, model => load_all::<F, _>(model, &file)?),
                )
            },
        )
    }

    /// The model of the class that `self` means with the weights in `base` and the adapter in `file`,
    /// merged: every layer that the adapter's file has a part for is adapted.
    ///
    /// # Errors
    /// If a file can't be opened or does not fit, or neither of the two has a part of the head.
    pub fn merged(
        &self,
        base: &Path,
        (file, peft): (&AdapterFile, &PeftConfig),
        device: &Device,
    ) -> Result<TunedModelOf<F>, LearnError> {
        let model = self.random(base, &mut Init::zeros(device))?;
        let base = ModelFile::open(base)?;
        let lora = LoraSettings {
            targets: file.layers(),
            ..peft.lora.clone()
        };
        let chosen = (&lora, peft.scale);
        Ok(mapped!(model, TunedModel => TunedModel, model => merged::<F, _>(model, &base, file, chosen)?).materialize())
    }
}

/// Gives a model with adapters all that was trained of it.
fn load_all<F: Family, M: Module>(model: M, file: &AdapterFile) -> Result<M, OpenError> {
    let parameters = parameters(&model, F::FILE_NAMES.names).into_iter();
    let head = parameters.filter(|parameter| Place::of(&parameter.path) == Place::Head);
    let head: Vec<String> = head.map(|parameter| parameter.name).collect();
    let (model, mut report) = load::<F, M>(model, file)?;
    report.missing.retain(|name| head.contains(name));
    report.require_complete(file.path())?;
    Ok(model)
}

/// A model with the weights of `base` and the adapters of `file`, each of its parameters in one of the two.
fn merged<F: Family, M: Module>(
    model: M,
    base: &ModelFile,
    file: &AdapterFile,
    (lora, scale): (&LoraSettings, LoraScale),
) -> Result<M, LearnError> {
    let (model, of_base) = F::open_weights(model, base)?;
    let device = model.devices().into_iter().next().unwrap_or_default();
    let chosen = (lora, scale, Among::All);
    let zeros = &mut Init::zeros(&device);
    let adapters = attach(model, chosen, F::FILE_NAMES.names, zeros);
    let Adapters { model, .. } = adapters.map_err(|problem| LearnError::Run {
        path: file.path().to_path_buf(),
        problem,
    })?;
    let (model, of_adapter) = load::<F, M>(model, file)?;
    let is_there = |name: &String| of_adapter.loaded.contains(name);
    let missing = [of_base.missing, of_base.fresh].concat().into_iter();
    let missing: Vec<String> = missing.filter(|name| !is_there(name)).collect();
    if missing.is_empty() {
        return Ok(model);
    }
    Err(OpenError::Incomplete {
        path: base.path().to_path_buf(),
        missing,
        unused: Vec::new(),
    }
    .into())
}
