//! Where a text may be cut so that its ids are those of its parts in a row.

use serde_json::Value;
use tokenizers::{NormalizedString, Normalizer as _};
use unicode_segmentation::GraphemeCursor;

use super::sentence_piece::{self, class_rules, xlnet_steps};
use super::{bert, byte_level};

/// Where a text may be cut so that its ids are those of its parts in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cuts {
    /// Nowhere that is known.
    None,
    /// At what BERT's normaliser turns into a space; these go.
    Separators,
    /// At spaces that no mark stands on; these go: SentencePiece, in a text without
    /// [`WORD_START`](super::words::WORD_START).
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
                && (xlnet_steps::splits_at_spaces(full) || class_rules::splits_at_all_spaces(full)))
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

/// What BERT's normaliser turns into a space. Vertical tab, form feed and next line are spaces in
/// Unicode, but it drops them as control characters before it looks for spaces.
fn is_separator(c: char) -> bool {
    c.is_whitespace() && !matches!(c, '\u{b}' | '\u{c}' | '\u{85}')
}
