//! Filling masks: the most probable tokens at every `[MASK]` of a text.

use burn::tensor::Device;
use burn::tensor::activation::softmax;
use kiln_checkpoint::ModelFile;
use kiln_learner::LearnError;
use kiln_nn::{Init, gather_positions};
use kiln_tasks::architecture::{FillMaskRequest, MaskFilling};
use kiln_tasks::fill_mask::TextFiller;
use kiln_tasks::one_text::{read_output, text_inputs, text_positions};
use kiln_tasks::tying::{apart_in, fresh_biases};

use crate::BertForPreTraining;
use crate::names::LOAD_OPTIONS;
use crate::open::{check_sizes, open_config, open_weights};

/// A masked language model with its tokenizer, opened once and used for many texts.
#[derive(Debug)]
pub struct MaskFiller {
    model: BertForPreTraining,
    texts: TextFiller,
    device: Device,
    warning: Option<String>,
}

impl MaskFiller {
    /// Opens a Hugging Face folder that holds a BERT with a masked language model head.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the model has no such head: a fresh one would give
    /// random words.
    pub fn open(folder: &std::path::Path, device: &Device) -> Result<Self, LearnError> {
        let config = open_config(folder)?;
        let texts = TextFiller::open(folder, config.sizes())?;
        let weights = ModelFile::open(folder)?;
        check_sizes(&config, &weights)?;
        let apart = apart_in(&weights, &LOAD_OPTIONS, &config.other)?;
        let init = &mut Init::zeros(device);
        let model = BertForPreTraining::masked_lm(&config, init).with_apart(apart, init);
        let (model, report) = open_weights(model, &weights)?;
        report.require_all(weights.path())?;
        Ok(Self {
            model,
            texts,
            device: device.clone(),
            warning: fresh_biases(&weights, &report),
        })
    }

    /// What is to be told of the folder, if anything: biases that it lacks, which are zeros then.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// The `top_k` best tokens at every mask of `text`, masks in order.
    ///
    /// # Errors
    /// If the text has no mask or is longer than the model's positions.
    pub fn fill(&self, text: &str, top_k: usize) -> Result<Vec<MaskFilling>, LearnError> {
        let model = |ids: &[u32], positions: &[usize]| self.probabilities(ids, positions);
        self.texts.fill(text, top_k, model)
    }

    /// Probabilities of all tokens at `positions`, flat `[positions, vocab_size]`.
    fn probabilities(&self, ids: &[u32], positions: &[usize]) -> Result<Vec<f32>, LearnError> {
        let inputs = text_inputs(ids, &self.device);
        let positions = text_positions(positions, &self.device);
        let hidden_states = self.model.bert.forward(inputs);
        let gathered = gather_positions(hidden_states, positions);
        let logits = self.model.prediction_logits(gathered);
        read_output(softmax(logits, 1))
    }
}

/// Fills the masks of all texts of a request.
///
/// # Errors
/// As [`MaskFiller::open`] and [`MaskFiller::fill`].
pub(crate) fn fill_mask(request: &FillMaskRequest) -> Result<Vec<Vec<MaskFilling>>, LearnError> {
    let filler = MaskFiller::open(&request.model, &request.device)?;
    if let Some(warning) = filler.warning() {
        (request.warn)(warning);
    }
    request.fill_all(|text, top_k| filler.fill(text, top_k))
}
