//! Filling masks: the most probable tokens at every `[MASK]` of a text, by the enhanced mask decoder
//! where the checkpoint has one.

use std::path::Path;

use burn::tensor::Device;
use burn::tensor::activation::softmax;
use kiln_checkpoint::ModelFile;
use kiln_learner::LearnError;
use kiln_nn::Init;
use kiln_tasks::architecture::{FillMaskRequest, MaskFilling};
use kiln_tasks::fill_mask::TextFiller;
use kiln_tasks::one_text::{read_output, text_inputs, text_positions};
use kiln_tasks::replaced_tokens::Half;
use kiln_tasks::tying::{apart_in, fresh_biases};

use crate::names::names_of;
use crate::open::{check_masked_lm_sizes, masked_lm_form, open_config, open_weights};
use crate::{DebertaForMaskedLm, MaskedLmForm};

/// A masked language model with its tokenizer, opened once and used for many texts.
#[derive(Debug)]
pub struct MaskFiller {
    model: DebertaForMaskedLm,
    texts: TextFiller,
    device: Device,
    warning: Option<String>,
}

impl MaskFiller {
    /// Opens a Hugging Face folder, or the generator's within a pair's.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the model has no masked language model head: a fresh one
    /// would give random words.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, LearnError> {
        let folder = Half::Generator.meant_by(folder);
        let config = open_config(&folder)?;
        let weights = ModelFile::open(&folder)?;
        let form = masked_lm_form(&config, &weights)?;
        let texts = TextFiller::open(
            &folder,
            match form {
                MaskedLmForm::Enhanced => config.sizes_with_positions(),
                MaskedLmForm::Legacy | MaskedLmForm::Plain => config.sizes(),
            },
        )?;
        check_masked_lm_sizes(&config, form, &weights)?;
        let apart = apart_in(&weights, names_of(&weights).options, &config.other)?;
        let init = &mut Init::zeros(device);
        let model = DebertaForMaskedLm::new(&config, form, init).with_apart(apart, init);
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
        let logits = self.model.predictions(inputs, positions);
        read_output(softmax(logits, 1))
    }
}

/// Fills the masks of all texts of a request.
///
/// # Errors
/// As [`MaskFiller::open`] and [`MaskFiller::fill`].
pub fn fill_mask(request: &FillMaskRequest) -> Result<Vec<Vec<MaskFilling>>, LearnError> {
    let filler = MaskFiller::open(&request.model, &request.device)?;
    if let Some(warning) = filler.warning() {
        (request.warn)(warning);
    }
    request.fill_all(|text, top_k| filler.fill(text, top_k))
}
