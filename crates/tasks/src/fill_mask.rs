//! Filling masks, the tokenizer's half: a text to ids and mask positions, probabilities to tokens.

use std::path::Path;

use kiln_learner::LearnError;
use kiln_text::Vocabulary;
use kiln_text::tokenizer::Tokenizer;

use crate::architecture::{MaskCandidate, MaskFilling};
use crate::forward::Sizes;
use crate::table::{check_ids, check_table};

/// The tokenizer of a masked language model, opened once and used for many texts.
#[derive(Debug)]
pub struct TextFiller {
    tokenizer: Tokenizer,
    vocabulary: Vocabulary,
    sizes: Sizes,
}

impl TextFiller {
    /// Opens the tokenizer of a Hugging Face folder, for a model of these sizes.
    ///
    /// # Errors
    /// If it is missing or damaged, has no mask token, or has more tokens than the model.
    pub fn open(folder: &Path, sizes: Sizes) -> Result<Self, LearnError> {
        let tokenizer = Tokenizer::open(folder)?;
        let vocabulary = tokenizer.vocabulary()?;
        check_table(&tokenizer, folder, sizes)?;
        Ok(Self {
            tokenizer,
            vocabulary,
            sizes,
        })
    }

    /// The tokenizer's vocabulary, with the ids of the special tokens.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The `top_k` best tokens at every mask of `text`, masks in order.
    ///
    /// `probabilities` is the model: given the text's ids `[seq_len]`, special tokens included, and
    /// the positions of its masks `[positions]`, it returns the probabilities of all tokens there,
    /// flat `[positions * vocab_size]`.
    ///
    /// # Errors
    /// If the text has no mask or is longer than the model's positions, or as `probabilities`.
    pub fn fill(
        &self,
        text: &str,
        top_k: usize,
        probabilities: impl FnOnce(&[u32], &[usize]) -> Result<Vec<f32>, LearnError>,
    ) -> Result<Vec<MaskFilling>, LearnError> {
        let ids = self.tokenizer.encode_with_specials(text)?;
        let excerpt: String = text.chars().take(60).collect();
        let positions: Vec<usize> = ids
            .iter()
            .enumerate()
            .filter(|(_, id)| **id == self.vocabulary.mask)
            .map(|(position, _)| position)
            .collect();
        if positions.is_empty() {
            return Err(LearnError::Settings(format!(
                "\"{excerpt}\": no mask in this text; write {} where a word is to be filled in",
                self.tokenizer
                    .token(self.vocabulary.mask)
                    .unwrap_or_default()
            )));
        }
        if ids.len() > self.sizes.max_position_embeddings {
            return Err(LearnError::Settings(format!(
                "\"{excerpt}\": {} tokens, the model takes {}; shorten the text",
                ids.len(),
                self.sizes.max_position_embeddings
            )));
        }
        check_ids(&self.tokenizer, &ids, &excerpt, self.sizes)?;
        let probabilities = probabilities(&ids, &positions)?;
        let vocab_size = self.tokenizer.vocab_size() as usize;
        Ok(positions
            .into_iter()
            .zip(probabilities.chunks(self.sizes.vocab_size))
            .map(|(position, row)| MaskFilling {
                position,
                candidates: self.best(&row[..vocab_size.min(row.len())], top_k),
            })
            .collect())
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
