//! The settings that repeat a run: written into it as config.json.

use std::path::PathBuf;

use kiln_learner::TrainingSettings;
use kiln_text::corpus::ReadSettings;
use kiln_text::reading::LeftOut;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::change::Change;

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

/// Which tokens stand together in a training sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExampleKind {
    /// BERT's pairs of segments, half of them with a random second one.
    Pairs,
    /// ELECTRA's segments: the second continues the first.
    Segments,
    /// Full sequences of one segment, across documents.
    Packed,
    /// XLNet's: text that goes on from batch to batch, and a pair of segments behind it.
    Permuted,
}

/// Which parameters generator and discriminator have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// ELECTRA's embedding block: word, position and token type tables and its LayerNorm. DeBERTa's
    /// word table.
    Embeddings,
    /// Nothing: the generator's embeddings have its own width.
    None,
    /// Everything below the heads; both have the same size.
    All,
    /// The discriminator's word table is the generator's, through which no gradient of its flows,
    /// plus a learned difference that starts at zero (He et al. 2023, section 3.3).
    GradientDisentangled,
}

/// What stands between DeBERTa's hidden states and the scores of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WordHead {
    /// The enhanced mask decoder and the original's head, `lm_predictions`.
    Enhanced,
    /// The original's head alone.
    Plain,
    /// Hugging Face's own head, `cls.predictions`.
    Legacy,
}

/// Replaced token detection: where the replacements come from and how its losses weigh.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplacedTokenSettings {
    /// What generator and discriminator share.
    pub sharing: Sharing,
    /// The generator's config.json; none: derived from the discriminator's by the two shares below.
    pub generator: Option<Value>,
    /// The generator's width, feed-forward width and heads as a share of the discriminator's.
    pub generator_size: f64,
    /// The generator's layers as a share of the discriminator's.
    pub generator_layers: f64,
    /// A model that the generator's weights started from.
    pub init_generator: Option<PathBuf>,
    /// What the generator's loss is multiplied by.
    pub generator_weight: f64,
    /// What the discriminator's loss is multiplied by.
    pub discriminator_weight: f64,
    /// What the generator's logits are divided by before sampling.
    pub temperature: f64,
    /// Never sample the token that stood there.
    pub disallow_correct: bool,
    /// Sample from all words alike, without a generator.
    pub uniform_generator: bool,
    /// The generator steps first, then the discriminator on what the generator drew before its step,
    /// each with an optimizer of its own; else both step together, on the sum of their losses.
    #[serde(default)]
    pub alternating: bool,
}

impl ReplacedTokenSettings {
    /// Refuses numbers that nothing can be trained with.
    ///
    /// # Errors
    /// A sentence that names the field, its value and the remedy.
    pub fn validate(&self) -> Result<(), String> {
        let positive = [
            ("generator_size", self.generator_size),
            ("generator_layers", self.generator_layers),
            ("temperature", self.temperature),
        ];
        for (field, value) in positive {
            if !(value.is_finite() && value > 0.0) {
                return Err(format!("{field} = {value}: choose a number above 0"));
            }
        }
        let weights = [
            ("generator_weight", self.generator_weight),
            ("discriminator_weight", self.discriminator_weight),
        ];
        for (field, value) in weights {
            if !(value.is_finite() && value >= 0.0) {
                return Err(format!("{field} = {value}: choose a number from 0 up"));
            }
        }
        Ok(())
    }
}

/// What to predict. Each architecture reads the fields that concern it and refuses the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveSettings {
    /// Next sentence prediction beside masked language modelling.
    pub next_sentence: bool,
    /// How sequences are built.
    pub examples: ExampleKind,
    /// Share of tokens chosen.
    pub mask_rate: f64,
    /// Share of the chosen that become the mask token.
    pub mask_share: f64,
    /// Share of the chosen that become a random token.
    pub random_share: f64,
    /// Choose whole words.
    pub whole_word: bool,
    /// Tokens, or words where they are whole, that are chosen together at most.
    // Runs written before there were n-grams chose each by itself.
    #[serde(default = "single")]
    pub max_ngram: usize,
    /// Prediction slots in a sequence.
    pub max_predictions: usize,
    /// Share of shortened examples where segments are built.
    pub short_seq_prob: f64,
    /// Tokens that change places among themselves in an order of prediction; none: as many as are
    /// kept for the memory, or there is no such order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perm_size: Option<usize>,
    /// What predicts masked words, where an architecture has several; none: its usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word_head: Option<WordHead>,
    /// Replaced token detection; none where only masked words are predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_tokens: Option<ReplacedTokenSettings>,
    /// A random second segment is never of the first one's document where there is another.
    // In runs written before this was so it could be, and they go on as they began.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub next_from_others: bool,
}

fn single() -> usize {
    1
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_from_before_n_grams_choose_each_by_itself() {
        let mut settings = serde_json::json!({
            "next_sentence": true, "examples": "pairs", "mask_rate": 0.15, "mask_share": 0.8,
            "random_share": 0.1, "whole_word": false, "max_predictions": 20,
            "short_seq_prob": 0.1,
        });
        let read = |settings: &Value| {
            serde_json::from_value::<ObjectiveSettings>(settings.clone()).unwrap()
        };
        assert_eq!(read(&settings).max_ngram, 1);
        settings["max_ngram"] = 3.into();
        assert_eq!(read(&settings).max_ngram, 3);
        assert_eq!(serde_json::to_value(read(&settings)).unwrap(), settings);
    }
}
