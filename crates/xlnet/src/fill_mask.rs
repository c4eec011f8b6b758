//! Filling masks: the masked places come last in the order, so that each is predicted from all tokens
//! that are there.

use std::path::Path;

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_checkpoint::ModelFile;
use kiln_learner::LearnError;
use kiln_nn::Init;
use kiln_tasks::architecture::{FillMaskRequest, MaskFilling};
use kiln_tasks::fill_mask::TextFiller;
use kiln_tasks::one_text::{read_output, text_positions};
use kiln_tasks::tying::apart_in;
use kiln_text::Vocabulary;

use crate::model::{Targets, XlnetInputs};
use crate::names::LOAD_OPTIONS;
use crate::open::{check_sizes, open_config, open_weights};
use crate::{Visibility, XlnetConfig, XlnetLmHeadModel};

/// Ranks, as in training, of an order of three steps: ordinary tokens see each other, `<sep>` and
/// `<cls>` see them too, and the masked ones all of those, but neither themselves nor each other.
const ORDINARY: Ranks = Ranks { query: 0, key: -1 };
const FUNCTIONAL: Ranks = Ranks { query: 1, key: 0 };
const MASKED: Ranks = Ranks { query: 1, key: 1 };

#[derive(Clone, Copy)]
struct Ranks {
    query: i32,
    key: i32,
}

/// A language model with its tokenizer, opened once and used for many texts.
#[derive(Debug)]
pub struct MaskFiller {
    model: XlnetLmHeadModel,
    texts: TextFiller,
    device: Device,
}

impl MaskFiller {
    /// Opens a Hugging Face folder.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the model has no language model head: a fresh one would
    /// give random words.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, LearnError> {
        let config = open_config(folder)?;
        let weights = ModelFile::open(folder)?;
        let texts = TextFiller::open(folder, config.sizes())?;
        check_sizes(&config, &weights)?;
        // One text is read, and forwards.
        let forwards = XlnetConfig {
            bi_data: false,
            ..config.with_own_biases()
        };
        let apart = apart_in(&weights, &LOAD_OPTIONS, &forwards.other)?;
        let init = &mut Init::zeros(device);
        let model = XlnetLmHeadModel::new(&forwards, init).with_apart(apart, init);
        let (model, report) = open_weights(model, &weights)?;
        report.require_all(weights.path())?;
        Ok(Self {
            model,
            texts,
            device: device.clone(),
        })
    }

    /// The `top_k` best tokens at every mask of `text`, masks in order.
    ///
    /// # Errors
    /// If the text has no mask.
    pub fn fill(&self, text: &str, top_k: usize) -> Result<Vec<MaskFilling>, LearnError> {
        let model = |ids: &[u32], positions: &[usize]| self.probabilities(ids, positions);
        self.texts.fill(text, top_k, model)
    }

    /// Probabilities of all tokens at `positions`, flat `[positions, vocab_size]`.
    fn probabilities(&self, ids: &[u32], positions: &[usize]) -> Result<Vec<f32>, LearnError> {
        let &Vocabulary { cls, sep, mask, .. } = self.texts.vocabulary();
        let ranks = ids.iter().map(|&id| match id {
            id if id == mask => MASKED,
            id if id == cls || id == sep => FUNCTIONAL,
            _ => ORDINARY,
        });
        let row = |values: Vec<i32>| -> Tensor<2, Int> {
            let shape = [1, values.len()];
            Tensor::from_data(TensorData::new(values, shape), &self.device)
        };
        let types = ids.iter().map(|&id| if id == cls { 2 } else { 0 });
        let inputs = XlnetInputs {
            input_ids: row(ids.iter().map(|&id| id as i32).collect()),
            token_type_ids: Some(row(types.collect())),
            segment_columns: 3,
            visibility: Visibility::Ranks {
                queries: row(ranks.clone().map(|ranks| ranks.query).collect()),
                keys: row(ranks.map(|ranks| ranks.key).collect()),
            },
            targets: Some(Targets {
                positions: text_positions(positions, &self.device),
                is_present: None,
            }),
            memory: None,
        };
        let (logits, _) = self.model.forward(inputs);
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
