//! DeBERTa's masked language modelling (He et al. 2021, section 3.2), with the enhanced mask decoder.
//!
//! ```text
//! loss = mean over chosen tokens (-log p[original])
//! ```
//!
//! with p the softmax over the vocabulary at a chosen position. The mean runs over the whole step,
//! whatever its number of micro-batches and devices; decoder and vocabulary are computed at the
//! chosen positions alone.

use burn::tensor::Device;
use kiln_learner::{ConstantGuess, ModelFiles, Objective, PartOutput, TermSpec};
use kiln_nn::Init;
use kiln_tasks::Family;
use kiln_tasks::masked_lm::MaskedLmBatch;
use kiln_tasks::tokenizer::write_tokenizer;
use kiln_text::HostBatch;
use kiln_text::tokenizer::Tokenizer;

use crate::open::write_masked_lm;
use crate::{DebertaConfig, DebertaForMaskedLm, MaskedLmForm};

/// What DeBERTa v1 and v2 are pretrained with. Holds settings, no parameters.
#[derive(Debug, Clone)]
pub struct DebertaPretraining {
    config: DebertaConfig,
    form: MaskedLmForm,
}

impl DebertaPretraining {
    /// Masked language modelling for a model of `config`, with the head and decoder of `form`.
    pub fn new(config: DebertaConfig, form: MaskedLmForm) -> Self {
        Self { config, form }
    }

    /// A model to train, drawn by `init`.
    pub fn new_model(&self, init: &mut Init) -> DebertaForMaskedLm {
        DebertaForMaskedLm::new(&self.config, self.form, init)
    }

    /// The model's files in a checkpoint, with the tokenizer if there is one.
    pub fn files(&self, tokenizer: Option<Tokenizer>) -> ModelFiles<DebertaForMaskedLm> {
        let config = self.config.clone();
        ModelFiles::new(
            move |model, folder| {
                write_masked_lm(model, &config, folder)?;
                write_tokenizer(tokenizer.as_ref(), folder)
            },
            DebertaConfig::open_complete,
        )
    }
}

impl Objective for DebertaPretraining {
    type Model = DebertaForMaskedLm;
    type Batch = MaskedLmBatch;
    type Scratch = ();
    type Carry = ();

    fn terms(&self) -> Vec<TermSpec> {
        vec![TermSpec {
            name: "mlm_loss",
            part: 0,
            coefficient: 1.0,
            is_perplexity: true,
            constant: ConstantGuess::WORDS,
        }]
    }

    fn measure_names(&self) -> Vec<&'static str> {
        vec!["mlm_accuracy"]
    }

    fn weights(&self, batch: &HostBatch) -> Vec<f64> {
        vec![MaskedLmBatch::weight(batch)]
    }

    fn upload(&self, batch: &HostBatch, device: &Device) -> MaskedLmBatch {
        MaskedLmBatch::upload(batch, device)
    }

    fn start_carry(&self, _: &Device) {}

    fn forward(
        &self,
        model: &DebertaForMaskedLm,
        _: usize,
        batch: &MaskedLmBatch,
        (): (),
        (): &(),
    ) -> PartOutput<Self> {
        let logits = model.predictions(batch.inputs(), batch.positions.clone());
        let (sum, accuracy) = batch.score(logits, "mlm_accuracy");
        PartOutput {
            sums: vec![sum],
            measures: vec![accuracy],
            scratch: (),
            carry: (),
        }
    }
}
