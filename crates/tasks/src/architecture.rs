//! An architecture as the command line lists it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, TensorData};
use kiln_datasets::Task;
use kiln_learner::{LearnError, OptimizerSettings, ScheduleKind, TrainOutcome};
use kiln_text::masking::default_max_predictions;
use kiln_text::tokenizer::{Tokenizer, TokenizerKind};
use serde_json::{Map, Value};

use crate::embedding::{EmbedRequest, TextEmbedder};
use crate::labelled::{PublishedSize, TunedFamily, TuningRecipe};
use crate::memory::Footprint;
pub use crate::run_context::RunContext;
use crate::settings::{ObjectiveSettings, RunSettings, WordHead};

/// The optimizer's settings that a preset was published with.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// AdamW's constants and the peak learning rate.
    pub optimizer: OptimizerSettings,
    /// The schedule.
    pub schedule: ScheduleKind,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            optimizer: OptimizerSettings::default(),
            schedule: ScheduleKind::Linear,
        }
    }
}

/// What a model has learned so far, as its files tell: where it differs from what the architecture
/// publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnObjective {
    /// One of [`Architecture::objectives`]; none: there is one alone.
    pub name: Option<&'static str>,
    /// Whether it has nothing that next sentences are predicted with, though the architecture
    /// publishes that.
    pub without_next_sentence: bool,
    /// What predicts its words; none: as published.
    pub word_head: Option<WordHead>,
}

/// Why there is no preset of this name.
pub fn unknown_preset(architecture: &dyn Architecture, name: &str) -> LearnError {
    LearnError::Settings(format!(
        "preset {name}: {} has {}",
        architecture.name(),
        architecture.presets().join(", ")
    ))
}

/// One candidate for a mask.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskCandidate {
    /// The token as the vocabulary has it.
    pub token: String,
    /// The token's id.
    pub id: u32,
    /// The token's probability under the softmax over the vocabulary.
    pub score: f64,
}

/// The candidates for one mask, best first.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskFilling {
    /// Index of the mask among the ids of the text, special tokens included.
    pub position: usize,
    /// Best first.
    pub candidates: Vec<MaskCandidate>,
}

/// A request to fill the masks of some texts.
#[derive(Debug, Clone)]
pub struct FillMaskRequest {
    /// A Hugging Face folder, or a checkpoint that holds a pair.
    pub model: PathBuf,
    /// Texts with `[MASK]` in them.
    pub texts: Vec<String>,
    /// Candidates a mask.
    pub top_k: usize,
    /// Where to run.
    pub device: Device,
    /// Who is told of what is no error.
    pub warn: fn(&str),
}

/// A request to tell replaced tokens from original ones.
#[derive(Debug, Clone)]
pub struct ReplacedTokensRequest {
    /// A Hugging Face folder with a discriminator, or a checkpoint that holds a pair.
    pub model: PathBuf,
    /// Texts.
    pub texts: Vec<String>,
    /// Where to run.
    pub device: Device,
}

/// What a discriminator says of one token.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenScore {
    /// The token as the vocabulary has it.
    pub token: String,
    /// The token's id.
    pub id: u32,
    /// Index of the token among the ids of the text, special tokens included.
    pub position: usize,
    /// The probability that another token stood there.
    pub replaced: f64,
}

/// A request to run a model on given tensors.
#[derive(Debug, Clone)]
pub struct ForwardRequest {
    /// A Hugging Face folder, or a checkpoint that holds a pair.
    pub model: PathBuf,
    /// Inputs by Hugging Face argument name.
    pub inputs: BTreeMap<String, TensorData>,
    /// The model class or task; none: config.json's `architectures`.
    pub task: Option<String>,
    /// Whether to compute the gradients of the loss.
    pub gradients: bool,
    /// Where to run.
    pub device: Device,
    /// Who is told of what is no error.
    pub warn: fn(&str),
}

/// A named output of a forward pass, in Hugging Face's shape.
#[derive(Debug, Clone)]
pub struct Output {
    /// Hugging Face output name, or `grad.` and a parameter's name.
    pub name: String,
    /// The values.
    pub data: TensorData,
}

/// What the command line needs of an architecture. One value a crate.
pub trait Architecture: Sync {
    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// The values of `model_type` in config.json that are this architecture's; the first is the one
    /// of a config.json that does not say.
    fn model_types(&self) -> Vec<&'static str> {
        vec![self.name()]
    }

    /// What the names of Hugging Face's classes begin with whose config.json is read as this
    /// architecture's where it has no `model_type`.
    fn class_prefix(&self) -> Option<&'static str> {
        None
    }

    /// Other names of config.json's fields, each with the field's name.
    fn config_aliases(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The objectives that can be chosen from, the usual one first; none where there is one alone.
    fn objectives(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// The presets' names, smallest first.
    fn presets(&self) -> Vec<&'static str>;

    /// config.json of a preset, for a vocabulary and a longest sequence.
    ///
    /// # Errors
    /// If there is no such preset; the message lists those there are.
    fn preset(&self, name: &str, vocab_size: usize, seq_len: usize) -> Result<Value, LearnError>;

    /// The longest sequence that a model of this config.json takes; none: the config does not say.
    fn longest(&self, config: &Map<String, Value>) -> Option<usize> {
        let rows = config.get("max_position_embeddings")?.as_u64()?;
        rows.try_into().ok()
    }

    /// The kind of tokenizer that is trained for it where none is given, with `preset` if one is
    /// meant.
    fn tokenizer(&self, preset: Option<&str>) -> TokenizerKind {
        let _ = preset;
        TokenizerKind::WordPiece
    }

    /// Refuses a tokenizer that it can't read text with, before anything slow.
    ///
    /// # Errors
    /// A sentence that says why, and the remedy.
    fn check_tokenizer(&self, tokenizer: &Tokenizer) -> Result<(), LearnError> {
        let _ = tokenizer;
        Ok(())
    }

    /// Objective settings as published: of the objective called `name`, or the one that belongs to
    /// the preset or the model; with `preset` if one is meant, for sequences of `seq_len`.
    fn objective(
        &self,
        name: Option<&str>,
        preset: Option<&str>,
        seq_len: usize,
    ) -> ObjectiveSettings;

    /// What the model in `folder` has been trained to do, so that it can learn more of the same.
    ///
    /// # Errors
    /// If its config or its weights can't be opened.
    fn own_objective(&self, folder: &Path) -> Result<OwnObjective, LearnError> {
        let _ = folder;
        Ok(OwnObjective::default())
    }

    /// Prediction slots in a sequence of `seq_len` tokens of which a share `rate` is chosen.
    fn max_predictions(&self, seq_len: usize, rate: f64) -> usize {
        default_max_predictions(seq_len, rate)
    }

    /// How `preset` was trained; Kiln's defaults where nothing was published.
    fn recipe(&self, preset: Option<&str>) -> Recipe {
        let _ = preset;
        Recipe::default()
    }

    /// Refuses a model config or objective that can't be trained, before anything slow.
    ///
    /// # Errors
    /// A sentence that names the field and the remedy.
    fn check(&self, settings: &RunSettings) -> Result<(), LearnError>;

    /// The sizes of the models that a run trains, as far as memory depends on them.
    ///
    /// # Errors
    /// As [`Architecture::check`].
    fn footprint(&self, settings: &RunSettings) -> Result<Footprint, LearnError>;

    /// What of it is fine-tuned and asked.
    fn tuned(&self) -> &'static dyn TunedFamily;

    /// How a model of this config.json is fine-tuned for a task, as published.
    fn tuning_recipe(&self, task: Task, size: PublishedSize) -> TuningRecipe {
        TuningRecipe::bert(task, size)
    }

    /// Runs or resumes a pretraining run.
    ///
    /// # Errors
    /// As [`kiln_learner::train()`].
    fn pretrain(
        &self,
        settings: &RunSettings,
        context: RunContext,
    ) -> Result<TrainOutcome, LearnError>;

    /// Fills masks.
    ///
    /// # Errors
    /// If the model can't be opened, has no head for it, or a text has no mask.
    fn fill_mask(&self, request: &FillMaskRequest) -> Result<Vec<Vec<MaskFilling>>, LearnError>;

    /// Tells for every token of some texts how likely it was put there by a generator.
    ///
    /// # Errors
    /// If the architecture has no discriminator, or the model can't be opened.
    fn replaced_tokens(
        &self,
        request: &ReplacedTokensRequest,
    ) -> Result<Vec<Vec<TokenScore>>, LearnError> {
        Err(LearnError::Settings(format!(
            "{}: {} has no discriminator; pass the folder of an ELECTRA, or of a \
             DeBERTa trained so",
            request.model.display(),
            self.name()
        )))
    }

    /// Opens an encoder that gives vectors of texts; of a pair the discriminator.
    ///
    /// # Errors
    /// If the model can't be opened, or a file of sentence-transformers beside it asks for what Kiln
    /// does not have.
    fn embedder(&self, request: &EmbedRequest) -> Result<Box<dyn TextEmbedder>, LearnError>;

    /// Runs a forward pass, and the backward pass if asked.
    ///
    /// # Errors
    /// If the model can't be opened or the inputs do not fit it.
    fn forward(&self, request: &ForwardRequest) -> Result<Vec<Output>, LearnError>;
}
