//! Many texts to ids, faster than one by one: words that come again are looked up.
//!
//! Most tokenizers never join what stands on two sides of a space, so a text's ids are those of its
//! parts in a row. Each part is tokenised once and remembered.

use std::collections::HashMap;

use serde_json::Value;
use tokenizers::models::ModelWrapper;
use tokenizers::{
    NormalizedString, Normalizer as _, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer as _,
};

use unicode_segmentation::GraphemeCursor;

use super::Tokenizer;
use super::sentence_piece::{WORD_START, class_rules};
use super::{bert, byte_level, sentence_piece, xlnet};
use crate::error::TextError;

/// Parts remembered; the next ones are tokenised every time. A few megabytes.
const MAX_REMEMBERED: usize = 1 << 16;

/// A longer part is not remembered: it hardly comes again.
const MAX_REMEMBERED_BYTES: usize = 64;

/// Characters of an example of unknown text.
const EXAMPLE_CHARS: usize = 24;

/// Where a text may be cut so that its ids are those of its parts in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cuts {
    /// Nowhere that is known.
    None,
    /// At what BERT's normaliser turns into a space; these go.
    Separators,
    /// At spaces that no mark stands on; these go: SentencePiece, in a text without [`WORD_START`].
    Spaces,
    /// Before a space that stands alone: byte-level BPE, and DeBERTa's class for SentencePiece.
    BeforeSpaces,
}

impl Cuts {
    /// From the tokenizer, and its whole tokenizer.json.
    pub(super) fn of(tokenizer: &tokenizers::Tokenizer, full: &Value) -> Self {
        // Added tokens are looked for first, and across all cuts.
        let added = full["added_tokens"].as_array();
        let none_has = |flags: &[&str]| {
            added.is_some_and(|tokens| {
                tokens.iter().all(|token| {
                    let content = token["content"].as_str().unwrap_or(" ");
                    let has = |flag: &&str| token[*flag] == true;
                    !content.contains(char::is_whitespace) && !flags.iter().any(has)
                })
            })
        };
        // A token that takes the spaces before it along is in one part with them below.
        let bytes_only = none_has(&["single_word", "rstrip"]);
        let words_only = bytes_only && none_has(&["lstrip"]);
        let (normalizer, pre_tokenizer) = (&full["normalizer"], &full["pre_tokenizer"]);
        if words_only
            && bert::Normalisation::of(normalizer).is_some()
            && pre_tokenizer["type"] == "BertPreTokenizer"
        {
            Self::Separators
        } else if (words_only && sentence_piece::splits_at_spaces(normalizer, pre_tokenizer)
            // Spaces beside a token go anyway.
            || none_has(&["single_word"])
                && (xlnet::splits_at_spaces(full) || class_rules::splits_at_all_spaces(full)))
            && sentence_piece::leaves_spaces(normalizer)
            && finds_no_spaces(tokenizer)
        {
            Self::Spaces
        } else if bytes_only
            && (normalizer.is_null() && byte_level::splits_before_spaces(pre_tokenizer)
                || class_rules::splits_before_spaces(full))
        {
            Self::BeforeSpaces
        } else {
            Self::None
        }
    }

    /// The parts of a text, none of them empty.
    pub(super) fn parts(self, text: &str) -> Parts<'_> {
        Parts {
            cuts: self,
            rest: text,
        }
    }
}

/// The parts of a text, one after the other.
pub(super) struct Parts<'a> {
    cuts: Cuts,
    rest: &'a str,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let skipped = match self.cuts {
            Cuts::Separators => self.rest.trim_start_matches(is_separator),
            Cuts::Spaces => after_spaces(self.rest),
            Cuts::None | Cuts::BeforeSpaces => self.rest,
        };
        let end = match self.cuts {
            Cuts::None => None,
            Cuts::Separators => skipped.find(is_separator),
            Cuts::Spaces => space(skipped),
            Cuts::BeforeSpaces => before_space(skipped),
        };
        let (part, rest) = skipped.split_at(end.unwrap_or(skipped.len()));
        self.rest = rest;
        (!part.is_empty()).then_some(part)
    }
}

/// Whether no added token has spaces in it once it is normalised, as the text is that it is looked for
/// in: Arabic has words in one character.
fn finds_no_spaces(tokenizer: &tokenizers::Tokenizer) -> bool {
    let added = tokenizer.get_added_tokens_decoder();
    added
        .values()
        .filter(|token| token.normalized)
        .all(|token| {
            let mut text = NormalizedString::from(token.content.as_str());
            let normalizer = tokenizer.get_normalizer();
            normalizer.is_none_or(|normalizer| normalizer.normalize(&mut text).is_ok())
                && !text.get().contains(char::is_whitespace)
        })
}

/// The text without the spaces at its start, but for one that a mark stands on.
fn after_spaces(text: &str) -> &str {
    let rest = text.trim_start_matches(' ');
    let last = text.len() - rest.len();
    match last.checked_sub(1) {
        Some(last) if !is_boundary(text, last + 1) => text.get(last..).unwrap_or(rest),
        _ => rest,
    }
}

/// The first space that is a grapheme by itself: `tokenizers` looks up short graphemes whole.
fn space(text: &str) -> Option<usize> {
    let mut spaces = text.match_indices(' ').map(|(at, _)| at);
    spaces.find(|&at| is_boundary(text, at) && is_boundary(text, at + 1))
}

/// Whether one grapheme ends at a place beside a space, and another one begins.
fn is_boundary(text: &str, at: usize) -> bool {
    let is_plain = |c: char| c < '\u{300}' || ('\u{370}'..'\u{483}').contains(&c);
    let (before, after) = text.split_at(at);
    // Latin, Greek and Cyrillic letters never take a space along.
    before.chars().next_back().is_none_or(is_plain) && after.chars().next().is_none_or(is_plain)
        || GraphemeCursor::new(at, text.len(), true)
            .is_boundary(text, 0)
            .unwrap_or(false)
}

/// The first place where a space stands between two other characters.
fn before_space(text: &str) -> Option<usize> {
    let mut after_space = true;
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let is_followed = characters.peek().is_some_and(|(_, c)| !c.is_whitespace());
        if c == ' ' && !after_space && is_followed {
            return Some(at);
        }
        after_space = c.is_whitespace();
    }
    None
}

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

impl<'a> Encoder<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer) -> Self {
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

    /// What it met since it was last asked.
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

/// What BERT's normaliser turns into a space. Vertical tab, form feed and next line are spaces in
/// Unicode, but it drops them as control characters before it looks for spaces.
fn is_separator(c: char) -> bool {
    c.is_whitespace() && !matches!(c, '\u{b}' | '\u{c}' | '\u{85}')
}
