//! What is masked together: words of one or more tokens, runs of one or more words.
//!
//! DeBERTa (He et al. 2021) masks n-grams: runs of g words, p(g) in proportion to 1/g up to
//! `max_gram`. The original code cuts the text into windows of 6 g words, six being the whole part
//! of 1 / 0.15, and marks one run of g at a random place in each; then it walks from the left and
//! masks what is marked until 15 % are reached. The windows mark one word in six, 16.7 %, so **the
//! walk stops before the end and the tail is under-masked**: of 512 tokens the last eighth at 4 %,
//! the others at 17 %.
//!
//! Here the runs, of the same lengths, stand one behind another without gaps, and chance alone says
//! which are masked: [`Masking::apply`](super::Masking::apply) visits them in random order until the
//! count is reached. Every position is in one run and every run is as likely as another, so every
//! position is as likely (held by `every_eighth_of_a_sequence_is_masked_alike`). What is lost is the
//! windows' even spread: two runs may touch, as two of BERT's tokens may. With runs of one this is
//! BERT's law.

use std::ops::Range;

use crate::Vocabulary;
use crate::rng::Rng;

/// Finds the words, as ranges of positions; single tokens unless words are whole.
///
/// A continuation joins the word that ends right before it. In BERT's original the second segment's
/// first piece, when truncation left a continuation there, joins the first segment's last word,
/// because `[SEP]` is skipped when words are collected: two pieces of different words, apart in the
/// text. Here it starts a word of its own.
pub(crate) fn collect_words(
    input_ids: &[u32],
    vocabulary: &Vocabulary,
    whole_word: bool,
    words: &mut Vec<Range<usize>>,
) {
    words.clear();
    for (position, &id) in input_ids.iter().enumerate() {
        if vocabulary.is_special[id as usize] {
            continue;
        }
        match words.last_mut() {
            Some(word)
                if whole_word
                    && word.end == position
                    && vocabulary.is_continuation[id as usize] =>
            {
                word.end += 1;
            }
            _ => words.push(position..position + 1),
        }
    }
}

/// Divides all words into runs of 1 to `longest`, as ranges of `words`.
///
/// A run ends early at a special token, where what follows is another text, and at the sequence's
/// end. The original's go on behind a `[SEP]`.
pub(super) fn collect_runs(
    words: &[Range<usize>],
    longest: usize,
    rng: &mut Rng,
    runs: &mut Vec<Range<usize>>,
) {
    runs.clear();
    // No draw where there is no choice: masks of single tokens stay what they were, seed by seed.
    if longest <= 1 {
        runs.extend((0..words.len()).map(|word| word..word + 1));
        return;
    }
    let total = harmonic(longest);
    let (mut start, mut planned) = (0, 0);
    for end in 1..=words.len() {
        if end - start == 1 {
            planned = draw_length(longest, total, rng);
        }
        let is_adjacent = words
            .get(end)
            .is_some_and(|next| next.start == words[end - 1].end);
        if end - start == planned || !is_adjacent {
            runs.push(start..end);
            start = end;
        }
    }
}

/// 1 + 1/2 + ... + 1/n.
pub(crate) fn harmonic(n: usize) -> f64 {
    (1..=n).map(|g| 1.0 / g as f64).sum()
}

/// A length g of 1 to `longest` with probability (1/g) / `total`, their sum.
pub(crate) fn draw_length(longest: usize, total: f64, rng: &mut Rng) -> usize {
    let mut left = rng.unit() * total;
    for length in 1..longest {
        left -= 1.0 / length as f64;
        if left < 0.0 {
            return length;
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    fn runs(words: &[Range<usize>], longest: usize, seed: u64) -> Vec<Range<usize>> {
        let mut runs = Vec::new();
        let mut rng = Rng::at(seed, Purpose::Masking, 0, 0);
        collect_runs(words, longest, &mut rng, &mut runs);
        runs
    }

    fn tokens(positions: Range<usize>) -> Vec<Range<usize>> {
        positions.map(|position| position..position + 1).collect()
    }

    #[test]
    fn lengths_of_runs_fall_as_one_over_their_length() {
        for longest in [2, 3, 5] {
            let mut counts = vec![0.0; longest];
            for seed in 0..400 {
                let runs = runs(&tokens(1..511), longest, seed);
                // The last one may be cut by the end.
                for run in &runs[..runs.len() - 1] {
                    counts[run.len() - 1] += 1.0;
                }
            }
            // More than 80,000 runs: three standard errors are below 0.0053.
            let n = counts.iter().sum::<f64>();
            assert!(n > 80_000.0, "{n}");
            for (length, count) in (1..).zip(&counts) {
                let share = 1.0 / f64::from(length) / harmonic(longest);
                let bound = 3.0 * (share * (1.0 - share) / n).sqrt();
                let off = count / n - share;
                assert!(off.abs() < bound, "{length} of {longest}: {off} +- {bound}");
            }
        }
    }

    #[test]
    fn every_word_is_in_one_run_and_no_run_crosses_a_special_token() {
        // Special tokens at 0, 8 and 15.
        let words = [&tokens(1..8)[..], &[9..11, 11..14, 14..15]].concat();
        let mut is_longest_seen = false;
        for seed in 0..100 {
            let runs = runs(&words, 4, seed);
            let mut next = 0;
            for run in runs {
                assert_eq!(run.start, next);
                assert!((1..=4).contains(&run.len()));
                assert!(run.end <= 7 || run.start >= 7, "{run:?}");
                is_longest_seen |= run.len() == 4;
                next = run.end;
            }
            assert_eq!(next, words.len());
        }
        assert!(is_longest_seen);
    }
}
