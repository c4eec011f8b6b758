//! BERT's masked language model: hidden states to vocabulary logits.
//!
//! Devlin et al. 2019, section 3.1, task 1; Hugging Face `BertLMPredictionHead`.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::{Apart, Decoder, HeadTransform, Init, gather_positions};
use kiln_tasks::class::{Class, Encoded};
use kiln_tasks::heads::WordLogits;
use kiln_tasks::predict::{PredictWords, TextBatch};
use kiln_tasks::tying::apart_in;
use kiln_text::Vocabulary;

use crate::names::LOAD_OPTIONS;
use crate::{BertConfig, BertModel};

/// Scores every vocabulary entry at the positions it is given.
///
/// The word table is an argument, not a field: the tied matrix has one owner, hence one gradient,
/// one optimizer state and one entry in the checkpoint. Where config.json does not tie, the decoder
/// has a matrix and a bias of its own, and the bias here is nobody's, as in Hugging Face.
#[derive(Module, Debug)]
pub struct MaskedLmHead {
    transform: HeadTransform,
    decoder: Decoder,
    /// `[vocab_size]`
    bias: Param<Tensor<1>>,
}

impl MaskedLmHead {
    /// Draws the transform, and what the decoder keeps `apart`; the bias is zero.
    pub fn new(config: &BertConfig, apart: Apart, init: &mut Init) -> Self {
        let (width, vocab_size) = (config.hidden_size, config.vocab_size);
        let (activation, eps) = (config.hidden_act, config.layer_norm_eps);
        Self {
            transform: HeadTransform::new((width, width), activation, eps, init),
            decoder: Decoder::new(apart, [vocab_size, width], init),
            bias: init.filled([vocab_size], 0.0),
        }
    }

    /// Unnormalised log-probabilities of every word.
    ///
    /// # Shapes
    /// - `hidden_states`: `[n, hidden_size]`, one row a position, gathered or all of them
    /// - `word_embeddings`: `[vocab_size, hidden_size]`
    /// - returns `[n, vocab_size]`
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn forward(&self, hidden_states: Tensor<2>, word_embeddings: Tensor<2>) -> Tensor<2> {
        let transformed = self.transform.forward(hidden_states);
        self.decoder
            .score(transformed, word_embeddings, self.bias.val())
    }
}

/// The head's part of [`BertForMaskedLm`]; Hugging Face `BertOnlyMLMHead`.
#[derive(Module, Debug)]
pub struct OnlyMaskedLmHead {
    predictions: MaskedLmHead,
}

/// The encoder, without a pooler, and the masked language model head.
#[derive(Module, Debug)]
#[doc(alias = "BertForMaskedLM")]
pub struct BertForMaskedLm {
    /// The encoder.
    pub bert: BertModel,
    cls: OnlyMaskedLmHead,
}

impl BertForMaskedLm {
    /// Scores the vocabulary at every position given.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, n, hidden_size]`
    /// - returns `[batch * n, vocab_size]`
    pub fn prediction_logits(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let rows = hidden_states.flatten::<2>(0, 1);
        self.cls
            .predictions
            .forward(rows, self.bert.word_embeddings())
    }
}

impl Class for BertForMaskedLm {
    type Config = BertConfig;
    type Encoder = BertModel;
    type Head = WordLogits;

    const NAMES: &'static [&'static str] = &["BertForMaskedLM"];

    fn for_file(config: &BertConfig, file: &ModelFile, init: &mut Init) -> Result<Self, OpenError> {
        let apart = apart_in(file, &LOAD_OPTIONS, &config.other)?;
        Ok(Self {
            bert: BertModel::without_pooler(config, init),
            cls: OnlyMaskedLmHead {
                predictions: MaskedLmHead::new(config, apart, init),
            },
        })
    }

    fn encoder(&self) -> &BertModel {
        &self.bert
    }

    fn head(&self, encoded: &Encoded) -> WordLogits {
        WordLogits {
            logits: self.prediction_logits(encoded.hidden_states.clone()),
        }
    }
}

impl PredictWords for BertForMaskedLm {
    fn word_logits(&self, batch: &TextBatch<'_>, _: &Vocabulary, device: &Device) -> Tensor<2> {
        let hidden_states = self.bert.forward(batch.inputs(device));
        self.prediction_logits(gather_positions(hidden_states, batch.positions(device)))
    }
}
