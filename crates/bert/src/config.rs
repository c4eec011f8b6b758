//! config.json of BERT and of the architectures on its encoder, field by field, with Hugging Face's
//! names; what sets one apart from the others is its [`Kind`].

use burn::module::ModuleDisplay;
use kiln_tasks::class::Class;
use kiln_tasks::heads::{BeamLogits, ChoiceLogits, SequenceLogits, SpanLogits, TokenLogits};
use std::fmt::Debug;
use std::marker::PhantomData;

use kiln_nn::Activation;
use kiln_tasks::ConfigError;
use kiln_tasks::family::{Family, FileNames};
use kiln_tasks::forward::ClassEntry;
use kiln_tasks::memory::{Footprint, ModelSize};
use kiln_tasks::model_config::{
    check_demands, check_heads, check_labels, check_model_type, check_padding, check_parameters,
    check_rates, check_sizes,
};
use kiln_tasks::summary::SummaryFields;
use kiln_tasks::tying::{check_tying, ties};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// BERT itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BertKind;

/// What a BERT is made of.
pub type BertConfig = EncoderConfig<BertKind>;

/// One of the architectures on BERT's encoder.
pub trait Kind: Debug + Clone + Copy + PartialEq + Eq + Send + Sync + 'static {
    /// `model_type` in config.json.
    const MODEL_TYPE: &'static str;
    /// Its name in messages.
    const TITLE: &'static str;
    /// Whether its embeddings have a width of their own, `embedding_size`.
    const HAS_EMBEDDING_SIZE: bool = false;
    /// Whether its encoder has a pooler.
    const HAS_POOLER: bool = true;
    /// Whether one of its heads sums a sequence up by `summary_…` fields.
    const HAS_SUMMARY: bool = false;
    /// Whether positions begin behind the id of padding, and padding, which the ids tell, is not
    /// counted (Hugging Face `create_position_ids_from_input_ids`).
    const POSITIONS_BEHIND_PADDING: bool = false;
    /// The names that its files are written with.
    const FILE_NAMES: FileNames;
    /// The classes that can be run.
    const CLASSES: &'static [ClassEntry<EncoderConfig<Self>>];

    /// The class with labels, or numbers, for a sequence.
    type Sequence: Class<Config = EncoderConfig<Self>, Head = SequenceLogits> + ModuleDisplay;
    /// The class with a label for each token.
    type Tokens: Class<Config = EncoderConfig<Self>, Head = TokenLogits> + ModuleDisplay;
    /// The class with the start and the end of an answer.
    type Spans: Class<Config = EncoderConfig<Self>, Head = SpanLogits> + ModuleDisplay;
    /// The class that chooses a continuation.
    type Choices: Class<Config = EncoderConfig<Self>, Head = ChoiceLogits> + ModuleDisplay;
    /// What stands for the class that answers with a beam.
    type Beam: Class<Config = EncoderConfig<Self>, Head = BeamLogits> + ModuleDisplay;

    /// Hugging Face's defaults.
    fn defaults() -> EncoderConfig<Self> {
        EncoderConfig::of_bert_base()
    }

    /// Checks what no other architecture asks of its config.
    ///
    /// # Errors
    /// With the field that has an impossible value.
    fn validate(config: &EncoderConfig<Self>) -> Result<(), ConfigError> {
        let _ = config;
        Ok(())
    }
}

/// What a model with BERT's encoder is made of. Fields that Kiln has no use for are kept and written
/// back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, bound = "K: Kind")]
pub struct EncoderConfig<K> {
    /// Hugging Face's class names; the first decides what the checkpoint is opened as. Not written
    /// from here: whoever writes a model knows its class.
    #[serde(skip_serializing)]
    pub architectures: Option<Vec<String>>,
    /// Always [`Kind::MODEL_TYPE`].
    pub model_type: String,
    /// Rows of the word table.
    pub vocab_size: usize,
    /// Width of the embeddings where the architecture has one of its own; where it differs from
    /// `hidden_size` a projection stands between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_size: Option<usize>,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Layers of the encoder.
    pub num_hidden_layers: usize,
    /// Heads of attention; a divisor of `hidden_size`.
    pub num_attention_heads: usize,
    /// Width between the two linear layers of the feed-forward block.
    pub intermediate_size: usize,
    /// Activation of the feed-forward block and of the heads of pretraining.
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
    /// Dropout before a fine-tuning head; `hidden_dropout_prob` when null.
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
    /// Whose config it is.
    #[serde(skip)]
    pub kind: PhantomData<K>,
}

impl<K: Kind> Default for EncoderConfig<K> {
    fn default() -> Self {
        K::defaults()
    }
}

impl<K: Kind> EncoderConfig<K> {
    /// BERT-base, uncased: Hugging Face's defaults for BERT.
    pub fn of_bert_base() -> Self {
        Self {
            architectures: None,
            model_type: K::MODEL_TYPE.to_owned(),
            vocab_size: 30_522,
            embedding_size: None,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3_072,
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
            kind: PhantomData,
        }
    }

    /// Checks every field whose value decides the result.
    ///
    /// # Errors
    /// With the first field that has an impossible or unsupported value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_model_type(&self.model_type, K::MODEL_TYPE, K::TITLE)?;
        self.validate_supported()?;
        self.validate_sizes()?;
        self.validate_rates()?;
        K::validate(self)
    }

    /// Width of the embeddings.
    pub fn embedding_size(&self) -> usize {
        let own = self.embedding_size.filter(|_| K::HAS_EMBEDDING_SIZE);
        own.unwrap_or(self.hidden_size)
    }

    /// Whether a projection stands between embeddings and encoder.
    pub fn has_projection(&self) -> bool {
        self.embedding_size() != self.hidden_size
    }

    /// The row of the position table that a sequence's first token has.
    pub fn first_position(&self) -> usize {
        let padding = self.pad_token_id.filter(|_| K::POSITIONS_BEHIND_PADDING);
        padding.map_or(0, |padding| padding + 1)
    }

    /// The width of one attention head.
    pub fn head_size(&self) -> usize {
        self.hidden_size / self.num_attention_heads.max(1)
    }

    /// Dropout before a fine-tuning head.
    pub fn classifier_dropout(&self) -> f64 {
        self.classifier_dropout.unwrap_or(self.hidden_dropout_prob)
    }

    /// This config with dropout at this rate wherever there is any, in the encoder and in every head.
    pub fn with_dropout(&self, rate: f64) -> Self {
        let mut other = self.other.clone();
        if K::HAS_SUMMARY {
            SummaryFields::with_dropout(&mut other, rate);
        }
        Self {
            hidden_dropout_prob: rate,
            attention_probs_dropout_prob: rate,
            classifier_dropout: Some(rate),
            other,
            ..self.clone()
        }
    }

    /// This config with dropout off, e.g. to compare gradients.
    pub fn without_dropout(&self) -> Self {
        self.with_dropout(0.0)
    }

    /// The memory that training its masked language model on sequences of `seq_len` depends on.
    pub fn footprint(&self, seq_len: usize) -> Footprint {
        let model = ModelSize {
            predicts_words: true,
            own_head: !ties(&self.other),
            ..self.model_size(seq_len)
        };
        Footprint::of(model)
    }

    /// Parameters of the encoder, pooler included where the architecture has one.
    pub fn encoder_parameters(&self) -> u128 {
        let [
            vocab,
            embedding,
            hidden,
            layers,
            intermediate,
            positions,
            types,
        ] = [
            self.vocab_size,
            self.embedding_size(),
            self.hidden_size,
            self.num_hidden_layers,
            self.intermediate_size,
            self.max_position_embeddings,
            self.type_vocab_size,
        ]
        .map(|size| size as u128);
        let projection = u128::from(self.has_projection()) * (embedding + 1) * hidden;
        let embeddings = (vocab + positions + types + 2) * embedding + projection;
        let attention = 4 * hidden * hidden + 4 * hidden;
        let feed_forward = 2 * hidden * intermediate + intermediate + hidden;
        let norms = 4 * hidden;
        let pooler = u128::from(K::HAS_POOLER) * (hidden * hidden + hidden);
        embeddings + layers * (attention + feed_forward + norms) + pooler
    }

    /// Parameters of the encoder with heads for words and for pairs of sentences, such as
    /// [`crate::BertForPreTraining`]; a tied word table counts once.
    pub fn pretraining_parameters(&self) -> u128 {
        let (vocab, hidden) = (self.vocab_size as u128, self.hidden_size as u128);
        let transform = hidden * hidden + 3 * hidden;
        let decoder = u128::from(!ties(&self.other)) * vocab * (hidden + 1);
        self.encoder_parameters() + transform + vocab + decoder + 2 * hidden + 2
    }

    fn validate_supported(&self) -> Result<(), ConfigError> {
        let demands = [
            ("position_embedding_type", Value::from("absolute")),
            ("is_decoder", Value::from(false)),
            ("add_cross_attention", Value::from(false)),
            ("pruned_heads", Value::Object(Map::new())),
        ];
        check_demands(&self.other, &demands)?;
        check_tying(&self.other)
    }

    fn validate_sizes(&self) -> Result<(), ConfigError> {
        if K::HAS_EMBEDDING_SIZE {
            check_sizes(&[("embedding_size", self.embedding_size())])?;
        }
        check_sizes(&[
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ])?;
        let width = ("hidden_size", self.hidden_size);
        check_heads(("num_attention_heads", self.num_attention_heads), width)?;
        check_padding(self.pad_token_id, self.vocab_size)?;
        check_labels(self.id2label.as_ref(), &self.other)?;
        let wider = match self.embedding_size() {
            size if size > self.hidden_size => ("embedding_size", size),
            _ => width,
        };
        check_parameters(wider, self.pretraining_parameters())
    }

    fn validate_rates(&self) -> Result<(), ConfigError> {
        let dropout = [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            (
                "attention_probs_dropout_prob",
                self.attention_probs_dropout_prob,
            ),
            ("classifier_dropout", self.classifier_dropout()),
        ];
        check_rates(&dropout, self.initializer_range, self.layer_norm_eps)
    }
}

#[cfg(test)]
mod tests {
    use kiln_tasks::Family;
    use kiln_tasks::labelled::{TasksOf, TunedFamily as _};

    use super::*;

    fn parse(json: &str) -> BertConfig {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn absent_fields_have_hugging_faces_defaults() {
        assert_eq!(parse("{}"), BertConfig::default());
    }

    #[test]
    fn unknown_fields_come_back_as_they_were() {
        let text = r#"{"hidden_act":"gelu_pytorch_tanh","transformers_version":"5.23.0","x":[1]}"#;
        let written = serde_json::to_value(parse(text)).unwrap();
        assert_eq!(written["transformers_version"], "5.23.0");
        assert_eq!(written["x"], serde_json::json!([1]));
        assert_eq!(written["hidden_act"], "gelu_pytorch_tanh");
        assert_eq!(parse(&written.to_string()), parse(text));
    }

    #[test]
    fn a_value_that_changes_the_result_and_is_not_supported_is_refused_by_name() {
        for (json, field) in [
            (r#"{"model_type":"roberta"}"#, "model_type"),
            (
                r#"{"position_embedding_type":"relative_key"}"#,
                "position_embedding_type",
            ),
            (r#"{"is_decoder":true}"#, "is_decoder"),
            (r#"{"add_cross_attention":true}"#, "add_cross_attention"),
            (r#"{"tie_word_embeddings":"no"}"#, "tie_word_embeddings"),
            (r#"{"tie_word_embeddings":null}"#, "tie_word_embeddings"),
            (r#"{"pruned_heads":{"0":[1]}}"#, "pruned_heads"),
            (r#"{"num_labels":0}"#, "num_labels"),
            (r#"{"num_labels":0,"id2label":{"0":"a"}}"#, "num_labels"),
            (r#"{"num_labels":"3"}"#, "num_labels"),
            (r#"{"num_labels":2000000}"#, "num_labels"),
            (r#"{"id2label":{}}"#, "id2label"),
            (r#"{"num_attention_heads":7}"#, "num_attention_heads"),
            (r#"{"num_attention_heads":0}"#, "num_attention_heads"),
            (r#"{"hidden_dropout_prob":1.0}"#, "hidden_dropout_prob"),
            (r#"{"classifier_dropout":-0.1}"#, "classifier_dropout"),
            (r#"{"layer_norm_eps":0}"#, "layer_norm_eps"),
            (r#"{"pad_token_id":30522}"#, "pad_token_id"),
            (r#"{"intermediate_size":2000000000}"#, "hidden_size"),
        ] {
            let error = parse(json).validate().unwrap_err();
            assert_eq!(error.field, field, "{error}");
        }
        let heads = parse(r#"{"num_attention_heads":7}"#).validate();
        assert_eq!(
            heads.unwrap_err().to_string(),
            "num_attention_heads = 7: choose a divisor of hidden_size (768)"
        );
    }

    #[test]
    fn a_rate_of_dropout_is_that_of_every_field() {
        let own = serde_json::json!({"classifier_dropout": 0.2, "initializer_range": 0.1});
        let set = TasksOf::<BertConfig>::ALL.with_dropout(&own, 0.3).unwrap();
        for (field, value) in [
            ("hidden_dropout_prob", 0.3),
            ("attention_probs_dropout_prob", 0.3),
            ("classifier_dropout", 0.3),
            ("initializer_range", 0.1),
        ] {
            assert_eq!(set[field], value, "{field}");
        }
        assert!(set.get("summary_last_dropout").is_none());
    }

    #[test]
    fn fields_that_older_files_carry_are_fine() {
        let config = parse(
            r#"{"position_embedding_type":"absolute","gradient_checkpointing":false,
                "is_decoder":false,"chunk_size_feed_forward":0,"use_cache":true,
                "finetuning_task":null,"torchscript":false,"pruned_heads":{},
                "tie_word_embeddings":false,"problem_type":"tagging","architectures":["BertModel"]}"#,
        );
        assert_eq!(config.validate(), Ok(()));
        assert_eq!(config.architectures.unwrap(), ["BertModel"]);
    }

    #[test]
    fn labels_are_counted_by_their_number_or_else_by_their_names() {
        for (json, expected) in [
            ("{}", 2),
            (r#"{"num_labels":5}"#, 5),
            (r#"{"id2label":{"0":"a","1":"b","2":"c"}}"#, 3),
            (r#"{"num_labels":null}"#, 2),
            (r#"{"num_labels":5,"id2label":null}"#, 5),
            (
                r#"{"num_labels":5,"id2label":{"0":"a","1":"b","2":"c"}}"#,
                5,
            ),
        ] {
            let config = parse(json);
            assert_eq!(config.num_labels(), expected, "{json}");
            assert_eq!(config.validate(), Ok(()), "{json}");
        }
    }
}
