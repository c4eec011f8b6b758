//! Filling masks: the most probable tokens at every `[MASK]` of a text.

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_learner::LearnError;
use kiln_learner::architecture::{FillMaskRequest, MaskCandidate, MaskFilling};
use kiln_nn::{Init, gather_positions};
use kiln_text::tokenizer::Tokenizer;

use crate::open::{check_sizes, open_config, open_weights};
use crate::{BertConfig, BertForPreTraining, BertInputs};

/// A masked language model with its tokenizer, opened once and used for many texts.
#[derive(Debug)]
pub struct MaskFiller {
    model: BertForPreTraining,
    tokenizer: Tokenizer,
    config: BertConfig,
    mask: u32,
    device: Device,
}

impl MaskFiller {
    /// Opens a Hugging Face folder that holds a BERT with a masked language model head.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the model has no such head: a fresh one would give
    /// random words.
    pub fn open(folder: &std::path::Path, device: &Device) -> Result<Self, LearnError> {
        let config = open_config(folder)?;
        let tokenizer = Tokenizer::open(folder)?;
        let mask = tokenizer.vocabulary()?.mask;
        if tokenizer.vocab_size() as usize > config.vocab_size {
            return Err(LearnError::Settings(format!(
                "{}: the tokenizer has {} tokens, the model {}; they do not belong together",
                folder.display(),
                tokenizer.vocab_size(),
                config.vocab_size
            )));
        }
        let weights = ModelFile::open(folder)?;
        check_sizes(&config, &weights)?;
        let model = BertForPreTraining::masked_lm(&config, &mut Init::zeros(device));
        let (model, report) = open_weights(model, &weights)?;
        if !report.missing.is_empty() {
            return Err(OpenError::Incomplete {
                path: weights.path().into(),
                missing: report.missing,
                unused: Vec::new(),
            }
            .into());
        }
        Ok(Self {
            model,
            tokenizer,
            config,
            mask,
            device: device.clone(),
        })
    }

    /// The `top_k` best tokens at every mask of `text`, masks in order.
    ///
    /// # Errors
    /// If the text has no mask or is longer than the model's positions.
    pub fn fill(&self, text: &str, top_k: usize) -> Result<Vec<MaskFilling>, LearnError> {
        let ids = self.tokenizer.encode_with_specials(text)?;
        let excerpt: String = text.chars().take(60).collect();
        let positions: Vec<usize> = ids
            .iter()
            .enumerate()
            .filter(|(_, id)| **id == self.mask)
            .map(|(position, _)| position)
            .collect();
        if positions.is_empty() {
            return Err(LearnError::Settings(format!(
                "\"{excerpt}\": no mask in this text; write {} where a word is to be filled in",
                self.tokenizer.token(self.mask).unwrap_or_default()
            )));
        }
        if ids.len() > self.config.max_position_embeddings {
            return Err(LearnError::Settings(format!(
                "\"{excerpt}\": {} tokens, the model takes {}; shorten the text",
                ids.len(),
                self.config.max_position_embeddings
            )));
        }
        let probabilities = self.probabilities(&ids, &positions)?;
        let vocab_size = self.tokenizer.vocab_size() as usize;
        Ok(positions
            .into_iter()
            .zip(probabilities.chunks(self.config.vocab_size))
            .map(|(position, row)| MaskFilling {
                position,
                candidates: self.best(&row[..vocab_size.min(row.len())], top_k),
            })
            .collect())
    }

    /// Probabilities of all tokens at `positions`, flat `[positions, vocab_size]`.
    fn probabilities(&self, ids: &[u32], positions: &[usize]) -> Result<Vec<f32>, LearnError> {
        let row = |values: Vec<i32>| {
            let count = values.len();
            Tensor::<2, Int>::from_data(TensorData::new(values, [1, count]), &self.device)
        };
        let hidden_states = self.model.bert.forward(BertInputs {
            input_ids: row(ids.iter().map(|&id| id as i32).collect()),
            attention_mask: None,
            token_type_ids: row(vec![0; ids.len()]),
        });
        let positions = row(positions.iter().map(|&position| position as i32).collect());
        let logits = self
            .model
            .prediction_logits(gather_positions(hidden_states, positions));
        softmax(logits, 1)
            .try_into_vec_as::<f32>()
            .map_err(|error| LearnError::Device {
                step: 0,
                reason: error.to_string(),
            })
    }

    fn best(&self, row: &[f32], top_k: usize) -> Vec<MaskCandidate> {
        let mut ids: Vec<usize> = (0..row.len()).collect();
        // By falling probability, then by id: the same list on every machine.
        ids.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
        ids.into_iter()
            .take(top_k)
            .map(|id| MaskCandidate {
                token: self.tokenizer.token(id as u32).unwrap_or_default(),
                id: id as u32,
                score: f64::from(row[id]),
            })
            .collect()
    }
}

/// Fills the masks of all texts of a request.
///
/// # Errors
/// As [`MaskFiller::open`] and [`MaskFiller::fill`].
pub(crate) fn fill_mask(request: &FillMaskRequest) -> Result<Vec<Vec<MaskFilling>>, LearnError> {
    let filler = MaskFiller::open(&request.model, &request.device)?;
    request
        .texts
        .iter()
        .map(|text| filler.fill(text, request.top_k))
        .collect()
}
