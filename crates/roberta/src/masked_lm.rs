//! RoBERTa's masked language model, and the objective that it is pretrained with (Liu et al. 2019,
//! section 4): masks drawn anew whenever a sequence is read, sequences full of text, no next sentence.

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use kiln_bert::BertInputs;
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::{Activation, Apart, HeadTransform, Init, MaskedLmHead, gather_positions};
use kiln_tasks::class::{Class, Encoded, Encoder};
use kiln_tasks::heads::WordLogits;
use kiln_tasks::masked_lm_pretraining::{MaskedLm, MaskedLmPretraining};
use kiln_tasks::tying::{apart, apart_in};

use crate::names::LOAD_OPTIONS;
use crate::{RobertaConfig, RobertaModel};

/// What RoBERTa is pretrained with.
pub type RobertaPretraining = MaskedLmPretraining<RobertaForMaskedLm>;

/// The encoder, without a pooler, and the masked language model head.
#[derive(Module, Debug)]
#[doc(alias = "RobertaForMaskedLM")]
pub struct RobertaForMaskedLm {
    /// The encoder.
    pub roberta: RobertaModel,
    lm_head: MaskedLmHead,
}

impl RobertaForMaskedLm {
    /// Draws encoder and head.
    pub fn new(config: &RobertaConfig, init: &mut Init) -> Self {
        Self::with_apart(config, apart(&config.other), init)
    }

    /// Draws encoder and head; the head keeps `apart` from the word table, and its activation is gelu
    /// whatever `hidden_act` says, as in Hugging Face.
    fn with_apart(config: &RobertaConfig, apart: Apart, init: &mut Init) -> Self {
        let roberta = RobertaModel::draw(config, init);
        let (width, eps) = (config.hidden_size, config.layer_norm_eps);
        let transform = HeadTransform::new((width, width), Activation::Gelu, eps, init);
        Self {
            roberta,
            lm_head: MaskedLmHead::new(transform, config.vocab_size, apart, init),
        }
    }

    /// Scores the vocabulary at every position given.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, n, hidden_size]`
    /// - returns `[batch * n, vocab_size]`
    pub fn prediction_logits(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let words = self.roberta.bert.word_embeddings();
        self.lm_head.forward(hidden_states.flatten(0, 1), words)
    }
}

impl Class for RobertaForMaskedLm {
    type Config = RobertaConfig;
    type Encoder = RobertaModel;
    type Head = WordLogits;

    const NAMES: &'static [&'static str] = &["RobertaForMaskedLM"];

    fn for_file(
        config: &RobertaConfig,
        file: &ModelFile,
        init: &mut Init,
    ) -> Result<Self, OpenError> {
        let apart = apart_in(file, &LOAD_OPTIONS, &config.other)?;
        Ok(Self::with_apart(config, apart, init))
    }

    fn encoder(&self) -> &RobertaModel {
        &self.roberta
    }

    fn head(&self, encoded: &Encoded) -> WordLogits {
        WordLogits {
            logits: self.prediction_logits(encoded.hidden_states.clone()),
        }
    }
}

impl MaskedLm for RobertaForMaskedLm {
    type Form = ();

    fn fields(config: &mut RobertaConfig) -> (&mut Option<usize>, f64) {
        (&mut config.pad_token_id, config.initializer_range)
    }

    fn draw(config: &RobertaConfig, (): &(), init: &mut Init) -> Self {
        Self::new(config, init)
    }

    fn predictions(&self, inputs: BertInputs, positions: Tensor<2, Int>) -> Tensor<2> {
        let hidden_states = self.roberta.bert.forward(inputs);
        self.prediction_logits(gather_positions(hidden_states, positions))
    }
}
