//! XLNet's config.json, field by field, with Hugging Face's names and defaults.

use kiln_nn::Activation;
use kiln_tasks::ConfigError;
use kiln_tasks::model_config::{
    check_heads, check_labels, check_model_type, check_parameters, check_rates, check_sizes, refuse,
};
use kiln_tasks::summary::{Summary, SummaryFields, with_first_dropout};
use kiln_tasks::tying::check_tying;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// No length is larger; a config.json beyond it is damaged.
const LONGEST: i64 = i32::MAX as i64;

/// What a query may see of the tokens before and behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttentionType {
    /// All tokens, less what a permutation hides: XLNet.
    Bi,
    /// Tokens before the query alone: Transformer-XL.
    Uni,
}

/// What an XLNet is made of. Fields that Kiln has no use for are kept and written back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct XlnetConfig {
    /// Hugging Face's class names; the first decides what the checkpoint is opened as. Not written
    /// from here: whoever writes a model knows its class.
    #[serde(skip_serializing)]
    pub architectures: Option<Vec<String>>,
    /// `"xlnet"`.
    pub model_type: String,
    /// Rows of the word table.
    pub vocab_size: usize,
    /// Width of the hidden states.
    pub d_model: usize,
    /// Layers.
    pub n_layer: usize,
    /// Heads of attention; a divisor of `d_model`.
    pub n_head: usize,
    /// Width of a head; only `d_model / n_head` is supported, which is also what 0 means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub d_head: Option<usize>,
    /// Width between the two linear layers of the feed-forward block.
    pub d_inner: usize,
    /// Activation of the feed-forward block. `gelu` is the error function's form; the original code
    /// computes the tanh form, Hugging Face's `gelu_new`, under that name.
    pub ff_activation: Activation,
    /// Whether each layer has vectors of its own that are added to its queries; absent: it has. With
    /// false all layers are trained with the first one's. Hugging Face does not read it, and its
    /// files hold those of every layer either way; a model that is run has them, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untie_r: Option<bool>,
    /// What a query may see.
    pub attn_type: AttentionType,
    /// Standard deviation of the initial weights.
    pub initializer_range: f64,
    /// Added to the variance in every LayerNorm.
    pub layer_norm_eps: f64,
    /// Dropout on words, distances, attention probabilities, within the feed-forward block, on both
    /// residual branches and on the output.
    pub dropout: f64,
    /// Hidden states that each layer keeps of the segments before; null or 0: all of them, below 0:
    /// all but so many of the first; in pretraining none.
    pub mem_len: Option<i64>,
    /// How many of a segment's first positions are kept; null, 0 or less: all of them, in
    /// pretraining half.
    pub reuse_len: Option<i64>,
    /// Whether an evaluation returns memories.
    pub use_mems_eval: bool,
    /// Whether training returns memories.
    pub use_mems_train: bool,
    /// Whether the second half of a batch reads backwards.
    pub bi_data: bool,
    /// The largest distance told apart; none if below 1.
    pub clamp_len: i64,
    /// Whether every query sees equally many keys, with `attn_type` uni.
    pub same_length: bool,
    /// Which vector stands for a sequence: `last`, `first`, `mean` or `cls_index`; another one is
    /// refused where a summary is made.
    pub summary_type: String,
    /// Whether the summary is projected.
    pub summary_use_proj: bool,
    /// The activation after the projection; null or empty: none.
    pub summary_activation: Option<String>,
    /// Dropout after the summary.
    pub summary_last_dropout: f64,
    /// Starts that beam search of answers keeps.
    pub start_n_top: usize,
    /// Ends that it keeps for each start.
    pub end_n_top: usize,
    /// The id of padding.
    pub pad_token_id: Option<usize>,
    /// The id of `<s>`, which is not read.
    pub bos_token_id: Option<Value>,
    /// The id of `</s>`, or several, which are not read.
    pub eos_token_id: Option<Value>,
    /// Names of the labels by their number, as strings; absent means two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id2label: Option<Map<String, Value>>,
    /// The inverse of `id2label`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label2id: Option<Map<String, Value>>,
    /// Which loss a sequence classifier is trained with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem_type: Option<String>,
    /// Everything else in the file.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for XlnetConfig {
    /// Hugging Face's defaults: the published large model.
    fn default() -> Self {
        Self {
            architectures: None,
            model_type: "xlnet".to_owned(),
            vocab_size: 32_000,
            d_model: 1_024,
            n_layer: 24,
            n_head: 16,
            d_head: None,
            d_inner: 4_096,
            ff_activation: Activation::Gelu,
            untie_r: None,
            attn_type: AttentionType::Bi,
            initializer_range: 0.02,
            layer_norm_eps: 1e-12,
            dropout: 0.1,
            mem_len: Some(512),
            reuse_len: None,
            use_mems_eval: true,
            use_mems_train: false,
            bi_data: false,
            clamp_len: -1,
            same_length: false,
            summary_type: "last".to_owned(),
            summary_use_proj: true,
            summary_activation: Some("tanh".to_owned()),
            summary_last_dropout: 0.1,
            start_n_top: 5,
            end_n_top: 5,
            pad_token_id: Some(5),
            bos_token_id: Some(1.into()),
            eos_token_id: Some(2.into()),
            id2label: None,
            label2id: None,
            problem_type: None,
            other: Map::new(),
        }
    }
}

impl XlnetConfig {
    /// The width of one attention head.
    pub fn head_size(&self) -> usize {
        self.d_model / self.n_head.max(1)
    }

    /// Whether all layers share the vectors that are added to queries.
    pub fn ties_biases(&self) -> bool {
        self.untie_r == Some(false)
    }

    /// The largest distance told apart, if there is one.
    pub fn clamp_len(&self) -> Option<i64> {
        (self.clamp_len > 0).then_some(self.clamp_len)
    }

    /// Hidden states that each layer keeps at most.
    pub fn mem_len(&self) -> Option<usize> {
        above_zero(self.mem_len)
    }

    /// How many of a segment's first positions are kept.
    pub fn reuse_len(&self) -> Option<usize> {
        above_zero(self.reuse_len)
    }

    /// This config with bias vectors of its own in each layer, as a model's file has them.
    pub fn with_own_biases(self) -> Self {
        Self {
            untie_r: None,
            ..self
        }
    }

    /// How a sequence classifier sums up a sequence.
    ///
    /// # Errors
    /// With the first of its fields that has an impossible or unsupported value.
    pub fn summary(&self) -> Result<Summary, ConfigError> {
        let fields = SummaryFields {
            summary_type: self.summary_type.clone(),
            summary_use_proj: self.summary_use_proj,
            summary_activation: self.summary_activation.clone(),
            summary_last_dropout: self.summary_last_dropout,
        };
        fields.summary(&self.other)
    }

    /// This config with dropout at this rate wherever there is any, in the stack and in every head.
    pub fn with_dropout(&self, rate: f64) -> Self {
        let mut other = self.other.clone();
        with_first_dropout(&mut other, rate);
        Self {
            dropout: rate,
            summary_last_dropout: rate,
            other,
            ..self.clone()
        }
    }

    /// This config with dropout off, e.g. to compare gradients.
    pub fn without_dropout(&self) -> Self {
        self.with_dropout(0.0)
    }

    /// Parameters of [`crate::XlnetModel`].
    pub fn encoder_parameters(&self) -> u128 {
        let [vocab, hidden, inner, layers] =
            [self.vocab_size, self.d_model, self.d_inner, self.n_layer].map(|size| size as u128);
        let biases = 3 * hidden;
        // Five projections; two segments; two norms; the feed-forward block.
        let layer =
            5 * hidden * hidden + 2 * hidden + 4 * hidden + 2 * hidden * inner + inner + hidden;
        let owners = if self.ties_biases() { 1 } else { layers };
        vocab * hidden + hidden + layers * layer + owners * biases
    }

    /// Checks every field whose value decides the result.
    ///
    /// # Errors
    /// With the first field that has an impossible or unsupported value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_supported()?;
        self.validate_sizes()?;
        self.validate_rates()
    }

    fn validate_supported(&self) -> Result<(), ConfigError> {
        check_model_type(&self.model_type, "xlnet", "XLNet")?;
        check_tying(&self.other)
    }

    fn validate_sizes(&self) -> Result<(), ConfigError> {
        check_sizes(&[
            ("vocab_size", self.vocab_size),
            ("d_model", self.d_model),
            ("n_layer", self.n_layer),
            ("n_head", self.n_head),
            ("d_inner", self.d_inner),
        ])?;
        for (field, length) in [("mem_len", self.mem_len), ("reuse_len", self.reuse_len)] {
            if let Some(length) = length
                && length > LONGEST
            {
                return refuse(field, length, format!("choose at most {LONGEST}"));
            }
        }
        let width = ("d_model", self.d_model);
        check_heads(("n_head", self.n_head), width)?;
        if let Some(head_size) = self.d_head.filter(|&size| size != 0)
            && head_size != self.head_size()
        {
            return refuse(
                "d_head",
                head_size,
                format!("only d_model / n_head ({}) is supported", self.head_size()),
            );
        }
        if !self.d_model.is_multiple_of(2) {
            return refuse(
                "d_model",
                self.d_model,
                "half of a position's vector are sines, half cosines; choose an even number",
            );
        }
        // The id of padding is not read: no row is left out.
        check_labels(self.id2label.as_ref(), &self.other)?;
        check_parameters(width, self.encoder_parameters())
    }

    fn validate_rates(&self) -> Result<(), ConfigError> {
        let dropout = [
            ("dropout", self.dropout),
            ("summary_last_dropout", self.summary_last_dropout),
        ];
        check_rates(&dropout, self.initializer_range, self.layer_norm_eps)
    }
}

/// A length above 0.
fn above_zero(length: Option<i64>) -> Option<usize> {
    let length = usize::try_from(length?).ok()?;
    (length > 0).then_some(length)
}

#[cfg(test)]
mod tests {
    use kiln_tasks::labelled::{TasksOf, TunedFamily as _};

    use super::*;

    #[test]
    fn a_rate_of_dropout_is_that_of_every_field() {
        let own = serde_json::json!({"dropout": 0.2, "summary_first_dropout": 0.1});
        let family = TasksOf::<XlnetConfig>::ALL;
        let set = family.with_dropout(&own, 0.3).unwrap();
        for field in ["dropout", "summary_first_dropout", "summary_last_dropout"] {
            assert_eq!(set[field], 0.3, "{field}");
        }
        let without = XlnetConfig::default().with_dropout(0.3);
        assert!(!without.other.contains_key("summary_first_dropout"));
    }
}
