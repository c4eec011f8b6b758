//! BERT's encoder: embeddings, layers, pooler (Devlin et al. 2019, section 3).

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Bool, Int, Tensor};
use kiln_checkpoint::ModelFile;
use kiln_nn::{EncoderInputs, Init, is_padding, project};
use kiln_tasks::class::{Encoded, Encoder};

use crate::embeddings::BertEmbeddings;
use crate::layer::BertLayer;
use crate::{BertConfig, EncoderConfig, Kind};

/// The stack of layers; Hugging Face `BertEncoder`.
#[derive(Module, Debug)]
pub struct BertEncoder {
    layer: Vec<BertLayer>,
}

impl BertEncoder {
    /// Draws the layers' weights, the lowest layer first.
    pub fn new<K: Kind>(config: &EncoderConfig<K>, init: &mut Init) -> Self {
        let layers = 0..config.num_hidden_layers;
        Self {
            layer: layers.map(|_| BertLayer::new(config, init)).collect(),
        }
    }

    /// The last layer's hidden states.
    ///
    /// # Shapes
    /// - `embedded`: `[batch, seq_len, hidden_size]`
    /// - `is_padding`: `[batch, 1, 1, seq_len]`, true at padding; `None` where there is none
    /// - returns `[batch, seq_len, hidden_size]`; what stands at padding means nothing
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn forward(&self, embedded: Tensor<3>, is_padding: Option<Tensor<4, Bool>>) -> Tensor<3> {
        self.layer.iter().fold(embedded, |hidden_states, layer| {
            layer.forward(hidden_states, is_padding.clone())
        })
    }
}

/// tanh of a linear map of the first token's hidden state; Hugging Face `BertPooler`.
#[derive(Module, Debug)]
pub struct BertPooler {
    dense: Linear,
}

impl BertPooler {
    fn new<K: Kind>(config: &EncoderConfig<K>, init: &mut Init) -> Self {
        Self {
            dense: init.linear(config.hidden_size, config.hidden_size),
        }
    }

    fn forward(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let first = hidden_states.narrow(1, 0, 1).squeeze_dim::<2>(1);
        project(&self.dense, first).tanh()
    }
}

/// Token ids to hidden states, and to one pooled vector a sequence; Hugging Face `BertModel`.
#[derive(Module, Debug)]
pub struct BertModel {
    /// Holds the word table, which the masked language model head shares.
    pub embeddings: BertEmbeddings,
    encoder: BertEncoder,
    pooler: Option<BertPooler>,
}

impl BertModel {
    /// Draws all weights, in the order of the forward pass.
    pub fn new<K: Kind>(config: &EncoderConfig<K>, init: &mut Init) -> Self {
        let without = Self::without_pooler(config, init);
        Self {
            pooler: Some(BertPooler::new(config, init)),
            ..without
        }
    }

    /// Draws a model without a pooler, as the heads over tokens use it.
    pub fn without_pooler<K: Kind>(config: &EncoderConfig<K>, init: &mut Init) -> Self {
        // The fields are drawn in this order.
        Self {
            embeddings: BertEmbeddings::new(config, init),
            encoder: BertEncoder::new(config, init),
            pooler: None,
        }
    }

    /// Draws a model with a pooler if `file` has one, alone or behind the prefix of its architecture.
    pub fn as_in_file<K: Kind>(
        config: &EncoderConfig<K>,
        file: &ModelFile,
        init: &mut Init,
    ) -> Self {
        let base_prefix = K::FILE_NAMES.options.base_prefix;
        let prefixes = [Some(""), base_prefix].into_iter().flatten();
        let mut names = prefixes.map(|prefix| format!("{prefix}pooler.dense.weight"));
        if names.any(|name| file.info(&name).is_some()) {
            Self::new(config, init)
        } else {
            Self::without_pooler(config, init)
        }
    }

    /// The last layer's hidden states.
    ///
    /// # Shapes
    /// - returns `[batch, seq_len, hidden_size]`; what stands at padding means nothing
    ///
    /// # Panics
    /// If the inputs' shapes differ: the caller's mistake.
    pub fn forward(&self, inputs: EncoderInputs) -> Tensor<3> {
        let embedded = self
            .embeddings
            .forward(inputs.input_ids, inputs.token_type_ids);
        self.encode(embedded, inputs.attention_mask)
    }

    /// The last layer's hidden states, from the embeddings on.
    ///
    /// # Shapes
    /// - `embedded`: `[batch, seq_len, hidden_size]`
    /// - `attention_mask`: `[batch, seq_len]`, 1 = attend, 0 = padding
    /// - returns `[batch, seq_len, hidden_size]`; what stands at padding means nothing
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn encode(&self, embedded: Tensor<3>, attention_mask: Option<Tensor<2, Int>>) -> Tensor<3> {
        self.encoder
            .forward(embedded, attention_mask.map(is_padding))
    }

    /// One vector a sequence, or `None` without a pooler.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, hidden_size]`
    /// - returns `[batch, hidden_size]`
    pub fn pool(&self, hidden_states: Tensor<3>) -> Option<Tensor<2>> {
        let pooler = self.pooler.as_ref()?;
        Some(pooler.forward(hidden_states))
    }

    /// The word table `[vocab_size, hidden_size]`, to be handed to the masked language model head.
    pub fn word_embeddings(&self) -> Tensor<2> {
        self.embeddings.word_embeddings.weight.val()
    }
}

impl Encoder for BertModel {
    type Config = BertConfig;

    const NAMES: &'static [&'static str] = &["BertModel"];
    const POOLS: bool = true;
    const TOKEN_CLASSIFICATION: &'static [&'static str] = &["BertForTokenClassification"];
    const QUESTION_ANSWERING: &'static [&'static str] = &["BertForQuestionAnswering"];

    fn width(config: &BertConfig) -> usize {
        config.hidden_size
    }

    fn dropout(config: &BertConfig) -> f64 {
        config.classifier_dropout()
    }

    fn draw(config: &BertConfig, init: &mut Init) -> Self {
        Self::without_pooler(config, init)
    }

    fn for_file(config: &BertConfig, file: &ModelFile, init: &mut Init) -> Self {
        Self::as_in_file(config, file, init)
    }

    fn sum(&self, inputs: &EncoderInputs) -> Tensor<3> {
        self.embeddings
            .sum(inputs.input_ids.clone(), inputs.token_type_ids.clone())
    }

    fn encoded_from(&self, sum: Tensor<3>, inputs: EncoderInputs) -> Encoded {
        let hidden_states = self.encode(self.embeddings.finish(sum), inputs.attention_mask);
        Encoded {
            pooled: self.pool(hidden_states.clone()),
            ..Encoded::new(hidden_states)
        }
    }
}
