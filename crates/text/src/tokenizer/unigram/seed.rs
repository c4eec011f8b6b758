//! What a unigram vocabulary is chosen from: the characters, and the frequent strings of several.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

/// Separates words in the text of all words; no word that is learned from holds it.
const END: char = '\0';

/// A word or a part of one, and how often it comes.
pub(super) type Counted = (Vec<char>, u64);

/// Words without the characters outside the alphabet, which end a piece: sorted, each once.
pub(super) fn within(words: Vec<(String, u64)>, alphabet: &BTreeSet<char>) -> Vec<Counted> {
    let mut parts: Vec<Counted> = Vec::with_capacity(words.len());
    // Each word is freed once it is read: there may be gigabytes of them.
    for (word, count) in words {
        let characters: Vec<char> = word.chars().collect();
        let known = characters.split(|c| !alphabet.contains(c));
        parts.extend(
            known
                .filter(|part| !part.is_empty())
                .map(|part| (part.to_vec(), count)),
        );
    }
    parts.par_sort_unstable();
    parts.dedup_by(|(part, count), (kept, sum)| {
        let is_same = part == kept;
        if is_same {
            *sum += *count;
        }
        is_same
    });
    parts
}

/// The characters, and the strings to choose from, with their counts.
pub(super) fn seeds(
    words: &[Counted],
    alphabet: &BTreeSet<char>,
    max_chars: usize,
    limit: usize,
) -> Vec<Counted> {
    let mut counts: BTreeMap<char, u64> = alphabet.iter().map(|&c| (c, 1)).collect();
    for (word, count) in words {
        for c in word {
            *counts.entry(*c).or_default() += count;
        }
    }
    let characters = counts.into_iter().map(|(c, count)| (vec![c], count));
    characters
        .chain(frequent(words, max_chars, limit))
        .collect()
}

/// Strings of 2 to `max_chars` characters that come at least twice, with their counts: those that
/// make up most text first, ties in the order of their characters, `limit` at most.
///
/// Of strings that always go on in the same way only the longest is taken. All places of the text
/// are sorted by what follows; equal beginnings then stand in a row (a suffix array, and the
/// intervals of its common prefixes).
fn frequent(words: &[Counted], max_chars: usize, limit: usize) -> Vec<Counted> {
    let size = words.iter().map(|(word, _)| word.len() + 1).sum();
    let mut text: Vec<char> = Vec::with_capacity(size);
    // Each place that is not an end, and for each place of the text its word.
    let mut places: Vec<u32> = Vec::with_capacity(size - words.len());
    let mut word_at: Vec<u32> = Vec::with_capacity(size);
    for ((word, _), index) in words.iter().zip(0..) {
        places.extend((text.len() as u32..).take(word.len()));
        text.extend(word);
        text.push(END);
        word_at.resize(text.len(), index);
    }
    let is_word_start = |start: u32| {
        let before = (start as usize).checked_sub(1);
        before.is_none_or(|before| text.get(before) == Some(&END))
    };
    let count_at = |start: u32| {
        let word = word_at.get(start as usize).copied().unwrap_or_default();
        words.get(word as usize).map_or(0, |(_, count)| *count)
    };
    let from = |start: u32| {
        let rest = text.get(start as usize..).unwrap_or_default();
        let end = rest
            .iter()
            .take(max_chars)
            .take_while(|c| **c != END)
            .count();
        &rest[..end]
    };
    places.par_sort_unstable_by(|one, other| {
        from(*one).cmp(from(*other)).then_with(|| one.cmp(other))
    });

    let mut found = Found::new(limit);
    // Open intervals: the length of the common beginning, the counts before it.
    let mut open: Vec<(usize, u64)> = Vec::new();
    let mut before = 0;
    for (index, &start) in places.iter().enumerate() {
        let (string, count) = (from(start), count_at(start));
        let next = places.get(index + 1).map_or(&[][..], |next| from(*next));
        let common = string.iter().zip(next).take_while(|(a, b)| a == b).count();
        let held = open.last().map_or(0, |(length, _)| *length);
        // A word of its own is no common beginning.
        if string.len() > held.max(common) && is_word_start(start) {
            found.push(count, string);
        }
        let mut opened = before;
        before += count;
        while let Some(&(length, from_count)) = open.last()
            && length > common
        {
            open.pop();
            found.push(before - from_count, &string[..length]);
            opened = from_count;
        }
        if open.last().is_none_or(|(length, _)| *length < common) {
            open.push((common, opened));
        }
    }
    found
        .best()
        .into_iter()
        .map(|(count, string)| (string.to_vec(), count))
        .collect()
}

/// The strings that make up most text, as they are found; several times as many as wanted at most.
struct Found<'a> {
    strings: Vec<(u64, &'a [char])>,
    limit: usize,
}

impl<'a> Found<'a> {
    /// How many strings for each wanted one are kept before the others go.
    const SPARE: usize = 4;

    fn new(limit: usize) -> Self {
        Self {
            strings: Vec::new(),
            limit,
        }
    }

    fn push(&mut self, count: u64, string: &'a [char]) {
        if count <= 1 || string.len() <= 1 {
            return;
        }
        self.strings.push((count, string));
        if self.strings.len() >= self.limit.saturating_mul(Self::SPARE).max(1) {
            self.keep_best();
        }
    }

    /// No two compare as equal, so what is kept does not depend on when the others go.
    fn keep_best(&mut self) {
        let weight = |(count, string): &(u64, &[char])| count * string.len() as u64;
        self.strings.par_sort_unstable_by(|one, other| {
            weight(other)
                .cmp(&weight(one))
                .then_with(|| one.1.cmp(other.1))
        });
        self.strings.truncate(self.limit);
    }

    fn best(mut self) -> Vec<(u64, &'a [char])> {
        self.keep_best();
        self.strings
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn counted(words: &[(&str, u64)]) -> Vec<Counted> {
        let mut counts: BTreeMap<Vec<char>, u64> = BTreeMap::new();
        for (word, count) in words {
            *counts.entry(word.chars().collect()).or_default() += count;
        }
        counts.into_iter().collect()
    }

    #[test]
    fn strings_are_counted_and_only_the_longest_of_those_that_go_on_alike_are_taken() {
        let words = counted(&[
            ("abcd", 2),
            ("abce", 3),
            ("xbc", 1),
            ("solo", 4),
            ("once", 1),
        ]);
        let found: Vec<(String, u64)> = frequent(&words, 16, 100)
            .into_iter()
            .map(|(string, count)| (String::from_iter(string), count))
            .collect();
        // abc 5 times 3 and solo 4 times 4; ab always goes on as abc.
        let expected = [
            ("solo", 4),
            ("abc", 5),
            ("abce", 3),
            ("bc", 6),
            ("abcd", 2),
            ("ce", 4),
        ];
        let expected = expected.map(|(string, count)| (string.to_string(), count));
        assert_eq!(found, expected);
    }

    #[test]
    fn characters_outside_the_alphabet_end_a_piece() {
        let words = [
            ("aab".to_string(), 30),
            ("a\0a".to_string(), 2),
            ("c".to_string(), 9),
            ("d".to_string(), 1),
        ];
        let parts = within(words.to_vec(), &BTreeSet::from(['a', 'c']));
        assert_eq!(parts, counted(&[("a", 4), ("aa", 30), ("c", 9)]));
    }

    proptest! {
        #[test]
        fn what_is_kept_does_not_depend_on_when_the_others_go(
            counts in prop::collection::vec((0u64..9, 0usize..6), 0..60),
            limit in 0usize..8,
        ) {
            let text: Vec<char> = "abcdefgh".chars().collect();
            let mut found = Found::new(limit);
            let mut all: Vec<(u64, &[char])> = Vec::new();
            for (start, (count, length)) in counts.into_iter().enumerate() {
                // Each string once, as they are found.
                let from = &text[start % 3..];
                let string = &from[..length.min(from.len())];
                if !all.iter().any(|(_, known)| *known == string) {
                    found.push(count, string);
                    all.push((count, string));
                }
            }
            all.retain(|(count, string)| *count > 1 && string.len() > 1);
            all.sort_by_key(|(count, string)| (Reverse(count * string.len() as u64), *string));
            all.truncate(limit);
            prop_assert_eq!(found.best(), all);
        }

        /// Against counting every string of every word.
        #[test]
        fn counts_are_those_of_counting_every_string(
            words in prop::collection::vec(("[abc]{1,9}", 1u64..4), 1..12),
        ) {
            let words: Vec<(&str, u64)> = words.iter().map(|(w, n)| (w.as_str(), *n)).collect();
            let words = counted(&words);
            let mut naive: HashMap<Vec<char>, u64> = HashMap::new();
            for (word, count) in &words {
                for start in 0..word.len() {
                    for end in start + 2..=word.len().min(start + 5) {
                        *naive.entry(word[start..end].to_vec()).or_default() += count;
                    }
                }
            }
            let found = frequent(&words, 5, usize::MAX);
            for (string, count) in &found {
                prop_assert_eq!(naive.get(string), Some(count), "{:?}", string);
            }
            // What was left out goes on in one way, or ends a word that has no other place.
            let taken: HashMap<Vec<char>, u64> = found.into_iter().collect();
            for (word, count) in &words {
                if (2..=5).contains(&word.len()) && *count > 1 {
                    let longer = taken
                        .iter()
                        .any(|(string, n)| string.starts_with(word) && naive.get(word) == Some(n));
                    prop_assert!(taken.contains_key(word) || longer, "{:?}", word);
                }
            }
        }
    }
}
