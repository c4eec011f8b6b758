//! The generator's head: hidden states to vocabulary logits.
//!
//! Clark et al. 2020, section 2, p_G; Hugging Face `ElectraGeneratorPredictions` and
//! `ElectraForMaskedLM`.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, assert_shape};
use kiln_bert::BertInputs;
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::{Activation, Apart, Decoder, Init, LayerNorm, gather_positions};
use kiln_tasks::class::{Class, Encoder, Outputs};
use kiln_tasks::heads::WordLogits;
use kiln_tasks::predict::{PredictWords, TextBatch};
use kiln_tasks::tying;
use kiln_text::Vocabulary;

use crate::names::LOAD_OPTIONS;
use crate::{ElectraConfig, ElectraModel};

/// Back to the width of the embeddings: `dense`, gelu, LayerNorm.
#[derive(Module, Debug)]
pub struct GeneratorPredictions {
    dense: Linear,
    layer_norm: LayerNorm,
}

/// What the decoder has beside the word table, or, where config.json does not tie, apart from it.
#[derive(Module, Debug)]
pub struct GeneratorLmHead {
    decoder: Decoder,
    /// `[vocab_size]`
    bias: Param<Tensor<1>>,
}

/// Scores every vocabulary entry at the positions it is given.
///
/// The word table is an argument, not a field: the tied matrix has one owner, hence one gradient,
/// one optimizer state and one entry in the checkpoint.
#[derive(Module, Debug)]
pub struct GeneratorHead {
    generator_predictions: GeneratorPredictions,
    generator_lm_head: GeneratorLmHead,
}

impl GeneratorHead {
    /// Draws the transform; the bias is zero. Whether the decoder has a matrix of its own is the
    /// config's.
    pub fn new(config: &ElectraConfig, init: &mut Init) -> Self {
        let head = Self {
            generator_predictions: GeneratorPredictions {
                dense: init.linear(config.hidden_size, config.embedding_size),
                layer_norm: init.layer_norm(config.embedding_size, config.layer_norm_eps),
            },
            generator_lm_head: GeneratorLmHead {
                decoder: Decoder::shared(),
                bias: init.filled([config.vocab_size], 0.0),
            },
        };
        head.with_apart(tying::apart(&config.other), init)
    }

    /// This head with a decoder that keeps `apart` from the word table; its bias is always its own.
    #[must_use]
    pub fn with_apart(mut self, apart: Apart, init: &mut Init) -> Self {
        let head = &mut self.generator_lm_head;
        let [_, width] = self.generator_predictions.dense.weight.dims();
        let [vocab_size] = head.bias.dims();
        let weight_alone = Apart {
            bias: false,
            ..apart
        };
        head.decoder = Decoder::new(weight_alone, [vocab_size, width], init);
        self
    }

    /// Unnormalised log-probabilities.
    ///
    /// The activation is gelu whatever `hidden_act` says, as in Hugging Face; the original takes
    /// `hidden_act`, and no published model has another one.
    ///
    /// # Shapes
    /// - `hidden_states`: `[n, hidden_size]`, one row a position, gathered or all of them
    /// - `word_embeddings`: `[vocab_size, embedding_size]`
    /// - returns `[n, vocab_size]`
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn forward(&self, hidden_states: Tensor<2>, word_embeddings: Tensor<2>) -> Tensor<2> {
        let bias = self.generator_lm_head.bias.val();
        let [vocab_size] = bias.dims();
        assert_shape!(word_embeddings, [vocab_size, _]);

        let transform = &self.generator_predictions;
        let transformed = transform.dense.forward(hidden_states);
        let transformed = Activation::Gelu.forward(transformed);
        let transformed = transform.layer_norm.forward(transformed);
        self.generator_lm_head
            .decoder
            .score(transformed, word_embeddings, bias)
    }
}

/// The encoder with the generator's head; a masked language model.
#[derive(Module, Debug)]
#[doc(alias = "ElectraForMaskedLM")]
pub struct ElectraForMaskedLm {
    /// The encoder.
    pub electra: ElectraModel,
    /// The head.
    pub head: GeneratorHead,
}

impl ElectraForMaskedLm {
    /// Draws encoder and head.
    pub fn new(config: &ElectraConfig, init: &mut Init) -> Self {
        Self {
            electra: ElectraModel::new(config, init),
            head: GeneratorHead::new(config, init),
        }
    }

    /// This model with a decoder that keeps `apart` from the word table, whatever the config says.
    #[must_use]
    pub fn with_apart(self, apart: Apart, init: &mut Init) -> Self {
        Self {
            head: self.head.with_apart(apart, init),
            ..self
        }
    }

    /// Scores the vocabulary at every position given.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, n, hidden_size]`
    /// - returns `[batch * n, vocab_size]`
    pub fn prediction_logits(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let rows = hidden_states.flatten::<2>(0, 1);
        self.head.forward(rows, self.electra.word_embeddings())
    }
}

impl Class for ElectraForMaskedLm {
    type Config = ElectraConfig;
    type Head = WordLogits;

    const NAMES: &'static [&'static str] = &["ElectraForMaskedLM"];

    fn for_file(
        config: &ElectraConfig,
        file: &ModelFile,
        init: &mut Init,
    ) -> Result<Self, OpenError> {
        let apart = tying::apart_in(file, &LOAD_OPTIONS, &config.other)?;
        Ok(Self::new(config, init).with_apart(apart, init))
    }

    fn outputs(&self, inputs: BertInputs) -> Outputs<WordLogits> {
        self.electra
            .encoded(inputs)
            .with(|hidden_states| WordLogits {
                logits: self.prediction_logits(hidden_states),
            })
    }
}

impl PredictWords for ElectraForMaskedLm {
    fn word_logits(&self, batch: &TextBatch<'_>, _: &Vocabulary, device: &Device) -> Tensor<2> {
        let hidden_states = self.electra.forward(batch.inputs(device));
        self.prediction_logits(gather_positions(hidden_states, batch.positions(device)))
    }
}
