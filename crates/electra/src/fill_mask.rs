//! Filling masks with the generator: the most probable tokens at every `[MASK]` of a text.

use std::path::Path;

use burn::tensor::Device;
use burn::tensor::activation::softmax;
use kiln_checkpoint::ModelFile;
use kiln_learner::LearnError;
use kiln_nn::{Init, gather_positions};
use kiln_tasks::architecture::{FillMaskRequest, MaskFilling};
use kiln_tasks::fill_mask::TextFiller;
use kiln_tasks::one_text::{read_output, text_inputs, text_positions};
use kiln_tasks::replaced_tokens::Half;
use kiln_tasks::tying::apart_in;

use crate::ElectraForMaskedLm;
use crate::names::LOAD_OPTIONS;
use crate::open::{check_sizes, open_all_weights, open_config};

/// A generator with its tokenizer, opened once and used for many texts.
#[derive(Debug)]
pub struct MaskFiller {
    model: ElectraForMaskedLm,
    texts: TextFiller,
    device: Device,
}

impl MaskFiller {
    /// Opens a generator's Hugging Face folder, or that within a pair's.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the model has no masked language model head: a fresh one
    /// would give random words.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, LearnError> {
        let folder = Half::Generator.meant_by(folder);
        let config = open_config(&folder)?;
        let texts = TextFiller::open(&folder, config.encoder().sizes())?;
        let weights = ModelFile::open(&folder)?;
        check_sizes(&config, &weights)?;
        let apart = apart_in(&weights, &LOAD_OPTIONS, &config.other)?;
        let init = &mut Init::zeros(device);
        let model = ElectraForMaskedLm::new(&config, init).with_apart(apart, init);
        Ok(Self {
            model: open_all_weights(model, &weights)?,
            texts,
            device: device.clone(),
        })
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
        let hidden_states = self.model.electra.forward(inputs);
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
    request.fill_all(|text, top_k| filler.fill(text, top_k))
}
