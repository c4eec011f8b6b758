//! Filling masks: the most probable tokens at every mask of a text.

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use kiln_learner::{LearnError, read_values};
use kiln_text::Vocabulary;

use super::batch::in_order;
use super::{Predictor, Text, TextBatch, Texts};
use crate::architecture::{FillMaskRequest, MaskCandidate, MaskFilling};
use crate::class::Class;

/// A class that scores words at chosen places of texts.
pub trait PredictWords: Class {
    /// Scores the vocabulary at the batch's positions alone. `vocabulary` has the ids of the special
    /// tokens.
    ///
    /// # Shapes
    /// - returns `[batch * num_positions, vocab_size]`
    fn word_logits(
        &self,
        batch: &TextBatch<'_>,
        vocabulary: &Vocabulary,
        device: &Device,
    ) -> Tensor<2>;
}

impl<C: PredictWords> Predictor<C> {
    /// The `top_k` best tokens at every mask of each text, masks in order.
    ///
    /// # Errors
    /// If the tokenizer has no mask, or a text has none or is longer than the model's positions.
    pub fn fill_mask<T: AsRef<str>>(
        &self,
        texts: &[T],
        top_k: usize,
    ) -> Result<Vec<Vec<MaskFilling>>, LearnError> {
        let vocabulary = self.texts.vocabulary()?;
        self.texts.fill_mask(texts, top_k, &vocabulary, |batch| {
            let logits = self.model.word_logits(batch, &vocabulary, &self.device);
            read_values(softmax(logits, 1))
        })
    }
}

impl Texts {
    /// The tokenizer's vocabulary, with the ids of the special tokens.
    ///
    /// # Errors
    /// If it lacks one of them, such as a mask.
    pub fn vocabulary(&self) -> Result<Vocabulary, LearnError> {
        Ok(self.tokenizer.vocabulary()?)
    }

    /// The `top_k` best tokens at every mask of each text, masks in order.
    ///
    /// `probabilities` is the model: for a batch it returns the probabilities of all tokens at its
    /// positions, flat `[batch * num_positions * vocab_size]`.
    ///
    /// # Errors
    /// If a text has no mask or is longer than the model's positions, or as `probabilities`.
    pub fn fill_mask<T: AsRef<str>>(
        &self,
        texts: &[T],
        top_k: usize,
        vocabulary: &Vocabulary,
        probabilities: impl Fn(&TextBatch<'_>) -> Result<Vec<f32>, LearnError>,
    ) -> Result<Vec<Vec<MaskFilling>>, LearnError> {
        let texts = texts.iter().enumerate();
        let texts = texts.map(|(index, text)| self.masked(index, text.as_ref(), vocabulary.mask));
        let mut texts = texts.collect::<Result<Vec<Text>, _>>()?;
        let known = (self.tokenizer.vocab_size() as usize).min(self.sizes.vocab_size);
        let mut answers = Vec::with_capacity(texts.len());
        for batch in TextBatch::all(&mut texts) {
            let probabilities = probabilities(&batch)?;
            let rows = probabilities.chunks(batch.num_positions() * self.sizes.vocab_size);
            for (text, row) in batch.texts().iter().zip(rows) {
                let places = text.positions.iter().zip(row.chunks(self.sizes.vocab_size));
                let fillings = places.map(|(&position, row)| MaskFilling {
                    position,
                    candidates: self.best(&row[..known.min(row.len())], top_k),
                });
                answers.push((text.index, fillings.collect()));
            }
        }
        Ok(in_order(answers))
    }

    fn masked(&self, index: usize, text: &str, mask: u32) -> Result<Text, LearnError> {
        let ids = self.read(text, |ids, excerpt| {
            if ids.contains(&mask) {
                return Ok(());
            }
            Err(LearnError::Settings(format!(
                "\"{excerpt}\": no mask in this text; write {} where a word is to be filled in",
                self.tokenizer.token(mask).unwrap_or_default()
            )))
        })?;
        let places = ids.iter().enumerate().filter(|(_, id)| **id == mask);
        Ok(Text {
            index,
            positions: places.map(|(position, _)| position).collect(),
            ids,
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

/// Fills the masks of all texts of a request, by a model of the class `C`.
///
/// # Errors
/// As [`Predictor::open`] and [`Predictor::fill_mask`].
pub fn fill_mask<C: PredictWords>(
    request: &FillMaskRequest,
) -> Result<Vec<Vec<MaskFilling>>, LearnError> {
    let predictor = Predictor::<C>::open(&request.model, &request.device)?;
    if let Some(warning) = predictor.warning() {
        (request.warn)(warning);
    }
    predictor.fill_mask(&request.texts, request.top_k)
}
