//! What example building knows of a tokenizer: its special ids and which pieces continue a word.

use crate::TextError;

/// The ids that example building and masking need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// Number of ids; every id is below it.
    pub size: u32,
    /// `[PAD]`.
    pub pad: u32,
    /// `[UNK]`.
    pub unk: u32,
    /// `[CLS]`.
    pub cls: u32,
    /// `[SEP]`.
    pub sep: u32,
    /// `[MASK]`.
    pub mask: u32,
    /// Whether an id is never masked and never scored (`[CLS]`, `[SEP]`, `[PAD]`, `[MASK]` and other
    /// added special tokens, but not `[UNK]`: the original masks it like a word).
    pub is_special: Vec<bool>,
    /// Whether an id continues the word before it (`##…` in WordPiece; what has no space before it in
    /// the other kinds, but for single punctuation characters).
    pub is_continuation: Vec<bool>,
}

impl Vocabulary {
    /// Checks that examples of a corpus with ids below `needed` can be built and masked with it.
    ///
    /// # Errors
    /// If it is another tokenizer's, or contradicts itself.
    pub(crate) fn check(&self, needed: u32) -> Result<(), TextError> {
        let refuse = |field, value: String, remedy: String| {
            Err(TextError::Setting {
                field,
                value,
                remedy,
            })
        };
        let size = self.size as usize;
        if self.size < needed || self.size > i32::MAX as u32 {
            return refuse(
                "vocabulary size",
                self.size.to_string(),
                format!("the corpus was tokenised with {needed} ids; use its own tokenizer"),
            );
        }
        let special = [self.pad, self.cls, self.sep, self.mask];
        if let Some(id) = special.iter().find(|&&id| id >= self.size) {
            return refuse(
                "special token id",
                id.to_string(),
                format!("the vocabulary has {size} ids; use the model's own tokenizer"),
            );
        }
        if self.is_special.len() != size || self.is_continuation.len() != size {
            return refuse(
                "vocabulary size",
                size.to_string(),
                "is_special and is_continuation need one entry for each id".to_owned(),
            );
        }
        if self.is_special.iter().all(|&special| special) {
            return refuse(
                "vocabulary size",
                size.to_string(),
                "all of its ids are special tokens: nothing can be predicted".to_owned(),
            );
        }
        Ok(())
    }
}
