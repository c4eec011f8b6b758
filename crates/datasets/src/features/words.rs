//! Sentences of words: tokens by word, labels by token, windows of what is longer than a model reads.
//!
//! Every word is tokenised by itself, as transformers does with `is_split_into_words`; byte-level BPE
//! gets a space before each (`add_prefix_space=True`). A window begins with a word. Each word is decided
//! by the one window where the fewer of the tokens on its two sides are most; it is learned there alone.

use std::ops::Range;

use kiln_text::tokenizer::Encoder;

use super::counts::FeatureCounts;
use super::layout::Layout;
use crate::feature::NO_LABEL;
use crate::{DataError, Feature, Labels, RowTarget, TokenMap};

/// How words become tokens, labels and windows.
#[derive(Debug)]
pub(super) struct WordRules {
    needs_space: bool,
    /// Tokens of a window.
    room: usize,
    /// Tokens that two windows have in common; less than `room`.
    overlap: usize,
    /// The label of a word's later tokens for each label; none: they are not learned.
    later: Option<Vec<usize>>,
}

/// A sentence's tokens.
#[derive(Debug, Default)]
struct Tokens {
    ids: Vec<u32>,
    /// The number of each word that has tokens, and which they are.
    words: Vec<(usize, Range<usize>)>,
}

impl WordRules {
    pub(super) fn new(
        needs_space: bool,
        room: usize,
        overlap: usize,
        all_tokens: Option<&Labels>,
    ) -> Self {
        let later = |labels: &Labels| {
            let inside = |(id, name): (usize, &String)| {
                let rest = name.strip_prefix("B-")?;
                labels.id(&format!("I-{rest}")).or(Some(id))
            };
            let names = labels.names().iter().enumerate();
            names
                .map(|(id, name)| inside((id, name)).unwrap_or(id))
                .collect()
        };
        Self {
            needs_space,
            room,
            overlap,
            later: all_tokens.map(later),
        }
    }

    /// The rows of a sentence, one at least. `tags` are as many as there are words.
    pub(super) fn features(
        &self,
        example: u64,
        words: &[String],
        tags: Option<&[usize]>,
        encoder: &mut Encoder<'_>,
        layout: &Layout,
        counts: &mut FeatureCounts,
    ) -> Result<Vec<Feature>, DataError> {
        let tokens = self.tokens(words, encoder)?;
        counts.unread_words += (words.len() - tokens.words.len()) as u64;
        let ranges: Vec<Range<usize>> = tokens.words.iter().map(|(_, at)| at.clone()).collect();
        let windows = windows(&ranges, tokens.ids.len(), self.room, self.overlap);
        counts.long_sentences += u64::from(windows.len() > 1);
        let mut decided = vec![Vec::new(); windows.len()];
        for ((word, at), window) in tokens.words.iter().zip(deciders(&ranges, &windows)) {
            let end = windows.get(window).map_or(0, |window| window.end);
            counts.cut_words += u64::from(at.end > end);
            if let Some(decided) = decided.get_mut(window) {
                decided.push((*word, at.clone()));
            }
        }
        let is_only = windows.len() == 1;
        let rows = windows.into_iter().zip(decided);
        // What decides nothing need not be read.
        let rows = rows.filter(|(_, decided)| is_only || !decided.is_empty());
        Ok(rows
            .map(|(window, decided)| self.feature(example, &tokens, window, &decided, tags, layout))
            .collect())
    }

    fn tokens(&self, words: &[String], encoder: &mut Encoder<'_>) -> Result<Tokens, DataError> {
        let mut tokens = Tokens::default();
        let mut spaced = String::new();
        for (number, word) in words.iter().enumerate() {
            let start = tokens.ids.len();
            if self.needs_space && !word.is_empty() && !word.starts_with(' ') {
                spaced.clear();
                spaced.push(' ');
                spaced.push_str(word);
                encoder.encode(&spaced, &mut tokens.ids)?;
            } else {
                encoder.encode(word, &mut tokens.ids)?;
            }
            let end = tokens.ids.len();
            if end > start {
                tokens.words.push((number, start..end));
            }
        }
        Ok(tokens)
    }

    fn feature(
        &self,
        example: u64,
        tokens: &Tokens,
        window: Range<usize>,
        decided: &[(usize, Range<usize>)],
        tags: Option<&[usize]>,
        layout: &Layout,
    ) -> Feature {
        let sequence = layout.single(tokens.ids.get(window.clone()).unwrap_or_default());
        let position = |token: usize| sequence.first_text + token - window.start;
        let map = decided
            .iter()
            .map(|(word, at)| (*word as u32, position(at.start) as u32))
            .collect();
        let target = tags.map_or(RowTarget::None, |tags| {
            let mut labels = vec![NO_LABEL; sequence.ids.len()];
            let mut set = |token: usize, tag: usize| {
                if let Some(label) = labels.get_mut(position(token)) {
                    *label = tag as i32;
                }
            };
            for (word, at) in decided {
                let Some(&tag) = tags.get(*word) else {
                    continue;
                };
                set(at.start, tag);
                let later = self.later.as_ref().and_then(|later| later.get(tag));
                if let Some(&later) = later {
                    (at.start + 1..at.end.min(window.end)).for_each(|token| set(token, later));
                }
            }
            RowTarget::Tokens(labels)
        });
        Feature {
            example,
            ids: vec![sequence.ids],
            type_ids: vec![sequence.type_ids],
            target,
            map: TokenMap::Words(map),
        }
    }
}

/// Windows of so many tokens in a row of words: every word begins in one of them, and lies in one whole
/// if it is not longer than a window. `words` are the words' tokens, in order and without gaps.
fn windows(
    words: &[Range<usize>],
    tokens: usize,
    room: usize,
    overlap: usize,
) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut start = 0;
    loop {
        let end = (start + room).min(tokens);
        all.push(start..end);
        if end == tokens {
            return all;
        }
        // The next one begins with the word that should be its first token, if that is news; else with
        // the word behind it, since this window holds all of that word that fits.
        let behind = words.partition_point(|word| word.start <= end - overlap);
        let holds = behind.checked_sub(1).and_then(|at| words.get(at));
        let next = holds
            .filter(|word| word.start > start)
            .or_else(|| words.get(behind));
        match next {
            Some(word) => start = word.start,
            // Only the rest of the last word is left.
            None => return all,
        }
    }
}

/// For each word the window that decides it.
fn deciders(words: &[Range<usize>], windows: &[Range<usize>]) -> Vec<usize> {
    let context = |word: &Range<usize>, window: &Range<usize>| {
        let before = word.start as i64 - window.start as i64;
        // Less than nothing where the word's end is cut off.
        before.min(window.end as i64 - word.end as i64)
    };
    let decider = |word: &Range<usize>| {
        let first = windows.partition_point(|window| window.end <= word.start);
        let behind = windows.partition_point(|window| window.start <= word.start);
        let mut best = (first, i64::MIN);
        for (number, window) in windows.iter().enumerate().take(behind).skip(first) {
            let context = context(word, window);
            if context > best.1 {
                best = (number, context);
            }
        }
        best.0
    };
    words.iter().map(decider).collect()
}

#[cfg(test)]
mod tests;
