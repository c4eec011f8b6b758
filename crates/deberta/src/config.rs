//! DeBERTa's config.json, field by field, with Hugging Face's names and defaults.
//!
//! v1 has the model type `deberta`, v2 and v3 have `deberta-v2`; what sets v3 apart from v2 are
//! values of the same fields.

use kiln_nn::Activation;
use kiln_tasks::replaced_tokens::{heads_for, scaled};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::pos_att_type::PosAttType;

mod json;

/// What a DeBERTa is made of. Fields that Kiln has no use for are kept and written back; those that
/// Hugging Face reads but does not declare are written only if the file had them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", default = "DebertaConfig::without_sizes")]
pub struct DebertaConfig {
    /// Hugging Face's class names; the first decides what the checkpoint is opened as. Not written
    /// from here: whoever writes a model knows its class.
    #[serde(skip_serializing)]
    pub architectures: Option<Vec<String>>,
    /// `"deberta"` for v1, `"deberta-v2"` for v2 and v3.
    pub model_type: String,
    /// Rows of the word table.
    pub vocab_size: usize,
    /// Width of the embeddings, `hidden_size` if absent; where it differs from that a projection
    /// stands between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_size: Option<usize>,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Layers of the encoder.
    pub num_hidden_layers: usize,
    /// Heads of attention; a divisor of `hidden_size`.
    pub num_attention_heads: usize,
    /// Width of a head; only `hidden_size / num_attention_heads` is supported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_head_size: Option<usize>,
    /// Width between the two linear layers of the feed-forward block.
    pub intermediate_size: usize,
    /// Activation of the feed-forward block and of the heads of pretraining.
    pub hidden_act: Activation,
    /// Dropout after the embeddings, on relative embeddings, on both residual branches, and in the
    /// convolution.
    pub hidden_dropout_prob: f64,
    /// Dropout on the attention probabilities.
    pub attention_probs_dropout_prob: f64,
    /// Rows of the position table, where there is one.
    pub max_position_embeddings: usize,
    /// Rows of the segment table; 0 or less: there is none.
    #[serde(deserialize_with = "json::none_below_zero")]
    pub type_vocab_size: usize,
    /// Whether the position table's rows are added to the words' before the first layer.
    pub position_biased_input: bool,
    /// Whether scores depend on relative positions.
    pub relative_attention: bool,
    /// The largest distance told apart, `max_position_embeddings` if below 1.
    pub max_relative_positions: i64,
    /// Logarithmic buckets for distances, on either side; none if absent or below 1. v2 and v3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position_buckets: Option<i64>,
    /// The terms of the scores beside content to content.
    pub pos_att_type: Option<PosAttType>,
    /// Whether relative embeddings take the projections of the content. v2 and v3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_att_key: Option<bool>,
    /// `"layer_norm"`: relative embeddings are normalised; `"none"` if absent. v2 and v3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub norm_rel_ebd: Option<String>,
    /// Width of the convolution beside the first layer; none if absent, 0 or less. v2.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "json::optional_none_below_zero"
    )]
    pub conv_kernel_size: Option<usize>,
    /// Groups of that convolution, 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conv_groups: Option<usize>,
    /// Activation of that convolution, `tanh` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conv_act: Option<Activation>,
    /// Standard deviation of the initial weights.
    pub initializer_range: f64,
    /// Added to the variance in every LayerNorm.
    pub layer_norm_eps: f64,
    /// The id of padding.
    pub pad_token_id: Option<usize>,
    /// Width of the pooler; only `hidden_size` is supported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pooler_hidden_size: Option<usize>,
    /// Dropout before the pooler.
    pub pooler_dropout: f64,
    /// Activation of the pooler.
    pub pooler_hidden_act: Activation,
    /// Dropout before a sequence classifier, `hidden_dropout_prob` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cls_dropout: Option<f64>,
    /// Which masked language model head a checkpoint has: `cls.predictions` if true, else
    /// `lm_predictions.lm_head`.
    pub legacy: bool,
    /// Names of the labels by their number, as strings; absent: as many as `num_labels`, or two.
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

/// Which of the two layouts of attention, and so of parameter names, a model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebertaVersion {
    /// One projection for query, key and value.
    V1,
    /// Three projections: v2 and v3.
    V2,
}

impl DebertaVersion {
    /// config.json's `model_type`.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::V1 => "deberta",
            Self::V2 => "deberta-v2",
        }
    }
}

/// A size that the file does not have: Hugging Face's defaults of v1 and of v2 differ in these.
const ABSENT: usize = usize::MAX;

impl DebertaConfig {
    /// Hugging Face's defaults of v1, absent fields absent.
    pub fn v1() -> Self {
        Self {
            model_type: DebertaVersion::V1.model_type().to_owned(),
            vocab_size: 50_265,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3_072,
            ..Self::without_sizes()
        }
    }

    /// Hugging Face's defaults of v2 and v3, absent fields absent.
    pub fn v2() -> Self {
        Self {
            vocab_size: 128_100,
            hidden_size: 1_536,
            num_hidden_layers: 24,
            num_attention_heads: 24,
            intermediate_size: 6_144,
            ..Self::without_sizes()
        }
    }

    /// The defaults that both versions share.
    fn without_sizes() -> Self {
        Self {
            architectures: None,
            model_type: DebertaVersion::V2.model_type().to_owned(),
            vocab_size: ABSENT,
            embedding_size: None,
            hidden_size: ABSENT,
            num_hidden_layers: ABSENT,
            num_attention_heads: ABSENT,
            attention_head_size: None,
            intermediate_size: ABSENT,
            hidden_act: Activation::Gelu,
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            max_position_embeddings: 512,
            type_vocab_size: 0,
            position_biased_input: true,
            relative_attention: false,
            max_relative_positions: -1,
            position_buckets: None,
            pos_att_type: None,
            share_att_key: None,
            norm_rel_ebd: None,
            conv_kernel_size: None,
            conv_groups: None,
            conv_act: None,
            initializer_range: 0.02,
            layer_norm_eps: 1e-7,
            pad_token_id: Some(0),
            pooler_hidden_size: None,
            pooler_dropout: 0.0,
            pooler_hidden_act: Activation::Gelu,
            cls_dropout: None,
            legacy: true,
            id2label: None,
            label2id: None,
            problem_type: None,
            other: Map::new(),
        }
    }

    /// The layout that `model_type` stands for; what is not v1's is read as v2's.
    pub fn version(&self) -> DebertaVersion {
        if self.model_type == DebertaVersion::V1.model_type() {
            DebertaVersion::V1
        } else {
            DebertaVersion::V2
        }
    }

    /// Width of the embeddings.
    pub fn embedding_size(&self) -> usize {
        self.embedding_size.unwrap_or(self.hidden_size)
    }

    /// Whether a projection stands between embeddings and encoder.
    pub fn has_projection(&self) -> bool {
        self.embedding_size() != self.hidden_size
    }

    /// The width of one attention head.
    pub fn head_size(&self) -> usize {
        self.hidden_size / self.num_attention_heads.max(1)
    }

    /// Whether scores have a term content to position.
    pub fn content_to_position(&self) -> bool {
        self.has_term("c2p")
    }

    /// Whether scores have a term position to content.
    pub fn position_to_content(&self) -> bool {
        self.has_term("p2c")
    }

    /// The factor of all terms of the scores: 1/√(head_size · number of terms).
    ///
    /// The terms that `pos_att_type` lists count even without relative attention, as in Hugging
    /// Face.
    pub fn score_scale(&self) -> f64 {
        let terms =
            1 + usize::from(self.content_to_position()) + usize::from(self.position_to_content());
        1.0 / ((self.head_size() * terms) as f64).sqrt()
    }

    /// The largest distance told apart.
    pub fn max_relative_positions(&self) -> usize {
        match usize::try_from(self.max_relative_positions) {
            Ok(distance) if distance > 0 => distance,
            _ => self.max_position_embeddings,
        }
    }

    /// The number of logarithmic buckets on either side, if distances are bucketed.
    pub fn position_buckets(&self) -> Option<usize> {
        let buckets = usize::try_from(self.position_buckets?).ok()?;
        (buckets > 0).then_some(buckets)
    }

    /// Half the number of relative embeddings.
    pub fn span(&self) -> usize {
        self.position_buckets()
            .unwrap_or_else(|| self.max_relative_positions())
    }

    /// Whether relative embeddings take the projections of the content.
    pub fn shares_position_projections(&self) -> bool {
        self.share_att_key == Some(true)
    }

    /// Whether relative embeddings are normalised.
    pub fn normalises_relative_embeddings(&self) -> bool {
        self.norms().any(|norm| norm == "layer_norm")
    }

    /// The words of `norm_rel_ebd`.
    pub(crate) fn norms(&self) -> impl Iterator<Item = String> {
        let norms = self
            .norm_rel_ebd
            .as_deref()
            .unwrap_or("none")
            .to_lowercase();
        let norms: Vec<_> = norms.split('|').map(|norm| norm.trim().into()).collect();
        norms.into_iter()
    }

    /// Width of the convolution beside the first layer, if there is one.
    pub fn conv_kernel_size(&self) -> Option<usize> {
        self.conv_kernel_size.filter(|&size| size > 0)
    }

    /// Groups of the convolution.
    pub fn conv_groups(&self) -> usize {
        self.conv_groups.unwrap_or(1)
    }

    /// Activation of the convolution.
    pub fn conv_act(&self) -> Activation {
        self.conv_act.unwrap_or(Activation::Tanh)
    }

    /// Dropout before a sequence classifier.
    pub fn cls_dropout(&self) -> f64 {
        self.cls_dropout.unwrap_or(self.hidden_dropout_prob)
    }

    /// A generator for this discriminator: width, feed-forward width and heads scaled by `size`,
    /// layers by `layers`, of which the enhanced mask decoder needs two. In every published size a
    /// generator is as wide and half as deep.
    pub fn generator(&self, size: f64, layers: f64) -> Self {
        let hidden_size = scaled(self.hidden_size, size);
        Self {
            hidden_size,
            // The mask decoder adds positions to hidden states.
            embedding_size: None,
            intermediate_size: scaled(self.intermediate_size, size),
            num_attention_heads: heads_for(hidden_size, self.head_size()),
            num_hidden_layers: scaled(self.num_hidden_layers, layers).max(2),
            attention_head_size: None,
            pooler_hidden_size: None,
            architectures: None,
            id2label: None,
            label2id: None,
            problem_type: None,
            ..self.clone()
        }
    }

    /// This config with dropout at this rate wherever there is any, in the encoder and in every head.
    pub fn with_dropout(&self, rate: f64) -> Self {
        Self {
            hidden_dropout_prob: rate,
            attention_probs_dropout_prob: rate,
            pooler_dropout: rate,
            cls_dropout: Some(rate),
            ..self.clone()
        }
    }

    /// This config with dropout off, e.g. to compare gradients.
    pub fn without_dropout(&self) -> Self {
        self.with_dropout(0.0)
    }

    /// Parameters of [`crate::DebertaModel`] as Hugging Face's class has them: without the position
    /// table that only the enhanced mask decoder reads.
    pub fn encoder_parameters(&self) -> u128 {
        let size = |size: usize| size as u128;
        let (hidden, embedding) = (size(self.hidden_size), size(self.embedding_size()));
        let square = hidden * hidden;

        let position_rows = if self.position_biased_input {
            self.max_position_embeddings
        } else {
            0
        };
        let rows = size(self.vocab_size) + size(position_rows) + size(self.type_vocab_size);
        let projection = u128::from(self.has_projection()) * embedding * hidden;
        let embeddings = rows * embedding + projection + 2 * hidden;

        let is_v1 = self.version() == DebertaVersion::V1;
        let has_own = self.relative_attention && !self.shares_position_projections();
        let key_projection = square + if is_v1 { 0 } else { hidden };
        let content = 3 * square + if is_v1 { 2 * hidden } else { 3 * hidden };
        let relative = u128::from(has_own && self.content_to_position()) * key_projection
            + u128::from(has_own && self.position_to_content()) * (square + hidden);
        let output = square + 3 * hidden;
        let intermediate = size(self.intermediate_size);
        let feed_forward = 2 * hidden * intermediate + intermediate + 3 * hidden;
        let layer = content + relative + output + feed_forward;

        let table = u128::from(self.relative_attention) * 2 * size(self.span()) * hidden;
        let norm = u128::from(self.normalises_relative_embeddings()) * 2 * hidden;
        let conv = self.conv_kernel_size().map_or(0, |kernel| {
            square / size(self.conv_groups()).max(1) * size(kernel) + 3 * hidden
        });
        embeddings + size(self.num_hidden_layers) * layer + table + norm + conv
    }

    fn has_term(&self, term: &str) -> bool {
        let terms = self.pos_att_type.as_ref().map(PosAttType::terms);
        terms.is_some_and(|terms| terms.iter().any(|found| found == term))
    }
}

impl Default for DebertaConfig {
    /// Hugging Face's defaults of v2 and v3.
    fn default() -> Self {
        Self::v2()
    }
}

#[cfg(test)]
mod tests {
    use kiln_tasks::labelled::{TasksOf, TunedFamily as _};

    use super::*;

    fn parse(json: &str) -> DebertaConfig {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn absent_fields_have_hugging_faces_defaults() {
        assert_eq!(parse("{}"), DebertaConfig::v2());
        assert_eq!(parse(r#"{"model_type":"deberta"}"#), DebertaConfig::v1());
        assert_eq!(parse(r#"{"hidden_size":8}"#).num_hidden_layers, 24);
        assert_eq!(parse(r#"{"vocab_size":0}"#).vocab_size, 0);
    }

    #[test]
    fn unknown_fields_come_back_as_they_were_and_absent_ones_stay_absent() {
        let text = r#"{"model_type":"deberta","padding_idx":0,"x":[1],"pos_att_type":"C2P|p2c"}"#;
        let written = serde_json::to_value(parse(text)).unwrap();
        assert_eq!(written["x"], serde_json::json!([1]));
        assert_eq!(written["padding_idx"], 0);
        assert_eq!(written["pos_att_type"], "C2P|p2c");
        assert_eq!(written["vocab_size"], 50_265);
        for absent in ["position_buckets", "conv_kernel_size", "embedding_size"] {
            assert!(written.get(absent).is_none(), "{absent}");
        }
        assert_eq!(parse(&written.to_string()), parse(text));
    }

    #[test]
    fn a_rate_of_dropout_is_that_of_every_field() {
        let own = serde_json::json!({"model_type": "deberta-v2", "cls_dropout": 0.2});
        let family = TasksOf::<DebertaConfig>::ALL;
        let set = family.with_dropout(&own, 0.3).unwrap();
        for field in [
            "hidden_dropout_prob",
            "attention_probs_dropout_prob",
            "pooler_dropout",
            "cls_dropout",
        ] {
            assert_eq!(set[field], 0.3, "{field}");
        }
    }

    #[test]
    fn a_wrong_type_is_named_with_its_field() {
        let text = r#"{"hidden_size":"many"}"#;
        let mut reader = serde_json::Deserializer::from_str(text);
        let error = serde_path_to_error::deserialize::<_, DebertaConfig>(&mut reader).unwrap_err();
        assert_eq!(error.path().to_string(), "hidden_size");
    }

    #[test]
    fn the_scale_has_a_share_for_each_term() {
        let config = |types: &str| {
            parse(&format!(
                r#"{{"hidden_size":8,"num_attention_heads":2,"pos_att_type":{types}}}"#
            ))
        };
        for (types, terms) in [
            (r#""c2p|p2c""#, 3.0),
            (r#"["p2c"]"#, 2.0),
            (r#""P2C | C2P""#, 3.0),
            ("[]", 1.0),
            ("null", 1.0),
        ] {
            let expected = 1.0 / f64::sqrt(4.0 * terms);
            assert_eq!(config(types).score_scale(), expected, "{types}");
        }
    }
}
