//! What is learned: an objective, with exactly the settings that it has.

use std::path::PathBuf;

use kiln_learner::LearnError;
use kiln_text::examples::SHORT_SEQ_PROB;
use kiln_text::masking::Masking;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is learned, and how. `kind` in JSON says which.
///
/// A key that an architecture publishes can be set by a flag; one that it leaves out can't.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ObjectiveSettings {
    /// Masked words are predicted.
    MaskedLm(MaskedLmSettings),
    /// Words that a generator put in place of masked ones are told from original ones.
    ReplacedTokens(ReplacedTokensSettings),
    /// Words are predicted in an order drawn anew for every sequence.
    PermutedLm(PermutedLmSettings),
}

impl ObjectiveSettings {
    /// Which tokens are masked, and how the sequences are built that they stand in; none: nothing is
    /// masked.
    pub fn masked(&self) -> Option<(&Masking, &ExampleSettings)> {
        match self {
            Self::MaskedLm(settings) => Some((&settings.masking, &settings.examples)),
            Self::ReplacedTokens(settings) => Some((&settings.masking, &settings.examples)),
            Self::PermutedLm(_) => None,
        }
    }

    /// Prediction slots in a sequence.
    pub fn max_predictions(&self) -> usize {
        match self {
            Self::MaskedLm(settings) => settings.masking.max_predictions,
            Self::ReplacedTokens(settings) => settings.masking.max_predictions,
            Self::PermutedLm(settings) => settings.num_predict,
        }
    }

    /// Prediction slots in a sequence, to be changed.
    pub fn max_predictions_mut(&mut self) -> &mut usize {
        match self {
            Self::MaskedLm(settings) => &mut settings.masking.max_predictions,
            Self::ReplacedTokens(settings) => &mut settings.masking.max_predictions,
            Self::PermutedLm(settings) => &mut settings.num_predict,
        }
    }

    /// Where replacements come from, if there are any.
    pub fn detection(&self) -> Option<&DetectionSettings> {
        match self {
            Self::ReplacedTokens(settings) => Some(&settings.detection),
            Self::MaskedLm(_) | Self::PermutedLm(_) => None,
        }
    }

    /// The settings of masked language modelling.
    ///
    /// # Errors
    /// If something else is learned: `architecture` has nothing else.
    pub fn masked_lm(&self, architecture: &str) -> Result<&MaskedLmSettings, LearnError> {
        match self {
            Self::MaskedLm(settings) => Ok(settings),
            other => Err(other.refuse_for(architecture)),
        }
    }

    /// Why `architecture` can't be trained with this objective.
    pub fn refuse_for(&self, architecture: &str) -> LearnError {
        let kind = match self {
            Self::MaskedLm(_) => "masked-lm",
            Self::ReplacedTokens(_) => "replaced-tokens",
            Self::PermutedLm(_) => "permuted-lm",
        };
        LearnError::Settings(format!(
            "objective.kind = {kind}: {architecture} has no such objective; choose one of its own"
        ))
    }
}

/// Masked language modelling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskedLmSettings {
    /// Which tokens are predicted, and what stands in their place.
    pub masking: Masking,
    /// How sequences are built.
    pub examples: ExampleSettings,
    /// Next sentence prediction beside it; none: the architecture has no such head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_sentence: Option<bool>,
    /// What predicts masked words, where an architecture has several; none: its usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word_head: Option<WordHead>,
}

/// Replaced token detection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplacedTokensSettings {
    /// Which tokens the generator predicts, and what it sees in their place.
    pub masking: Masking,
    /// How sequences are built.
    pub examples: ExampleSettings,
    /// Where the replacements come from, and how the losses weigh.
    pub detection: DetectionSettings,
}

/// Permutation language modelling: which words are predicted, and in which order. A sequence's parts
/// follow from the model's config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermutedLmSettings {
    /// Share of words that are predicted, of which the stretch follows that a span stands in.
    pub rate: f64,
    /// Words of the longest span.
    pub max_gram: usize,
    /// Prediction slots in a sequence.
    pub num_predict: usize,
    /// Tokens that change places among themselves; none: as many as are kept for the memory.
    pub perm_size: Option<usize>,
}

/// How sequences of one or two segments are built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExampleSettings {
    /// Which tokens stand together.
    pub kind: ExampleKind,
    /// Share of shortened examples where segments are built.
    pub short_seq_prob: f64,
    /// A random second segment is never of the first one's document where there is another.
    // In runs written before this was so it could be, and they go on as they began.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub next_from_others: bool,
}

impl ExampleSettings {
    /// Full sequences.
    pub fn packed() -> Self {
        Self {
            kind: ExampleKind::Packed,
            short_seq_prob: SHORT_SEQ_PROB,
            next_from_others: false,
        }
    }
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

/// Where the replacements of replaced token detection come from, and how its losses weigh.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectionSettings {
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
    /// The two models step in turns: the generator first, then the discriminator on what the generator
    /// drew before its step, each with an optimizer of its own; else both step together, on the sum of
    /// their losses (`--steps-of-both turns` or `together`).
    #[serde(default)]
    pub alternating: bool,
}

impl DetectionSettings {
    /// ELECTRA's: shared embeddings, a generator a quarter as wide (the original's default), and one
    /// step of both on the sum of their losses.
    pub fn electra() -> Self {
        Self {
            sharing: Sharing::Embeddings,
            generator: None,
            generator_size: 0.25,
            generator_layers: 1.0,
            init_generator: None,
            generator_weight: 1.0,
            discriminator_weight: 50.0,
            temperature: 1.0,
            disallow_correct: false,
            uniform_generator: false,
            alternating: false,
        }
    }

    /// DeBERTa v3's: gradient-disentangled embeddings, a generator with half of the layers, as in
    /// every published size, and steps in turns, the discriminator's loss times `rtd_lambda` of the
    /// original's scripts.
    pub fn deberta() -> Self {
        Self {
            sharing: Sharing::GradientDisentangled,
            generator_size: 1.0,
            generator_layers: 0.5,
            discriminator_weight: 10.0,
            alternating: true,
            ..Self::electra()
        }
    }

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
