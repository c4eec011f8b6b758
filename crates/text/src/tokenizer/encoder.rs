//! Many texts to ids, faster than one by one: words that come again are looked up.
//!
//! BERT's normaliser and splitter never join what stands on two sides of a space, so a text's ids
//! are those of its space-separated parts in a row. Each part is tokenised once and remembered.

use std::collections::HashMap;

use super::Tokenizer;
use crate::error::TextError;

/// Parts remembered; the next ones are tokenised every time. A few megabytes.
const MAX_REMEMBERED: usize = 1 << 16;

/// A longer part is not remembered: it hardly comes again.
const MAX_REMEMBERED_BYTES: usize = 64;

/// Encodes texts, one after the other, with a memory of words. One for each thread.
#[derive(Debug)]
pub struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    remembered: HashMap<Box<str>, Box<[u32]>>,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer) -> Self {
        Self {
            tokenizer,
            remembered: HashMap::new(),
        }
    }

    /// Appends the ids of `text`, without special tokens: what [`Tokenizer::encode`] gives.
    ///
    /// # Errors
    /// If the tokenizer can't encode the text.
    pub fn encode(&mut self, text: &str, into: &mut Vec<u32>) -> Result<(), TextError> {
        if !self.tokenizer.splits_at_spaces {
            into.extend(self.tokenizer.encode(text)?);
            return Ok(());
        }
        for part in text.split(is_separator).filter(|part| !part.is_empty()) {
            if let Some(ids) = self.remembered.get(part) {
                into.extend_from_slice(ids);
                continue;
            }
            let ids = self.tokenizer.encode(part)?;
            into.extend_from_slice(&ids);
            if self.remembered.len() < MAX_REMEMBERED && part.len() <= MAX_REMEMBERED_BYTES {
                self.remembered.insert(part.into(), ids.into());
            }
        }
        Ok(())
    }
}

/// What BERT's normaliser turns into a space. Vertical tab, form feed and next line are spaces in
/// Unicode, but it drops them as control characters before it looks for spaces.
pub(super) fn is_separator(c: char) -> bool {
    c.is_whitespace() && !matches!(c, '\u{b}' | '\u{c}' | '\u{85}')
}
