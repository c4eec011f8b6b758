//! The settings that repeat a run: written into it as config.json.

use std::path::PathBuf;

use kiln_learner::TrainingSettings;
use kiln_text::corpus::ReadSettings;
use kiln_text::reading::LeftOut;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::change::Change;

mod before_kinds;
mod objective;

pub use objective::{
    DetectionSettings, ExampleKind, ExampleSettings, MaskedLmSettings, ObjectiveSettings,
    PermutedLmSettings, ReplacedTokensSettings, Sharing, WordHead,
};

/// Where a run's batches come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSettings {
    /// The prepared corpus.
    pub shards: PathBuf,
    /// Identity of its tokens, in hexadecimal.
    pub corpus: String,
    /// The text it was prepared from; none: the run was given shards, or is of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<CorpusSource>,
    /// The prepared corpus to evaluate on; none: documents held out of the first.
    pub eval_shards: Option<PathBuf>,
    /// Identity of its tokens.
    pub eval_corpus: Option<String>,
    /// The text it was prepared from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval_source: Option<CorpusSource>,
    /// Share of the documents held out for evaluation.
    pub held_out: f64,
    /// Evaluation batches at most.
    pub eval_batches: u64,
    /// The tokenizer's folder, a copy inside the run.
    pub tokenizer: PathBuf,
    /// Identity of the tokenizer, in hexadecimal.
    pub tokenizer_identity: String,
    /// Places in a sequence.
    pub seq_len: usize,
}

/// The text of a corpus, enough to prepare it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusSource {
    /// Files and folders, as given.
    pub inputs: Vec<PathBuf>,
    /// How they were read.
    pub read: ReadSettings,
    /// Files in these folders that were left out.
    #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
    pub left_out: LeftOut,
}

/// Everything that makes a run: written into it, enough to repeat it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSettings {
    /// Versions of the programs that made it, by name.
    pub versions: Map<String, Value>,
    /// The architecture's name, as `model_type` in Hugging Face's config.json.
    pub architecture: String,
    /// The model's config.json.
    pub model: Value,
    /// A model that the weights started from.
    pub init_from: Option<PathBuf>,
    /// The objective.
    #[serde(deserialize_with = "before_kinds::read")]
    pub objective: ObjectiveSettings,
    /// The data.
    pub data: DataSettings,
    /// The learner.
    pub training: TrainingSettings,
    /// The devices, e.g. `wgpu:0`; the first holds the model.
    pub devices: Vec<String>,
    /// What was changed after the run had begun, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}
