//! The settings that repeat a fine-tuning run: written into it as config.json.

use std::path::PathBuf;

use kiln_datasets::questions::{SearchSettings, Stride, WindowSettings};
use kiln_datasets::reading::{DatasetSpec, GlueTask};
use kiln_datasets::{Labels, Problem, Task};
use kiln_learner::TrainingSettings;
use kiln_metrics::ScoreOptions;
use kiln_text::reading::InputFile;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fine_tuning::{FineTuningSettings, HeadKind};

/// What is asked of a model, and how what it says is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSettings {
    /// What the logits mean.
    pub problem: Problem,
    /// The labels in the order of their ids; none where there are numbers, answers or continuations.
    pub labels: Labels,
    /// Numbers that a regression gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<usize>,
    /// Tokens of a sequence at most, special ones included.
    pub max_len: usize,
    /// Whether it was learned from pairs of texts; none: from both, from no texts, or nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<bool>,
    /// Whether the later tokens of a word are learned too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub label_all_tokens: bool,
    /// Tokens that two windows of a long sentence have in common; none: half of a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<usize>,
    /// How far the windows of a long context go on.
    #[serde(default = "default_stride")]
    pub stride: Stride,
    /// A label is said where its probability is above this, of several labels each by itself.
    #[serde(default = "default_threshold")]
    pub threshold: f64,
    /// How answers are searched for.
    #[serde(default)]
    pub search: SearchSettings,
    /// Whether answers come of a head with a beam (XLNet).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beam: bool,
    /// A task of GLUE, which decides what counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glue: Option<GlueTask>,
    /// The score that decides which checkpoint is the best, or `loss`; none: the task's usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The label that counts as yes where there are two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
}

fn default_stride() -> Stride {
    WindowSettings::default().stride
}

fn default_threshold() -> f64 {
    0.5
}

impl TaskSettings {
    /// A problem with these labels, all else as usual.
    pub fn new(problem: Problem, labels: Labels, max_len: usize) -> Self {
        Self {
            problem,
            labels,
            outputs: None,
            max_len,
            pairs: None,
            label_all_tokens: false,
            overlap: None,
            stride: default_stride(),
            threshold: default_threshold(),
            search: SearchSettings::default(),
            beam: false,
            glue: None,
            metric: None,
            positive: None,
        }
    }

    /// The head that is needed.
    pub fn head(&self) -> HeadKind {
        HeadKind::of(self.problem, self.beam)
    }

    /// Numbers that the head gives for what it is asked: labels, or numbers.
    pub fn num_outputs(&self) -> usize {
        self.outputs.unwrap_or(self.labels.len())
    }

    /// Whether the loss decides which checkpoint is the best, and no score.
    pub fn is_decided_by_loss(&self) -> bool {
        self.metric.as_deref() == Some("loss")
    }

    /// How predictions are scored; `resamples` draws for the intervals, none: no intervals.
    pub fn score_options(&self, resamples: usize) -> ScoreOptions {
        let searches = self.problem == Problem::Span && self.search.allow_no_answer;
        let main = self.metric.clone().filter(|_| !self.is_decided_by_loss());
        ScoreOptions {
            labels: self.labels.names().to_vec(),
            glue: self.glue,
            positive: self.positive.clone(),
            main,
            resamples,
            no_answer_threshold: searches.then_some(self.search.null_threshold),
            ..ScoreOptions::default()
        }
    }
}

/// What a run is evaluated on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Development {
    /// Nothing.
    None,
    /// Files of their own.
    Files {
        /// The files.
        spec: DatasetSpec,
        /// What they are known by.
        identity: Vec<InputFile>,
    },
    /// A share of the training examples, chosen by the seed, with the same share of each label.
    HeldOut {
        /// Between 0 and 1.
        share: f64,
        /// Decides which.
        seed: u64,
    },
    /// One of several parts of the training examples, with the same share of each label.
    Fold {
        /// Which, from 0.
        fold: u32,
        /// Of how many.
        folds: u32,
        /// Decides which examples are in which part.
        seed: u64,
    },
}

/// What a run trains and is evaluated on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledData {
    /// The training files.
    pub train: DatasetSpec,
    /// What they are known by.
    pub train_identity: Vec<InputFile>,
    /// What the run is evaluated on.
    pub development: Development,
    /// The tokenizer's folder, a copy inside the run.
    pub tokenizer: PathBuf,
    /// Identity of the tokenizer, in hexadecimal.
    pub tokenizer_identity: String,
}

/// The model that a run starts from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunedFrom {
    /// Its folder.
    pub folder: PathBuf,
    /// Whether its head is one for these labels, and so is kept.
    pub keeps_head: bool,
    /// Its config and tokenizer alone are taken, the weights are drawn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub random_weights: bool,
}

/// Everything that makes a fine-tuning run: written into it, enough to repeat it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FineTuneSettings {
    /// Versions of the programs that made it, by name.
    pub versions: Map<String, Value>,
    /// The architecture's name.
    pub architecture: String,
    /// What the model is fine-tuned for.
    pub fine_tune: Task,
    /// What is asked of it.
    pub task: TaskSettings,
    /// The model's config.json.
    pub model: Value,
    /// The model that it starts from.
    pub from: TunedFrom,
    /// Beside the labels' loss.
    pub fine_tuning: FineTuningSettings,
    /// The data.
    pub data: LabelledData,
    /// How often each example is trained on, as asked for; `training.steps` decides.
    pub epochs: f64,
    /// The learner.
    pub training: TrainingSettings,
    /// The devices, e.g. `wgpu:0`; the first holds the model.
    pub devices: Vec<String>,
}
