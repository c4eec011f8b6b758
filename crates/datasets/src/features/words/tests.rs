//! Sentences of words: windows, which of them decides a word, labels of tokens.

use std::sync::LazyLock;

use kiln_text::Tokenizer;
use kiln_text::tokenizer::{
    ByteBpeSettings, WordPieceSettings, train_byte_bpe_on_texts, train_word_piece_on_texts,
};
use proptest::prelude::*;

use super::*;

/// Words of letters alone: `##` pieces of one letter, none of two, so that a word has as many tokens as
/// letters.
static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let settings = WordPieceSettings {
        vocab_size: 5 + 2 * 5,
        ..WordPieceSettings::default()
    };
    train_word_piece_on_texts(["aa bb cc dd ee ab bc cd de ea"], &settings).unwrap()
});

fn tags() -> Labels {
    let names = [
        "O",
        "B-PER",
        "I-PER",
        "B-LOC",
        "B-creative-work",
        "I-creative-work",
    ];
    Labels::new(names.map(String::from).to_vec())
}

struct Made {
    rows: Vec<Feature>,
    counts: FeatureCounts,
}

fn made(words: &[&str], tags: Option<&[usize]>, room: usize, overlap: usize, all: bool) -> Made {
    let labels = self::tags();
    let rules = WordRules::new(false, room, overlap, all.then_some(&labels));
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    let layout = Layout::new(&TOKENIZER, 2).unwrap();
    let mut counts = FeatureCounts::default();
    let mut encoder = TOKENIZER.encoder();
    let rows = rules
        .features(0, &words, tags, &mut encoder, &layout, &mut counts)
        .unwrap();
    Made { rows, counts }
}

fn labels_of(row: &Feature) -> &[i32] {
    match &row.target {
        RowTarget::Tokens(labels) => labels,
        other => panic!("{other:?}"),
    }
}

fn words_of(row: &Feature) -> &[(u32, u32)] {
    match &row.map {
        TokenMap::Words(words) => words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_tokenizer_of_these_tests_gives_a_token_a_letter() {
    assert_eq!(TOKENIZER.encode("abcde").unwrap().len(), 5);
}

#[test]
fn the_first_token_of_a_word_is_labelled_and_no_other_one() {
    let made = made(&["abc", "d", "ea"], Some(&[1, 2, 0]), 20, 10, false);
    assert_eq!(made.rows.len(), 1);
    // [CLS] a b c d e a [SEP]
    let expected = [-100, 1, -100, -100, 2, 0, -100, -100];
    assert_eq!(labels_of(&made.rows[0]), expected);
    assert_eq!(words_of(&made.rows[0]), [(0, 1), (1, 4), (2, 5)]);
}

#[test]
fn with_label_all_tokens_later_ones_are_inside_where_the_first_begins() {
    let tags = [1, 3, 4, 2];
    let made = made(&["abc", "de", "ab", "cd"], Some(&tags), 20, 10, true);
    // B-LOC has no I-LOC: it stays.
    let expected = [-100, 1, 2, 2, 3, 3, 4, 5, 2, 2, -100];
    assert_eq!(labels_of(&made.rows[0]), expected);
    // One token a word decides all the same.
    assert_eq!(words_of(&made.rows[0]).len(), 4);
}

#[test]
fn a_word_without_tokens_has_no_place_and_is_counted() {
    let made = made(&["\u{1}", "a", "", "b"], Some(&[1, 2, 3, 0]), 20, 10, false);
    assert_eq!(labels_of(&made.rows[0]), [-100, 2, 0, -100]);
    assert_eq!(words_of(&made.rows[0]), [(1, 1), (3, 2)]);
    assert_eq!(made.counts.unread_words, 2);
    let nothing = self::made(&[], Some(&[]), 20, 10, false);
    assert_eq!(nothing.rows.len(), 1, "a row all the same");
    assert_eq!(labels_of(&nothing.rows[0]), [-100, -100]);
    let unread = self::made(&["\u{1}"], None, 20, 10, false);
    assert_eq!((unread.rows.len(), unread.counts.unread_words), (1, 1));
    assert_eq!(unread.rows[0].target, RowTarget::None);
}

#[test]
fn a_long_sentence_is_cut_between_words_and_each_word_is_decided_where_it_has_most_around_it() {
    let words = ["a", "b", "c", "d", "e", "a", "b", "c", "d"];
    let tags = [0, 1, 2, 3, 0, 1, 2, 3, 0];
    let made = made(&words, Some(&tags), 5, 2, false);
    // Windows of the tokens 0–4, 3–7 and 6–8.
    assert_eq!(made.rows.len(), 3);
    assert_eq!(made.counts.long_sentences, 1);
    assert_eq!(labels_of(&made.rows[0]), [-100, 0, 1, 2, 3, -100, -100]);
    assert_eq!(labels_of(&made.rows[1]), [-100, -100, 0, 1, 2, -100, -100]);
    assert_eq!(labels_of(&made.rows[2]), [-100, -100, 3, 0, -100]);
    let decided: Vec<u32> = made
        .rows
        .iter()
        .flat_map(|row| words_of(row).iter().map(|(word, _)| *word))
        .collect();
    assert_eq!(decided, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_word_longer_than_a_window_is_decided_by_its_beginning() {
    let made = made(&["a", "bcdeabcde", "c"], Some(&[1, 2, 3]), 4, 2, true);
    assert_eq!(made.counts.cut_words, 1);
    let mut decided: Vec<u32> = made
        .rows
        .iter()
        .flat_map(|row| words_of(row).iter().map(|(word, _)| *word))
        .collect();
    decided.sort_unstable();
    assert_eq!(decided, [0, 1, 2]);
    assert!(made.rows.iter().all(|row| row.ids[0].len() <= 6));
    // No label of it stands in a row that does not decide it.
    let labels = made.rows.iter().flat_map(labels_of);
    assert_eq!(labels.filter(|&&label| label == 2).count(), 4);
}

#[test]
fn byte_level_words_get_the_pieces_that_they_have_within_a_text() {
    let settings = ByteBpeSettings {
        vocab_size: 290,
        ..ByteBpeSettings::default()
    };
    let texts = ["the kiln and the kiln and the kiln"];
    let tokenizer = train_byte_bpe_on_texts(texts, &settings).unwrap();
    assert!(tokenizer.words_need_space());
    let rules = WordRules::new(tokenizer.words_need_space(), 20, 10, None);
    let words = ["and", "the", "kiln"].map(String::from);
    let layout = Layout::new(&tokenizer, 2).unwrap();
    let mut counts = FeatureCounts::default();
    let mut encoder = tokenizer.encoder();
    let rows = rules.features(0, &words, None, &mut encoder, &layout, &mut counts);
    let ids = rows.unwrap().remove(0).ids.remove(0);
    let text = tokenizer.encode(" and the kiln").unwrap();
    assert_eq!(ids[1..ids.len() - 1], text);
}

/// Words of these lengths, as their tokens.
fn ranges(lengths: &[usize]) -> Vec<Range<usize>> {
    let mut end = 0;
    let range = |length: &usize| {
        end += length;
        end - length..end
    };
    lengths.iter().map(range).collect()
}

proptest! {
    #[test]
    fn windows_hold_every_word_and_go_on(
        lengths in proptest::collection::vec(1_usize..9, 0..40),
        room in 1_usize..12,
        overlap in 0_usize..12,
    ) {
        let overlap = overlap.min(room - 1);
        let words = ranges(&lengths);
        let tokens = lengths.iter().sum();
        let windows = windows(&words, tokens, room, overlap);
        prop_assert!(windows.len() <= words.len().max(1));
        prop_assert!(windows.iter().all(|window| window.len() <= room));
        prop_assert!(windows.is_sorted_by(|a, b| a.start < b.start && a.end <= b.end));
        for word in &words {
            let is_whole = |window: &&Range<usize>| {
                window.start <= word.start && word.end <= window.end
            };
            let begins = |window: &Range<usize>| window.contains(&word.start);
            prop_assert!(windows.iter().any(begins), "{word:?} in {windows:?}");
            if word.len() <= room {
                prop_assert!(windows.iter().any(|window| is_whole(&window)));
            }
        }
        // A window begins with a word.
        let begins = |window: &Range<usize>| words.iter().any(|word| word.start == window.start);
        prop_assert!(words.is_empty() || windows.iter().all(begins));
        // A word is decided by a window that has it whole, if one has, and none has more around it.
        for (word, decider) in words.iter().zip(deciders(&words, &windows)) {
            let context = |window: &Range<usize>| {
                let before = word.start as i64 - window.start as i64;
                before.min(window.end as i64 - word.end as i64)
            };
            let window = &windows[decider];
            prop_assert!(window.contains(&word.start));
            let holding = windows.iter().filter(|window| window.contains(&word.start));
            prop_assert_eq!(holding.map(context).max(), Some(context(window)));
            // The first of equals.
            let before = windows[..decider].iter();
            let mut before = before.filter(|window| window.contains(&word.start));
            prop_assert!(before.all(|earlier| context(earlier) < context(window)));
        }
    }

    #[test]
    fn every_word_is_decided_once_and_labels_are_as_many_as_words(
        words in proptest::collection::vec("[a-e]{0,7}", 0..30),
        room in 1_usize..10,
        overlap in 0_usize..10,
    ) {
        let overlap = overlap.min(room - 1);
        let tags: Vec<usize> = (0..words.len()).map(|word| word % 6).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let made = made(&words, Some(&tags), room, overlap, false);
        let mut decided = Vec::new();
        for row in &made.rows {
            let labels = labels_of(row);
            prop_assert_eq!(labels.len(), row.ids[0].len());
            prop_assert!(row.ids[0].len() <= room + 2);
            let scored = labels.iter().filter(|&&label| label != -100).count();
            prop_assert_eq!(scored, words_of(row).len());
            // What decides nothing is not read, but for a sentence of nothing else.
            prop_assert!(scored > 0 || made.rows.len() == 1);
            for &(word, position) in words_of(row) {
                prop_assert_eq!(labels[position as usize], tags[word as usize] as i32);
                // The token there is the word's first.
                let first = TOKENIZER.encode(words[word as usize]).unwrap()[0];
                prop_assert_eq!(row.ids[0][position as usize], first);
                decided.push(word as usize);
            }
        }
        decided.sort_unstable();
        let readable: Vec<usize> = (0..words.len()).filter(|&word| !words[word].is_empty()).collect();
        prop_assert_eq!(&decided, &readable);
        prop_assert_eq!(made.counts.unread_words as usize, words.len() - readable.len());
        // Without tags the rows are the same.
        let untagged = self::made(&words, None, room, overlap, false);
        prop_assert_eq!(untagged.rows.len(), made.rows.len());
        for (untagged, row) in untagged.rows.iter().zip(&made.rows) {
            prop_assert_eq!(&untagged.ids, &row.ids);
            prop_assert_eq!(&untagged.map, &row.map);
            prop_assert_eq!(&untagged.target, &RowTarget::None);
        }
    }
}
