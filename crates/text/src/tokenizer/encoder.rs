//! Many texts to ids, faster than one by one: words that come again are looked up.
//!
//! Most tokenizers never join what stands on two sides of a space, so a text's ids are those of its
//! parts in a row. Each part is tokenised once and remembered.

use std::collections::HashMap;

use tokenizers::models::ModelWrapper;
use tokenizers::{
    NormalizedString, Normalizer as _, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer as _,
};

use super::Tokenizer;
use super::cuts::Cuts;
use super::words::WORD_START;
use crate::error::TextError;

/// Parts remembered; the next ones are tokenised every time. A few megabytes.
const MAX_REMEMBERED: usize = 1 << 16;

/// A longer part is not remembered: it hardly comes again.
const MAX_REMEMBERED_BYTES: usize = 64;

/// Characters of an example of unknown text.
const EXAMPLE_CHARS: usize = 24;

/// What of the text a tokenizer did not know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Met {
    /// Words that are longer than it takes, each of which is unknown.
    pub long_words: u64,
    /// The first part of the text with an unknown token in it, shortened.
    pub unknown: Option<String>,
}

/// Encodes texts, one after the other, with a memory of words. One for each thread.
#[derive(Debug)]
pub struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    remembered: HashMap<Box<str>, Box<[u32]>>,
    unk: Option<u32>,
    /// A word of more characters is unknown: WordPiece's rule.
    max_word_chars: usize,
    met: Met,
}

impl Tokenizer {
    /// An encoder for many texts, faster than [`Tokenizer::encode`], with the same ids.
    pub fn encoder(&self) -> Encoder<'_> {
        Encoder::new(self)
    }
}

impl<'a> Encoder<'a> {
    fn new(tokenizer: &'a Tokenizer) -> Self {
        Self {
            tokenizer,
            remembered: HashMap::new(),
            unk: tokenizer.id(&tokenizer.special.unk),
            max_word_chars: match tokenizer.inner.get_model() {
                ModelWrapper::WordPiece(model) => model.max_input_chars_per_word,
                _ => usize::MAX,
            },
            met: Met::default(),
        }
    }

    /// What was met in texts since this was last asked.
    pub fn take_met(&mut self) -> Met {
        std::mem::take(&mut self.met)
    }

    /// Appends the ids of `text`, without special tokens: what [`Tokenizer::encode`] gives.
    ///
    /// # Errors
    /// If the tokenizer can't encode the text.
    pub fn encode(&mut self, text: &str, into: &mut Vec<u32>) -> Result<(), TextError> {
        let cuts = self.tokenizer.cuts;
        if cuts == Cuts::None || cuts == Cuts::Spaces && text.contains(WORD_START) {
            let ids = self.tokenizer.encode(text)?;
            self.note(text, &ids)?;
            into.extend(ids);
            return Ok(());
        }
        let before = into.len();
        let max_remembered = MAX_REMEMBERED_BYTES.min(self.max_word_chars);
        for part in cuts.parts(text) {
            if let Some(ids) = self.remembered.get(part) {
                into.extend_from_slice(ids);
                continue;
            }
            let ids = self.tokenizer.encode(part)?;
            self.note(part, &ids)?;
            into.extend_from_slice(&ids);
            if self.remembered.len() < MAX_REMEMBERED && part.len() <= max_remembered {
                self.remembered.insert(part.into(), ids.into());
            }
        }
        // Once for the whole text: a look at the ids of each word takes longer than to find them.
        if self.met.unknown.is_none()
            && let Some(unk) = self.unk
            && into.iter().skip(before).any(|&id| id == unk)
        {
            let has_unk = |part: &&str| {
                let ids = self.remembered.get(*part);
                ids.is_some_and(|ids| ids.contains(&unk))
            };
            self.met.unknown = cuts.parts(text).find(has_unk).map(example);
        }
        Ok(())
    }

    /// Looks for what is unknown in a text with these ids.
    fn note(&mut self, text: &str, ids: &[u32]) -> Result<(), TextError> {
        if !self.unk.is_some_and(|unk| ids.contains(&unk)) {
            return Ok(());
        }
        if self.met.unknown.is_none() {
            self.met.unknown = Some(example(text));
        }
        if text.len() > self.max_word_chars {
            self.met.long_words += long_words(self.tokenizer, text, self.max_word_chars)
                .map_err(|reason| self.tokenizer.failed(reason.to_string()))?;
        }
        Ok(())
    }
}

/// How many words of a text have more than `most` characters as the tokenizer splits it.
fn long_words(tokenizer: &Tokenizer, text: &str, most: usize) -> tokenizers::Result<u64> {
    let mut normalized = NormalizedString::from(text);
    if let Some(normalizer) = tokenizer.inner.get_normalizer() {
        normalizer.normalize(&mut normalized)?;
    }
    let mut words = PreTokenizedString::from(normalized);
    if let Some(pre_tokenizer) = tokenizer.inner.get_pre_tokenizer() {
        pre_tokenizer.pre_tokenize(&mut words)?;
    }
    let words = words.get_splits(OffsetReferential::Original, OffsetType::None);
    let long = words
        .iter()
        .filter(|(word, _, _)| word.len() > most && word.chars().count() > most);
    Ok(long.count() as u64)
}

/// The beginning of a text, for a message: nothing in it moves a terminal's cursor.
fn example(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut characters = text.trim().chars().map(shown);
    let mut example: String = characters.by_ref().take(EXAMPLE_CHARS).collect();
    if characters.next().is_some() {
        example.push('…');
    }
    example
}
