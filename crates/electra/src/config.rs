//! ELECTRA's config.json, field by field, with Hugging Face's names and defaults.

use kiln_bert::{BertConfig, ConfigError};
use kiln_nn::Activation;
use kiln_tasks::model_config::{check_model_type, check_sizes, num_labels};
use kiln_tasks::replaced_tokens::{heads_for, scaled};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an ELECTRA is made of: a generator, a discriminator or a model fine-tuned from one. Fields
/// that Kiln has no use for are kept and written back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ElectraConfig {
    /// Hugging Face's class names; the first decides what the checkpoint is opened as. Not written
    /// from here: whoever writes a model knows its class.
    #[serde(skip_serializing)]
    pub architectures: Option<Vec<String>>,
    /// Always `"electra"`.
    pub model_type: String,
    /// Rows of the word table.
    pub vocab_size: usize,
    /// Width of the embeddings; where it differs from `hidden_size` a projection stands between.
    pub embedding_size: usize,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Layers of the encoder.
    pub num_hidden_layers: usize,
    /// Heads of attention; a divisor of `hidden_size`.
    pub num_attention_heads: usize,
    /// Width between the two linear layers of the feed-forward block.
    pub intermediate_size: usize,
    /// Activation of the feed-forward block and of the discriminator's head.
    pub hidden_act: Activation,
    /// Dropout after the embeddings and on both residual branches.
    pub hidden_dropout_prob: f64,
    /// Dropout on the attention probabilities.
    pub attention_probs_dropout_prob: f64,
    /// Rows of the position table: the longest sequence.
    pub max_position_embeddings: usize,
    /// Rows of the segment table.
    pub type_vocab_size: usize,
    /// Standard deviation of the initial weights.
    pub initializer_range: f64,
    /// Added to the variance in every LayerNorm.
    pub layer_norm_eps: f64,
    /// The id of padding.
    pub pad_token_id: Option<usize>,
    /// Dropout in a fine-tuning head; `hidden_dropout_prob` when null.
    pub classifier_dropout: Option<f64>,
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

impl Default for ElectraConfig {
    /// Hugging Face's defaults: ELECTRA-small's discriminator.
    fn default() -> Self {
        Self {
            architectures: None,
            model_type: "electra".to_owned(),
            vocab_size: 30_522,
            embedding_size: 128,
            hidden_size: 256,
            num_hidden_layers: 12,
            num_attention_heads: 4,
            intermediate_size: 1_024,
            hidden_act: Activation::Gelu,
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            initializer_range: 0.02,
            layer_norm_eps: 1e-12,
            pad_token_id: Some(0),
            classifier_dropout: None,
            id2label: None,
            label2id: None,
            problem_type: None,
            other: Map::new(),
        }
    }
}

impl ElectraConfig {
    /// Checks every field whose value decides the result.
    ///
    /// # Errors
    /// With the first field that has an impossible or unsupported value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_model_type(&self.model_type, "electra", "ELECTRA")?;
        check_sizes(&[("embedding_size", self.embedding_size)])?;
        // Everything else is an encoder of BERT's, as wide below as above its projection.
        self.encoder().validate()?;
        let embeddings = BertConfig {
            num_attention_heads: 1,
            ..self.embeddings()
        };
        embeddings.validate().map_err(|error| ConfigError {
            // The width of the embeddings has another name here.
            field: match error.field {
                "hidden_size" => "embedding_size",
                field => field,
            },
            ..error
        })
    }

    /// The encoder's layers as a BERT's of the same width.
    pub fn encoder(&self) -> BertConfig {
        BertConfig {
            architectures: None,
            model_type: "bert".to_owned(),
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            intermediate_size: self.intermediate_size,
            hidden_act: self.hidden_act,
            hidden_dropout_prob: self.hidden_dropout_prob,
            attention_probs_dropout_prob: self.attention_probs_dropout_prob,
            max_position_embeddings: self.max_position_embeddings,
            type_vocab_size: self.type_vocab_size,
            initializer_range: self.initializer_range,
            layer_norm_eps: self.layer_norm_eps,
            pad_token_id: self.pad_token_id,
            classifier_dropout: self.classifier_dropout,
            id2label: self.id2label.clone(),
            label2id: self.label2id.clone(),
            problem_type: self.problem_type.clone(),
            other: self.other.clone(),
        }
    }

    /// The embedding block as a BERT's of width `embedding_size`.
    pub fn embeddings(&self) -> BertConfig {
        BertConfig {
            hidden_size: self.embedding_size,
            ..self.encoder()
        }
    }

    /// Whether a projection stands between embeddings and encoder.
    pub fn has_projection(&self) -> bool {
        self.embedding_size != self.hidden_size
    }

    /// The number of labels of a fine-tuning head.
    pub fn num_labels(&self) -> usize {
        num_labels(self.id2label.as_ref(), &self.other)
    }

    /// Dropout in a fine-tuning head.
    pub fn classifier_dropout(&self) -> f64 {
        self.classifier_dropout.unwrap_or(self.hidden_dropout_prob)
    }

    /// This config with dropout off, e.g. to compare gradients.
    pub fn without_dropout(&self) -> Self {
        Self {
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            classifier_dropout: Some(0.0),
            ..self.clone()
        }
    }

    /// A generator for this discriminator: width, feed-forward width and heads scaled by `size`,
    /// layers by `layers`; the embeddings keep their width.
    ///
    /// The widths of Clark et al. 2020, section 3.2 and the original's `get_generator_config`; a
    /// head is 64 wide, as in every published size, or as wide as the generator where that is less.
    pub fn generator(&self, size: f64, layers: f64) -> Self {
        let hidden_size = scaled(self.hidden_size, size);
        Self {
            hidden_size,
            intermediate_size: 4 * hidden_size,
            num_attention_heads: heads_for(hidden_size, HEAD_SIZE),
            num_hidden_layers: scaled(self.num_hidden_layers, layers),
            architectures: None,
            id2label: None,
            label2id: None,
            problem_type: None,
            ..self.clone()
        }
    }

    /// Parameters of [`crate::ElectraModel`].
    pub fn encoder_parameters(&self) -> u128 {
        let encoder = self.encoder();
        let [vocab, positions, types, embedding, hidden] = [
            self.vocab_size,
            self.max_position_embeddings,
            self.type_vocab_size,
            self.embedding_size,
            self.hidden_size,
        ]
        .map(|size| size as u128);
        // BERT's without its embeddings and its pooler.
        let layers = encoder.encoder_parameters()
            - (vocab + positions + types + 2) * hidden
            - (hidden * hidden + hidden);
        let projection = if self.has_projection() {
            embedding * hidden + hidden
        } else {
            0
        };
        (vocab + positions + types + 2) * embedding + projection + layers
    }
}

/// Width of an attention head in every published size.
const HEAD_SIZE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> ElectraConfig {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn absent_fields_have_hugging_faces_defaults() {
        assert_eq!(parse("{}"), ElectraConfig::default());
    }

    #[test]
    fn unknown_fields_come_back_as_they_were() {
        let text = r#"{"summary_type":"first","summary_last_dropout":0.1,"x":[1]}"#;
        let written = serde_json::to_value(parse(text)).unwrap();
        assert_eq!(written["summary_type"], "first");
        assert_eq!(written["x"], serde_json::json!([1]));
        assert_eq!(written["embedding_size"], 128);
    }

    #[test]
    fn a_value_that_changes_the_result_and_is_not_supported_is_refused_by_name() {
        for (json, field) in [
            (r#"{"model_type":"bert"}"#, "model_type"),
            (r#"{"embedding_size":0}"#, "embedding_size"),
            (r#"{"embedding_size":2000000000}"#, "embedding_size"),
            (r#"{"num_attention_heads":7}"#, "num_attention_heads"),
            (r#"{"tie_word_embeddings":1}"#, "tie_word_embeddings"),
            (r#"{"num_labels":0}"#, "num_labels"),
            (
                r#"{"position_embedding_type":"relative_key"}"#,
                "position_embedding_type",
            ),
            (r#"{"is_decoder":true}"#, "is_decoder"),
            (r#"{"hidden_dropout_prob":1.0}"#, "hidden_dropout_prob"),
            (r#"{"pad_token_id":30522}"#, "pad_token_id"),
        ] {
            let error = parse(json).validate().unwrap_err();
            assert_eq!(error.field, field, "{error}");
        }
        assert_eq!(parse(r#"{"embedding_size":33}"#).validate(), Ok(()));
    }

    #[test]
    fn a_generator_has_the_published_widths() {
        let base = ElectraConfig {
            hidden_size: 768,
            num_attention_heads: 12,
            intermediate_size: 3_072,
            embedding_size: 768,
            ..ElectraConfig::default()
        };
        for (config, size, hidden, heads) in [
            (&ElectraConfig::default(), 0.25, 64, 1),
            (&base, 1.0 / 3.0, 256, 4),
            (&base, 1.0, 768, 12),
            (&base, 0.2, 154, 2),
        ] {
            let generator = config.generator(size, 1.0);
            assert_eq!(generator.hidden_size, hidden);
            assert_eq!(generator.intermediate_size, 4 * hidden);
            assert_eq!(generator.num_attention_heads, heads);
            assert_eq!(generator.embedding_size, config.embedding_size);
            assert_eq!(generator.num_hidden_layers, 12);
            assert_eq!(generator.validate(), Ok(()));
        }
        assert_eq!(base.generator(0.25, 0.5).num_hidden_layers, 6);
    }
}
