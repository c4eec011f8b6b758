//! BERT's pretraining objective: masked language modelling and next sentence prediction.
//!
//! Devlin et al. 2019, section 3.1. With p the softmax over the vocabulary at a chosen position and
//! q the softmax over "follows" and "random":
//!
//! ```text
//! loss = mean over chosen tokens (-log p[original]) + mean over pairs (-log q[label])
//! ```
//!
//! The means run over the whole step, whatever its number of micro-batches and devices; the
//! vocabulary is scored at the chosen positions alone. (The original adds 1e-5 to the first mean's
//! divisor to survive a batch without a mask; here such a batch has the mean 0.)

use burn::tensor::{Device, Int, Tensor};
use kiln_learner::upload::{floats, ints};
use kiln_learner::{ConstantGuess, ModelFiles, Objective, PartOutput, TermSpec};
use kiln_tasks::Class;
use kiln_tasks::masked_lm::{MaskedLmBatch, score, total};
use kiln_tasks::model_files::model_files;
use kiln_text::HostBatch;
use kiln_text::tokenizer::Tokenizer;

use crate::{BertConfig, BertForMaskedLm, BertForPreTraining};

/// One micro-batch on a device.
#[derive(Debug, Clone)]
pub struct PretrainingBatch {
    /// Masked words.
    pub masked: MaskedLmBatch,
    /// Where sentence pairs are built.
    pub next_sentence: Option<NextSentenceBatch>,
}

/// The labels of next sentence prediction.
#[derive(Debug, Clone)]
pub struct NextSentenceBatch {
    /// `[batch]`, 0 = B follows A, 1 = B is random.
    pub labels: Tensor<1, Int>,
    /// `[batch]`, 1, or 0 for a row that only fills up an evaluation.
    pub weights: Tensor<1>,
}

/// What BERT is pretrained with. Holds settings, no parameters.
#[derive(Debug, Clone)]
pub struct BertPretraining {
    config: BertConfig,
    next_sentence: bool,
}

impl BertPretraining {
    /// Masked language modelling, and next sentence prediction if asked, for a model of `config`.
    pub fn new(config: BertConfig, next_sentence: bool) -> Self {
        Self {
            config,
            next_sentence,
        }
    }

    /// A model to train, drawn by `init`.
    pub fn new_model(&self, init: &mut kiln_nn::Init) -> BertForPreTraining {
        if self.next_sentence {
            BertForPreTraining::new(&self.config, init)
        } else {
            BertForPreTraining::masked_lm(&self.config, init)
        }
    }

    /// The model's files in a checkpoint, with the tokenizer if there is one.
    pub fn files(&self, tokenizer: Option<Tokenizer>) -> ModelFiles<BertForPreTraining> {
        model_files(self.config.clone(), self.class(), tokenizer)
    }

    /// The names of the Hugging Face class that a checkpoint opens as.
    fn class(&self) -> &'static [&'static str] {
        if self.next_sentence {
            BertForPreTraining::NAMES
        } else {
            BertForMaskedLm::NAMES
        }
    }
}

impl Objective for BertPretraining {
    type Model = BertForPreTraining;
    type Batch = PretrainingBatch;
    type Scratch = ();
    type Carry = ();

    fn terms(&self) -> Vec<TermSpec> {
        let term = |name, is_perplexity, constant| TermSpec {
            name,
            part: 0,
            coefficient: 1.0,
            is_perplexity,
            constant,
        };
        let mut terms = vec![term("mlm_loss", true, ConstantGuess::WORDS)];
        if self.next_sentence {
            // Small models stay at a coin's loss for long while they learn words.
            terms.push(term("nsp_loss", false, ConstantGuess::Untold));
        }
        terms
    }

    fn measure_names(&self) -> Vec<&'static str> {
        if self.next_sentence {
            vec!["mlm_accuracy", "nsp_accuracy"]
        } else {
            vec!["mlm_accuracy"]
        }
    }

    fn weights(&self, batch: &HostBatch) -> Vec<f64> {
        let mut weights = vec![MaskedLmBatch::weight(batch)];
        if self.next_sentence {
            weights.push(total(batch, "example_weight"));
        }
        weights
    }

    fn upload(&self, batch: &HostBatch, device: &Device) -> PretrainingBatch {
        PretrainingBatch {
            masked: MaskedLmBatch::upload(batch, device),
            next_sentence: self.next_sentence.then(|| NextSentenceBatch {
                labels: ints(batch, "next_sentence_label", device),
                weights: floats(batch, "example_weight", device),
            }),
        }
    }

    fn start_carry(&self, _: &Device) {}

    fn forward(
        &self,
        model: &BertForPreTraining,
        _: usize,
        batch: &PretrainingBatch,
        (): (),
        (): &(),
    ) -> PartOutput<Self> {
        let masked = &batch.masked;
        let logits = model.forward(masked.inputs(), masked.positions.clone());
        let (sum, accuracy) = masked.score(logits.predictions, "mlm_accuracy");
        let mut output = PartOutput {
            sums: vec![sum],
            measures: vec![accuracy],
            scratch: (),
            carry: (),
        };
        if let (Some(logits), Some(pairs)) = (logits.seq_relationship, &batch.next_sentence) {
            let (labels, weights) = (pairs.labels.clone(), pairs.weights.clone());
            let (sum, accuracy) = score(logits, labels, weights, "nsp_accuracy");
            output.sums.push(sum);
            output.measures.push(accuracy);
        }
        output
    }
}
