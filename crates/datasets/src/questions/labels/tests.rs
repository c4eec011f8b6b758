//! Answers to tokens and back.

use std::sync::LazyLock;

use kiln_text::Tokenizer;
use kiln_text::tokenizer::{
    ByteBpeSettings, UnigramSettings, WordPieceSettings, train_byte_bpe_on_texts,
    train_unigram_on_texts, train_word_piece_on_texts,
};
use proptest::prelude::*;

use super::*;

/// Words and signs, some of several characters that are seen as one: an accent of its own, a skin's
/// colour, emoji that are joined.
const TEXT: &str = "The potter opened the kiln in Zürich's cafe\u{301} 👍\u{1f3fd}, \
                    👩\u{200d}👩\u{200d}👧 kiln👍\u{1f3fd}; 東京。 Ёжик пил чай, её чай.";

/// The characters from the first of these tokens to the last; none if there are no such tokens.
fn answer_characters(
    tokens: &[(u32, Range<usize>)],
    (first, last): (usize, usize),
) -> Option<Range<usize>> {
    let ((_, first), (_, last)) = (tokens.get(first)?, tokens.get(last)?);
    Some(first.start..last.end)
}

static ALL: LazyLock<[Tokenizer; 3]> = LazyLock::new(|| {
    let word_piece = WordPieceSettings {
        vocab_size: 90,
        ..WordPieceSettings::default()
    };
    let unigram = UnigramSettings {
        vocab_size: 70,
        character_coverage: 1.0,
        ..UnigramSettings::default()
    };
    let bytes = ByteBpeSettings {
        vocab_size: 270,
        ..ByteBpeSettings::default()
    };
    [
        train_word_piece_on_texts([TEXT], &word_piece).unwrap(),
        train_unigram_on_texts([TEXT], &unigram).unwrap(),
        train_byte_bpe_on_texts([TEXT], &bytes).unwrap(),
    ]
});

/// The characters of [`TEXT`] where `part` stands first, from its first character on.
fn place(part: &str) -> Range<usize> {
    let (before, _) = TEXT.split_once(part).unwrap();
    let start = before.chars().count();
    start..start + part.chars().count()
}

/// What an answer in [`TEXT`] is after it was tokens.
fn comes_back(tokenizer: &Tokenizer, answer: Range<usize>) -> Option<Range<usize>> {
    let tokens = tokenizer.encode_with_offsets(TEXT).unwrap();
    answer_characters(&tokens, answer_tokens(&tokens, answer)?)
}

fn tokens(ranges: &[(usize, usize)]) -> Vec<(u32, Range<usize>)> {
    ranges.iter().map(|&(start, end)| (0, start..end)).collect()
}

#[test]
fn an_answer_is_the_tokens_that_its_characters_are_in() {
    // "the red kilns": the, red, kiln, s.
    let words = tokens(&[(0, 3), (4, 7), (8, 12), (12, 13)]);
    for (answer, expected) in [
        (0..3, (0, 0)),
        (4..7, (1, 1)),
        (4..13, (1, 3)),
        // Within words: all of them.
        (5..6, (1, 1)),
        (9..13, (2, 3)),
        // Hugging Face's rule gives "the red" and "red kiln" for these.
        (3..7, (1, 1)),
        (4..8, (1, 1)),
    ] {
        assert_eq!(
            answer_tokens(&words, answer.clone()),
            Some(expected),
            "{answer:?}"
        );
    }
    assert_eq!(answer_characters(&words, (1, 3)), Some(4..13));
    assert_eq!(answer_characters(&words, (1, 4)), None);
}

#[test]
fn a_character_of_three_tokens_is_a_span_that_runs_forwards() {
    let bytes = tokens(&[(0, 1), (1, 1), (2, 3), (2, 3), (2, 3), (3, 4)]);
    assert_eq!(answer_tokens(&bytes, 2..3), Some((2, 4)));
    assert_eq!(answer_tokens(&bytes, 2..4), Some((4, 5)));
    assert_eq!(answer_characters(&bytes, (2, 4)), Some(2..3));
    // The second token has a byte of each of two characters.
    let across = tokens(&[(0, 1), (0, 2), (1, 2), (2, 3)]);
    assert_eq!(answer_tokens(&across, 1..2), Some((2, 2)));
    assert_eq!(answer_tokens(&across, 0..1), Some((0, 0)));
}

#[test]
fn an_answer_that_no_token_stands_for_has_none() {
    let words = tokens(&[(0, 3), (3, 3), (5, 7)]);
    for answer in [3..4, 3..5, 4..4, 7..9, 9..12] {
        assert_eq!(answer_tokens(&words, answer.clone()), None, "{answer:?}");
    }
    assert_eq!(answer_tokens(&[], 0..1), None);
    // Half of it is not read.
    assert_eq!(answer_tokens(&words, 4..6), Some((2, 2)));
}

#[test]
fn accents_and_emoji_come_back_with_all_that_they_are_made_of() {
    for tokenizer in &*ALL {
        for answer in [
            "cafe\u{301}",
            "👍\u{1f3fd}",
            "👩\u{200d}👩\u{200d}👧",
            "kiln👍\u{1f3fd}",
            "cafe\u{301} 👍\u{1f3fd}, 👩\u{200d}👩\u{200d}👧",
        ] {
            let answer = place(answer);
            assert_eq!(comes_back(tokenizer, answer.clone()), Some(answer));
        }
    }
}

#[test]
fn an_answer_that_is_part_of_what_is_seen_as_one_never_takes_along_its_neighbours() {
    for (part, whole) in [
        ("cafe", "cafe\u{301}"),
        ("\u{301}", "cafe\u{301}"),
        ("👍", "👍\u{1f3fd}"),
        ("\u{1f3fd}", "👍\u{1f3fd}"),
        ("👩\u{200d}👩", "👩\u{200d}👩\u{200d}👧"),
        ("\u{200d}", "👩\u{200d}👩\u{200d}👧"),
    ] {
        let (answer, whole) = (place(part), place(whole));
        for tokenizer in &*ALL {
            let back = comes_back(tokenizer, answer.clone()).unwrap();
            assert!(back.start <= answer.start && answer.end <= back.end);
            assert!(whole.start <= back.start && back.end <= whole.end);
        }
    }
}

proptest! {
    #[test]
    fn any_answer_comes_back_with_all_its_characters_that_are_seen(
        from in 0usize..90, length in 1usize..30,
    ) {
        let characters: Vec<char> = TEXT.chars().collect();
        let end = (from + length).min(characters.len());
        let answer = from.min(end)..end;
        // Marks and joiners too: they are their letter's and their emoji's.
        let seen = answer.clone().filter(|&at| !characters[at].is_whitespace());
        let seen: Vec<usize> = seen.collect();
        for tokenizer in &*ALL {
            let tokens = tokenizer.encode_with_offsets(TEXT).unwrap();
            let Some((first, last)) = answer_tokens(&tokens, answer.clone()) else {
                prop_assert!(seen.is_empty());
                continue;
            };
            prop_assert!(first <= last);
            let back = answer_characters(&tokens, (first, last)).unwrap();
            prop_assert!(seen.iter().all(|at| back.contains(at)), "{:?} {:?}", answer, back);
            // No more than the rest of the tokens at the two ends.
            prop_assert!(tokens[first].1.end > answer.start && tokens[last].1.start < answer.end);
        }
    }

    #[test]
    fn what_is_made_of_whole_tokens_comes_back_to_the_same_characters(
        first in 0usize..200, length in 0usize..12,
    ) {
        for tokenizer in &*ALL {
            let tokens = tokenizer.encode_with_offsets(TEXT).unwrap();
            let first = first % tokens.len();
            let last = (first + length).min(tokens.len() - 1);
            let answer = tokens[first].1.start..tokens[last].1.end;
            if tokens[first].1.is_empty() || tokens[last].1.is_empty() {
                continue;
            }
            let found = answer_tokens(&tokens, answer.clone()).unwrap();
            prop_assert_eq!(answer_characters(&tokens, found), Some(answer));
        }
    }
}
