//! What the command line asks of an architecture that is fine-tuned.

use std::marker::PhantomData;
use std::path::PathBuf;

use burn::tensor::Device;
use kiln_learner::{LearnError, TrainOutcome};
use kiln_nn::Init;
use kiln_text::HostBatch;
use serde_json::Value;

use super::data::TaskData;
use super::merge::{MergeRequest, Merged, merge};
use super::run::fine_tune;
use super::settings::FineTuneSettings;
use crate::fine_tuning::{
    Answers, FineTuned, FineTuningSettings, HeadKind, TunedModelOf, TunedObjective,
};
use crate::memory::ModelSize;
use crate::model_config::config_value;
use crate::replaced_tokens::Half;
use crate::run_context::RunContext;

/// A request to open a model for what it was fine-tuned for.
#[derive(Debug, Clone)]
pub struct TaskModelRequest {
    /// A Hugging Face folder, or a checkpoint that holds a pair.
    pub folder: PathBuf,
    /// The head that is asked.
    pub head: HeadKind,
    /// Where to run.
    pub device: Device,
}

/// What there is to know of a model's config.json before it is fine-tuned or asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadFacts {
    /// Whether it is of the class that has the head.
    pub has_head: bool,
    /// The class with the head, as in `architectures`.
    pub class: &'static str,
    /// Whether the head sums a sequence up as `summary_type` says.
    pub sums_up: bool,
    /// Labels that it has.
    pub num_labels: usize,
    /// Rows of the word table.
    pub vocab_size: usize,
    /// Token types below this are known.
    pub type_vocab_size: usize,
    /// Tokens of the longest sequence.
    pub longest: usize,
    /// The layers that get low-rank adapters where nobody says which.
    pub lora_targets: &'static [&'static str],
}

/// A model that gives a head's outputs for batches.
pub trait TaskModel: Send {
    /// The head's outputs, and the loss where the batch has labels.
    ///
    /// # Errors
    /// If the device fails.
    fn answers(&self, batch: &HostBatch) -> Result<Answers, LearnError>;
}

/// An architecture as it is fine-tuned and asked.
pub trait TunedFamily: Sync {
    /// The architecture's name.
    fn name(&self) -> &'static str;

    /// What a config.json says of a head.
    ///
    /// # Errors
    /// If the config is not the architecture's.
    fn head(&self, model: &Value, head: HeadKind) -> Result<HeadFacts, LearnError>;

    /// The sizes of the encoder that memory depends on, for sequences of so many tokens.
    ///
    /// # Errors
    /// If the config is not the architecture's.
    fn model_size(&self, model: &Value, seq_len: usize) -> Result<ModelSize, LearnError>;

    /// config.json with dropout at this rate wherever a model of it has any.
    ///
    /// # Errors
    /// If the config is not the architecture's.
    fn with_dropout(&self, model: &Value, rate: f64) -> Result<Value, LearnError>;

    /// Runs or resumes a fine-tuning run.
    ///
    /// # Errors
    /// As [`kiln_learner::train()`].
    fn fine_tune(
        &self,
        settings: &FineTuneSettings,
        data: TaskData,
        context: RunContext,
    ) -> Result<TrainOutcome, LearnError>;

    /// Opens a model that has such a head.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the model lacks a parameter: a fresh head would give random
    /// answers.
    fn open(&self, request: &TaskModelRequest) -> Result<Box<dyn TaskModel>, LearnError>;

    /// Merges an adapter in PEFT's layout into the model that it belongs to.
    ///
    /// # Errors
    /// If a file can't be opened, the two do not go together, or the folder can't be written.
    fn merge(&self, request: &MergeRequest) -> Result<Merged, LearnError>;
}

/// The architecture whose config.json is an `F`.
pub struct TasksOf<F>(PhantomData<fn() -> F>);

impl<F: FineTuned> TasksOf<F> {
    /// Holds nothing.
    pub const ALL: Self = Self(PhantomData);
}

struct OpenModel<F: FineTuned> {
    objective: TunedObjective<F>,
    model: TunedModelOf<F>,
    device: Device,
}

impl<F: FineTuned> TaskModel for OpenModel<F> {
    fn answers(&self, batch: &HostBatch) -> Result<Answers, LearnError> {
        self.objective.answers(&self.model, batch, &self.device)
    }
}

impl<F: FineTuned> TunedFamily for TasksOf<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn head(&self, model: &Value, head: HeadKind) -> Result<HeadFacts, LearnError> {
        let config = F::parse(model)?;
        let names = head.class_names::<F>();
        let class = config.architectures().and_then(<[String]>::first);
        let sizes = config.sizes();
        Ok(HeadFacts {
            has_head: class.is_some_and(|class| names.contains(&class.as_str())),
            class: config.class_name(names),
            sums_up: F::SUMS_UP.contains(&head),
            num_labels: config.num_labels(),
            vocab_size: sizes.vocab_size,
            type_vocab_size: sizes.type_vocab_size,
            longest: sizes.longest(),
            lora_targets: config.lora_targets(),
        })
    }

    fn model_size(&self, model: &Value, seq_len: usize) -> Result<ModelSize, LearnError> {
        Ok(F::parse(model)?.model_size(seq_len))
    }

    fn with_dropout(&self, model: &Value, rate: f64) -> Result<Value, LearnError> {
        config_value(&F::parse(model)?.with_dropout(rate))
    }

    fn fine_tune(
        &self,
        settings: &FineTuneSettings,
        data: TaskData,
        context: RunContext,
    ) -> Result<TrainOutcome, LearnError> {
        fine_tune::<F>(settings, data, context)
    }

    fn open(&self, request: &TaskModelRequest) -> Result<Box<dyn TaskModel>, LearnError> {
        let folder = Half::Discriminator.meant_by(&request.folder);
        let config = F::open(&folder)?.for_texts();
        let objective =
            TunedObjective::<F>::new(request.head, config, FineTuningSettings::default())?;
        let model = objective.random(&folder, &mut Init::zeros(&request.device))?;
        Ok(Box::new(OpenModel {
            model: TunedObjective::<F>::load(model, &folder)?,
            objective,
            device: request.device.clone(),
        }))
    }

    fn merge(&self, request: &MergeRequest) -> Result<Merged, LearnError> {
        merge::<F>(request)
    }
}
