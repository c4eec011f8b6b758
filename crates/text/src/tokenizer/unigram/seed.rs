//! What a unigram vocabulary is chosen from: the characters, and the frequent strings of several.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

/// Separates words in the text of all words; no word holds it.
const END: char = '\0';

/// A word or a part of one, and how often it comes.
pub(super) type Counted = (Vec<char>, u64);

/// The most frequent characters that make up a share of all text, ties in favour of the lower code
/// point.
pub(super) fn alphabet(words: &[(String, u64)], coverage: f64) -> BTreeSet<char> {
    let mut counts: BTreeMap<char, u64> = BTreeMap::new();
    for (word, count) in words {
        for c in word.chars() {
            *counts.entry(c).or_default() += count;
        }
    }
    let all: u64 = counts.values().sum();
    let mut characters: Vec<(Reverse<u64>, char)> = counts
        .into_iter()
        .map(|(c, count)| (Reverse(count), c))
        .collect();
    characters.sort_unstable();
    let mut covered = 0;
    characters
        .into_iter()
        .take_while(|(Reverse(count), _)| {
            let goes_on = (covered as f64) < coverage * all as f64;
            covered += count;
            goes_on
        })
        .map(|(_, c)| c)
        .collect()
}

/// Words without the characters outside the alphabet, which end a piece: sorted, each once.
pub(super) fn within(words: &[(String, u64)], alphabet: &BTreeSet<char>) -> Vec<Counted> {
    let mut counts: BTreeMap<Vec<char>, u64> = BTreeMap::new();
    for (word, count) in words {
        let characters: Vec<char> = word.chars().collect();
        for part in characters.split(|c| *c == END || !alphabet.contains(c)) {
            if !part.is_empty() {
                *counts.entry(part.to_vec()).or_default() += count;
            }
        }
    }
    counts.into_iter().collect()
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
    let mut text: Vec<char> = Vec::new();
    // Where each place is in the text, and the count of its word.
    let mut places: Vec<(u32, u64)> = Vec::new();
    let mut word_starts = BTreeSet::new();
    for (word, count) in words {
        word_starts.insert(text.len() as u32);
        let starts = (text.len() as u32..).take(word.len());
        places.extend(starts.map(|start| (start, *count)));
        text.extend(word);
        text.push(END);
    }
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
        from(one.0)
            .cmp(from(other.0))
            .then_with(|| one.0.cmp(&other.0))
    });

    let mut found: Vec<(u64, &[char])> = Vec::new();
    // Open intervals: the length of the common beginning, the counts before it.
    let mut open: Vec<(usize, u64)> = Vec::new();
    let mut before = 0;
    for (index, &(start, count)) in places.iter().enumerate() {
        let string = from(start);
        let next = places.get(index + 1).map_or(&[][..], |next| from(next.0));
        let common = string.iter().zip(next).take_while(|(a, b)| a == b).count();
        let held = open.last().map_or(0, |(length, _)| *length);
        // A word of its own is no common beginning.
        if string.len() > held.max(common) && word_starts.contains(&start) {
            found.push((count, string));
        }
        let mut opened = before;
        before += count;
        while let Some(&(length, from_count)) = open.last()
            && length > common
        {
            open.pop();
            found.push((before - from_count, &string[..length]));
            opened = from_count;
        }
        if open.last().is_none_or(|(length, _)| *length < common) {
            open.push((common, opened));
        }
    }
    found.retain(|(count, string)| *count > 1 && string.len() > 1);
    let weight = |(count, string): &(u64, &[char])| count * string.len() as u64;
    found.par_sort_unstable_by(|one, other| {
        weight(other)
            .cmp(&weight(one))
            .then_with(|| one.1.cmp(other.1))
    });
    found.truncate(limit);
    found
        .into_iter()
        .map(|(count, string)| (string.to_vec(), count))
        .collect()
}

#[cfg(test)]
mod tests {
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
    fn the_alphabet_covers_the_share_asked_for() {
        let words = [
            ("aab".to_string(), 30),
            ("c".to_string(), 9),
            ("d".to_string(), 1),
        ];
        let covering = |share| String::from_iter(alphabet(&words, share));
        assert_eq!(covering(1.0), "abcd");
        assert_eq!(covering(0.98), "abc");
        assert_eq!(covering(0.6), "a");
        let parts = within(&words, &BTreeSet::from(['a', 'c']));
        assert_eq!(parts, counted(&[("aa", 30), ("c", 9)]));
    }

    proptest! {
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
