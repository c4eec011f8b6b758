//! Which tokens of one part of an example are predicted: spans of whole words, an exact number of
//! tokens in all.
//!
//! A span has n words, n from 1 to `max_gram` with p(n) in proportion to 1/n, and stands at a random
//! place in a stretch of n x alpha / beta words of its own; one stretch follows the other. The
//! original's `_sample_mask` means to do that, and its code has four faults. Here they are mended:
//!
//! - **A span is n pieces there, not n words**, because the test for its end looks at its first
//!   piece. Here a span has whole words; the last one is shortened so that the number of tokens is
//!   exact, by whole words if there are any that fit.
//! - **The last positions are hardly ever reached**: a span that would touch the end is dropped, and
//!   with it the walk ends. Here the walk goes around: it begins at a random word, goes on behind
//!   the last with the first, and ends where it began or at the number wanted. So every word is as
//!   likely as another. A span that crosses the end, or a special token, is two shorter ones.
//! - **A stretch does not hold its span**, so that one token in 7 is chosen and not one in 6, and
//!   isolated tokens make up for the rest. Here the span is within its stretch, and both are
//!   measured in words: one word in 6, so one token in 6, whatever words are made of. What the walk
//!   leaves open (of 43 tokens 1 on average) is filled with single words.
//! - **`<sep>` and `<cls>` can be chosen**, and are no targets then. Here never. Nor are `<eod>` and
//!   `<eop>`, which the original predicts: they stand for no word, and no text is asked for them.

use std::ops::Range;

use crate::Vocabulary;
use crate::masking::{collect_words, draw_length, harmonic};
use crate::rng::Rng;

/// How spans are drawn. See [`PermutedSettings`](super::PermutedSettings).
#[derive(Debug, Clone, Copy)]
pub(super) struct SpanLaw {
    pub(super) max_gram: usize,
    pub(super) alpha: usize,
    pub(super) beta: usize,
}

/// Draws targets; keeps its memory from one to the next.
#[derive(Debug, Default)]
pub(super) struct Spans {
    /// Words as ranges of positions.
    words: Vec<Range<usize>>,
    /// By word.
    is_chosen: Vec<bool>,
    /// Words left, in random order as far as needed.
    left: Vec<usize>,
}

impl Spans {
    /// Marks `goal` tokens of `ids`, or all that are not special where there are fewer.
    ///
    /// `is_target` has one entry for each id, none of them true.
    pub(super) fn choose(
        &mut self,
        ids: &[u32],
        vocabulary: &Vocabulary,
        law: SpanLaw,
        goal: usize,
        rng: &mut Rng,
        is_target: &mut [bool],
    ) {
        collect_words(ids, vocabulary, true, &mut self.words);
        self.is_chosen.clear();
        self.is_chosen.resize(self.words.len(), false);
        let missing = self.walk(law, goal, rng);
        let missing = self.fill(missing, rng);
        let chosen = self.words.iter().zip(&self.is_chosen);
        for (word, _) in chosen.filter(|(_, is_chosen)| **is_chosen) {
            is_target[word.clone()].fill(true);
        }
        // All words left are longer than what is missing: one of them is predicted in part.
        if let Some(&word) = self.left.first().filter(|_| missing > 0) {
            let start = self.words[word].start;
            is_target[start..start + missing].fill(true);
        }
    }

    /// Goes around once; how many tokens are still missing.
    fn walk(&mut self, law: SpanLaw, goal: usize, rng: &mut Rng) -> usize {
        let count = self.words.len();
        let max_gram = law.max_gram.min(count);
        let total = harmonic(max_gram);
        let first = rng.below(count as u64) as usize;
        let (mut walked, mut missing) = (0, goal);
        while walked < count {
            let words = draw_length(max_gram, total, rng);
            let stretch = (words.saturating_mul(law.alpha) / law.beta).max(words);
            let before = rng.below((stretch - words + 1) as u64) as usize;
            for offset in before..before + words {
                let word = (first + walked + offset % count) % count;
                // The last stretch may reach into the first.
                if self.is_chosen[word] {
                    continue;
                }
                let tokens = self.words[word].len();
                if tokens > missing {
                    return missing;
                }
                self.is_chosen[word] = true;
                missing -= tokens;
            }
            walked = walked.saturating_add(stretch);
        }
        missing
    }

    /// Chooses single words that fit, in random order; how many tokens are still missing. Then
    /// `left` holds what is not chosen.
    fn fill(&mut self, mut missing: usize, rng: &mut Rng) -> usize {
        self.left.clear();
        if missing == 0 {
            return 0;
        }
        let is_chosen = &self.is_chosen;
        self.left
            .extend((0..self.words.len()).filter(|&word| !is_chosen[word]));
        rng.shuffle(&mut self.left);
        let (words, is_chosen) = (&self.words, &mut self.is_chosen);
        self.left.retain(|&word| {
            let tokens = words[word].len();
            let fits = tokens <= missing;
            if fits {
                missing -= tokens;
                is_chosen[word] = true;
            }
            !fits
        });
        missing
    }
}

#[cfg(test)]
mod tests;
