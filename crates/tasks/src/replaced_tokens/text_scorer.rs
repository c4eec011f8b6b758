//! Replaced tokens of a text, the tokenizer's side: a text to ids, probabilities to tokens.

use std::path::Path;

use kiln_learner::LearnError;
use kiln_text::tokenizer::Tokenizer;

use crate::architecture::TokenScore;
use crate::forward::Sizes;
use crate::table::{check_ids, check_table};

/// The tokenizer of a discriminator, opened once and used for many texts.
#[derive(Debug)]
pub struct TextScorer {
    tokenizer: Tokenizer,
    sizes: Sizes,
}

impl TextScorer {
    /// Opens the tokenizer of a Hugging Face folder, for a model of these sizes.
    ///
    /// # Errors
    /// If it is missing or damaged, or has more tokens than the model.
    pub fn open(folder: &Path, sizes: Sizes) -> Result<Self, LearnError> {
        let tokenizer = Tokenizer::open(folder)?;
        check_table(&tokenizer, folder, sizes)?;
        Ok(Self { tokenizer, sizes })
    }

    /// A score for every token of `text`, those the tokenizer adds included.
    ///
    /// `probabilities` is the model: given the text's ids `[seq_len]`, it returns for each the
    /// probability that another one stood there.
    ///
    /// # Errors
    /// If the text is longer than the model's positions, or as `probabilities`.
    pub fn scores(
        &self,
        text: &str,
        probabilities: impl FnOnce(&[u32]) -> Result<Vec<f32>, LearnError>,
    ) -> Result<Vec<TokenScore>, LearnError> {
        let ids = self.tokenizer.encode_with_specials(text)?;
        let longest = self.sizes.max_position_embeddings;
        let excerpt: String = text.chars().take(60).collect();
        if ids.len() > longest {
            return Err(LearnError::Settings(format!(
                "\"{excerpt}\": {} tokens, the model takes {longest}; shorten the text",
                ids.len(),
            )));
        }
        check_ids(&self.tokenizer, &ids, &excerpt, self.sizes)?;
        let probabilities = probabilities(&ids)?;
        Ok(ids
            .into_iter()
            .zip(probabilities)
            .enumerate()
            .map(|(position, (id, replaced))| TokenScore {
                token: self.tokenizer.token(id).unwrap_or_default(),
                id,
                position,
                replaced: f64::from(replaced),
            })
            .collect())
    }
}
