//! Which characters have a piece of their own, and what is said of those that have none.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::words::WORD_START;
use crate::error::{AlphabetFit, TextError};

/// Characters that WordPiece keeps however rare they are: Hugging Face's limit.
const KEPT_CHARACTERS: usize = 1_000;

/// What it covers of the text beyond them. A large text has thousands of characters that come a few
/// times each; an entry for each would leave no room for words.
pub(super) const COVERAGE: f64 = 0.9999;

/// Characters that a message names.
const NAMED: usize = 10;

/// Characters of the text that have no piece: what they are in is unknown.
#[derive(Debug, Clone, PartialEq)]
pub struct DroppedCharacters {
    /// How many.
    pub characters: u64,
    /// Share of the text that these characters are, in [0, 1].
    pub share: f64,
    /// The most frequent of them, most frequent first.
    pub most_frequent: Vec<char>,
    /// How many characters the text has.
    pub all_characters: u64,
    /// Entries that a vocabulary needs to have all characters but U+0000.
    pub vocab_size_for_all: u64,
    /// Whether U+0000 is one of them: SentencePiece opens no model with it in a piece.
    pub has_null: bool,
}

/// Characters by how often they come, ties in the order of their code points.
struct Ranked(Vec<(Reverse<u64>, char)>);

impl Ranked {
    fn new(words: &[(String, u64)]) -> Self {
        let mut counts: BTreeMap<char, u64> = BTreeMap::new();
        for (word, count) in words {
            for c in word.chars() {
                *counts.entry(c).or_default() += count;
            }
        }
        let mut characters: Vec<_> = counts.into_iter().map(|(c, n)| (Reverse(n), c)).collect();
        characters.sort_unstable();
        Self(characters)
    }

    fn total(&self) -> u64 {
        self.0.iter().map(|(Reverse(count), _)| count).sum()
    }

    /// How many of them cover a share of the text.
    fn covering(&self, share: f64) -> usize {
        let wanted = share * self.total() as f64;
        let mut covered = 0;
        let is_needed = |(Reverse(count), _): &&(Reverse<u64>, char)| {
            let goes_on = (covered as f64) < wanted;
            covered += count;
            goes_on
        };
        self.0.iter().take_while(is_needed).count()
    }

    /// The share of the text that so many of them cover, in steps of a ten-thousandth downwards.
    fn coverage_of(&self, characters: usize) -> Option<AlphabetFit> {
        let kept = self.0.iter().take(characters);
        let covered: u64 = kept.map(|(Reverse(count), _)| count).sum();
        let share = (covered as f64 / self.total() as f64 * 1e4).floor() / 1e4;
        (share > 0.0).then_some(AlphabetFit::Coverage(share))
    }

    /// What is left out by an alphabet.
    fn without(
        &self,
        is_kept: impl Fn(char) -> bool,
        vocab_size: u64,
    ) -> Option<DroppedCharacters> {
        let dropped: Vec<_> = self.0.iter().filter(|(_, c)| !is_kept(*c)).collect();
        let occurrences: u64 = dropped.iter().map(|(Reverse(count), _)| count).sum();
        (!dropped.is_empty()).then(|| DroppedCharacters {
            characters: dropped.len() as u64,
            share: occurrences as f64 / self.total() as f64,
            most_frequent: dropped.iter().take(NAMED).map(|(_, c)| *c).collect(),
            all_characters: self.0.len() as u64,
            vocab_size_for_all: vocab_size,
            has_null: dropped.iter().any(|(_, c)| *c == '\0'),
        })
    }
}

/// WordPiece's alphabet: the `limit` most frequent characters; or else the thousand most frequent,
/// and of the others as many as make up a share of the text and have room. A vocabulary has room
/// for a character if there is an entry for it, and one more if it continues a word.
///
/// # Errors
/// If there is no room for so few, or for as many as asked for.
pub(super) fn word_piece(
    words: &[(String, u64)],
    limit: Option<usize>,
    coverage: f64,
    vocab_size: usize,
    own_entries: usize,
) -> Result<(BTreeSet<char>, Option<DroppedCharacters>), TextError> {
    let ranked = Ranked::new(words);
    let all = ranked.0.len();
    let entries = Entries::new(words, &ranked, own_entries);
    let (fewest, most) = match limit {
        Some(limit) => (limit.min(all), limit.min(all)),
        None => {
            let fewest = KEPT_CHARACTERS.min(all);
            (fewest, fewest.max(ranked.covering(coverage)))
        }
    };
    let fitting = entries.fitting(vocab_size, most);
    if fitting < fewest {
        return Err(TextError::Alphabet {
            vocab_size,
            needed: entries.with(fewest),
            fit: (fitting > 0).then_some(AlphabetFit::Characters(fitting)),
        });
    }
    let alphabet: BTreeSet<char> = ranked.0.iter().take(fitting).map(|(_, c)| *c).collect();
    let dropped = ranked.without(|c| alphabet.contains(&c), entries.with(all) as u64);
    Ok((alphabet, dropped))
}

/// How many entries an alphabet takes.
struct Entries {
    own: usize,
    /// For each character that continues a word, the size from which on an alphabet holds all of
    /// one of these words; sorted.
    continues_from: Vec<usize>,
}

impl Entries {
    fn new(words: &[(String, u64)], ranked: &Ranked, own: usize) -> Self {
        let ranks: HashMap<char, usize> = ranked.0.iter().map(|(_, c)| *c).zip(1..).collect();
        let rank = |c: char| ranks.get(&c).copied().unwrap_or(usize::MAX);
        let mut continues_from: HashMap<char, usize> = HashMap::new();
        for (word, _) in words {
            let needed = word.chars().map(rank).max().unwrap_or(0);
            for c in word.chars().skip(1) {
                let from = continues_from.entry(c).or_insert(usize::MAX);
                *from = needed.min(*from);
            }
        }
        let mut continues_from: Vec<usize> = continues_from.into_values().collect();
        continues_from.sort_unstable();
        Self {
            own,
            continues_from,
        }
    }

    fn with(&self, characters: usize) -> usize {
        let continuing = self
            .continues_from
            .partition_point(|from| *from <= characters);
        self.own + characters + continuing
    }

    /// The largest alphabet up to `most` that a vocabulary has room for.
    fn fitting(&self, vocab_size: usize, most: usize) -> usize {
        let mut fitting = 0..most;
        while fitting.start < fitting.end {
            let middle = fitting.start + (fitting.end - fitting.start).div_ceil(2);
            if self.with(middle) <= vocab_size {
                fitting.start = middle;
            } else {
                fitting.end = middle - 1;
            }
        }
        fitting.start
    }
}

/// A unigram alphabet: the most frequent characters that make up a share of the text, and what every
/// word begins with. `own_pieces` are not learned.
///
/// # Errors
/// If there is no room for them.
pub(super) fn unigram(
    words: &[(String, u64)],
    coverage: f64,
    vocab_size: usize,
    own_pieces: usize,
) -> Result<(BTreeSet<char>, Option<DroppedCharacters>), TextError> {
    let ranked = Ranked::new(words);
    let can_be_kept = ranked.0.iter().filter(|(_, c)| *c != '\0');
    let keepable = Ranked(can_be_kept.copied().collect());
    let kept = keepable.0.iter().take(keepable.covering(coverage));
    let mut alphabet: BTreeSet<char> = kept.map(|(_, c)| *c).collect();
    alphabet.insert(WORD_START);
    let needed = alphabet.len() + own_pieces;
    if needed > vocab_size {
        return Err(TextError::Alphabet {
            vocab_size,
            needed,
            fit: keepable.coverage_of(vocab_size.saturating_sub(own_pieces)),
        });
    }
    let for_all = keepable.0.len() + own_pieces;
    let dropped = ranked.without(|c| alphabet.contains(&c), for_all as u64);
    Ok((alphabet, dropped))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(words: &[(&str, u64)]) -> Vec<(String, u64)> {
        let words = words.iter().map(|(word, count)| (word.to_string(), *count));
        words.collect()
    }

    #[test]
    fn a_character_takes_two_entries_if_it_continues_a_word_of_the_alphabet() {
        // a 8, b 5, c 3, d 1: with a and b the word ab is whole, with c ac and bc.
        let words = counted(&[("ab", 4), ("ac", 2), ("a", 2), ("bc", 1), ("d", 1)]);
        let ranked = Ranked::new(&words);
        let entries = Entries::new(&words, &ranked, 5);
        assert_eq!([0, 1, 2, 3, 4].map(|n| entries.with(n)), [5, 6, 8, 10, 11]);
        assert_eq!(
            [5, 6, 7, 8, 9, 10, 99].map(|n| entries.fitting(n, 4)),
            [0, 1, 1, 2, 2, 3, 4]
        );
        assert_eq!(entries.fitting(99, 2), 2);
    }

    #[test]
    fn an_alphabet_is_limited_by_the_vocabulary_and_says_what_it_leaves_out() {
        // 3,000 characters, each a word of its own: 1,000 come a hundred times, the others twice.
        let words: Vec<(String, u64)> = (0..3000)
            .map(|n| {
                (
                    char::from_u32(0x4e00 + n).unwrap().to_string(),
                    if n < 1000 { 100 } else { 2 },
                )
            })
            .collect();
        let (alphabet, dropped) = word_piece(&words, None, COVERAGE, 8000, 5).unwrap();
        // All but a ten-thousandth of 104,000.
        assert_eq!(alphabet.len(), 2995);
        assert_eq!(dropped.unwrap().characters, 5);

        let (alphabet, dropped) = word_piece(&words, None, COVERAGE, 2005, 5).unwrap();
        let dropped = dropped.unwrap();
        assert_eq!(alphabet.len(), 2000);
        assert_eq!((dropped.characters, dropped.all_characters), (1000, 3000));
        assert_eq!(dropped.share, 2000.0 / 104_000.0);
        assert_eq!(
            dropped.most_frequent[0],
            char::from_u32(0x4e00 + 2000).unwrap()
        );
        assert_eq!(dropped.vocab_size_for_all, 3005);

        assert_eq!(
            word_piece(&words, Some(3000), COVERAGE, 8000, 5).unwrap(),
            (
                words.iter().flat_map(|(word, _)| word.chars()).collect(),
                None
            )
        );
        let limited = word_piece(&words, Some(7), COVERAGE, 8000, 5).unwrap();
        assert_eq!(limited.0.len(), 7);
        let error = |limit, vocab_size| {
            let refused = word_piece(&words, limit, COVERAGE, vocab_size, 5).unwrap_err();
            refused.to_string()
        };
        assert_eq!(
            error(None, 800),
            "vocab_size = 800: the alphabet of this text takes 1005; choose at least that, or an \
             alphabet of 795 characters at most"
        );
        assert!(error(Some(3000), 2000).contains("takes 3005; "));
        assert!(error(None, 5).ends_with("choose at least that"));
    }

    #[test]
    fn a_unigram_alphabet_covers_the_share_asked_for_and_has_no_null_character() {
        let words = counted(&[("aab", 30), ("c", 9), ("d", 1)]);
        let covering = |share| {
            let (alphabet, _) = unigram(&words, share, 99, 5).unwrap();
            String::from_iter(alphabet)
        };
        assert_eq!(covering(1.0), "abcd▁");
        assert_eq!(covering(0.98), "abc▁");
        assert_eq!(covering(0.6), "a▁");

        let words = counted(&[("▁a\0a", 30), ("▁b\0", 9)]);
        let (alphabet, dropped) = unigram(&words, 1.0, 8, 5).unwrap();
        assert_eq!(alphabet, BTreeSet::from(['a', 'b', WORD_START]));
        let dropped = dropped.unwrap();
        assert_eq!((dropped.characters, dropped.all_characters), (1, 4));
        assert_eq!((dropped.vocab_size_for_all, dropped.has_null), (8, true));
        let error = unigram(&words, 1.0, 7, 5).unwrap_err().to_string();
        assert!(
            error.starts_with("vocab_size = 7: the alphabet of this text takes 8; "),
            "{error}"
        );
    }

    #[test]
    fn the_coverage_that_is_named_fits() {
        let words = counted(&[("aaab", 10), ("c", 9), ("d", 1)]);
        let ranked = Ranked::new(&words);
        assert_eq!(ranked.coverage_of(2), Some(AlphabetFit::Coverage(0.8)));
        assert_eq!(ranked.coverage_of(0), None);
        assert!(ranked.covering(0.8) <= 2);
    }
}
