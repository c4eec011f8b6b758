//! Tokens and the characters that they stand for, for all kinds of tokenizers.

use std::sync::LazyLock;

use proptest::prelude::*;

use crate::Tokenizer;
use crate::tokenizer::{
    ByteBpeLayout, ByteBpeSettings, UnigramLayout, UnigramSettings, WordPieceSettings,
    XlnetLetters, train_byte_bpe_on_texts, train_unigram_on_texts, train_word_piece_on_texts,
};

const TEXT: &str = "The kiln was hot. The potter opened the kiln, and the pots were red-hot; he \
    waited, opened it again, and the red pots were cool. Ёжик пил чай. Ёлка стояла, ещё зелёная; \
    мой чай, твой чай, её ёжик, их ёжики и ёлки. Zürich's café \"red\" é";

/// What the texts below are made of: letters, marks, emoji, blanks of all kinds, what normalisers drop.
const PARTS: [&str; 40] = [
    "a",
    "The",
    "kiln",
    " ",
    " ",
    "  ",
    "\t",
    "\n",
    "\u{a0}",
    "\u{3000}",
    "ё",
    "й",
    "и\u{306}",
    "чай",
    "é",
    "e\u{301}",
    "\u{301}",
    "Zürich's",
    "İ",
    "ß",
    "ﬁ",
    "東京",
    "。",
    "、",
    "「",
    "ｶﾞ",
    "한",
    "\u{1112}\u{1161}\u{11ab}",
    "👩‍👩‍👧",
    "👍🏽",
    "🇩🇪",
    "\u{200b}",
    "\u{ad}",
    "\u{fffd}",
    "``",
    "''",
    "▁",
    "Ġ",
    "[SEP]",
    "\u{7}",
];

fn unigram(layout: UnigramLayout) -> Tokenizer {
    let settings = UnigramSettings {
        vocab_size: 110,
        character_coverage: 1.0,
        layout,
        ..UnigramSettings::default()
    };
    train_unigram_on_texts([TEXT], &settings).unwrap()
}

fn word_piece(lowercase: bool) -> Tokenizer {
    let settings = WordPieceSettings {
        vocab_size: 120,
        lowercase,
        ..WordPieceSettings::default()
    };
    train_word_piece_on_texts([TEXT], &settings).unwrap()
}

fn byte_bpe(layout: ByteBpeLayout) -> Tokenizer {
    let settings = ByteBpeSettings {
        vocab_size: 300,
        layout,
        ..ByteBpeSettings::default()
    };
    train_byte_bpe_on_texts([TEXT], &settings).unwrap()
}

fn xlnet(keep_accents: bool) -> UnigramLayout {
    UnigramLayout::Xlnet(XlnetLetters {
        lowercase: !keep_accents,
        keep_accents,
    })
}

static ALL: LazyLock<[(&str, Tokenizer); 7]> = LazyLock::new(|| {
    [
        ("uncased", word_piece(true)),
        ("cased", word_piece(false)),
        ("deberta bytes", byte_bpe(ByteBpeLayout::Deberta)),
        ("roberta bytes", byte_bpe(ByteBpeLayout::Roberta)),
        ("unigram", unigram(UnigramLayout::Deberta)),
        ("xlnet", unigram(xlnet(false))),
        ("xlnet accents", unigram(xlnet(true))),
    ]
});

fn named(name: &str) -> &'static Tokenizer {
    &ALL.iter().find(|(known, _)| *known == name).unwrap().1
}

/// Each token's name and the text cut out by its range.
fn cut(name: &str, text: &str) -> Vec<(String, String)> {
    let tokenizer = named(name);
    let characters: Vec<char> = text.chars().collect();
    let tokens = tokenizer.encode_with_offsets(text).unwrap();
    let cut = tokens.into_iter().map(|(id, range)| {
        let text = characters[range].iter().collect();
        (tokenizer.token(id).unwrap(), text)
    });
    cut.collect()
}

/// The texts of the tokens that are seen, none twice in a row.
fn seen(name: &str, text: &str) -> Vec<String> {
    let mut texts: Vec<String> = cut(name, text).into_iter().map(|(_, text)| text).collect();
    texts.retain(|text| !text.is_empty());
    texts.dedup();
    texts
}

/// The characters that are some token's.
fn covered(name: &str, text: &str) -> String {
    let ranges = ranges(name, text);
    let is_in = |at: usize| ranges.iter().any(|&(start, end)| start <= at && at < end);
    let characters = text.chars().enumerate();
    characters
        .filter_map(|(at, c)| is_in(at).then_some(c))
        .collect()
}

fn ranges(name: &str, text: &str) -> Vec<(usize, usize)> {
    let tokens = named(name).encode_with_offsets(text).unwrap();
    tokens
        .iter()
        .map(|(_, range)| (range.start, range.end))
        .collect()
}

#[test]
fn offsets_count_characters_not_bytes() {
    for (name, _) in &*ALL {
        let tokens = ranges(name, "é a");
        assert_eq!(tokens[0].0, 0, "{name}");
        assert_eq!(*tokens.last().unwrap(), (2, 3), "{name}");
    }
}

#[test]
fn no_token_begins_or_ends_with_a_blank() {
    for (name, _) in &*ALL {
        for text in [
            "the kiln",
            " the  kiln ",
            "\tthe\u{a0}\u{3000}kiln\n",
            "the\r\n\r\nkiln",
        ] {
            let all = covered(name, text);
            assert_eq!(all, "thekiln", "{name}: {text:?}");
        }
        assert!(ranges(name, "").is_empty(), "{name}");
        let blanks = ranges(name, "   ");
        assert!(blanks.iter().all(|(start, end)| start == end), "{name}");
    }
}

#[test]
fn a_mark_alone_stands_for_no_character() {
    for name in ["unigram", "xlnet"] {
        let tokens = cut(name, "東京");
        assert_eq!(tokens[0], ("▁".to_string(), String::new()), "{name}");
        assert_eq!(seen(name, "東京"), ["東京"], "{name}");
        let tokens = ranges(name, "a 東");
        assert_eq!(tokens[tokens.len() - 2..], [(2, 2), (2, 3)], "{name}");
    }
    // Three bytes, each a token, behind a space that is a token too.
    let tokens = ranges("deberta bytes", "a 東");
    assert_eq!(tokens, [(0, 1), (2, 2), (2, 3), (2, 3), (2, 3)]);
}

#[test]
fn combining_marks_belong_to_their_letter_whether_composed_or_dropped() {
    let text = "cafe\u{301} и\u{306}";
    for name in [
        "uncased",
        "unigram",
        "xlnet",
        "xlnet accents",
        "deberta bytes",
    ] {
        let tokens = ranges(name, text);
        let ends: Vec<usize> = tokens.iter().map(|(_, end)| *end).collect();
        assert!(
            ends.contains(&5) && ends.last() == Some(&8),
            "{name}: {ends:?}"
        );
        assert_eq!(covered(name, "и\u{306}"), "и\u{306}", "{name}");
    }
    // A mark on a space is nobody's where it is dropped.
    assert_eq!(seen("uncased", "a \u{301}b"), ["a", "b"]);
    // Korean letters that are composed.
    let jamo = "\u{1112}\u{1161}\u{11ab}";
    for (name, _) in &*ALL {
        assert_eq!(covered(name, jamo), jamo, "{name}");
    }
}

#[test]
fn letters_that_change_their_length_are_whole() {
    for (name, _) in &*ALL {
        let tokens = ranges(name, "İ x");
        assert_eq!(*tokens.last().unwrap(), (2, 3), "{name}");
        assert!(tokens.iter().all(|range| *range != (1, 2)), "{name}");
        assert_eq!(seen(name, "ﬁ"), ["ﬁ"], "{name}");
        assert_eq!(covered(name, "Zürich's"), "Zürich's", "{name}");
    }
}

#[test]
fn signs_and_emoji_lose_nothing() {
    for (name, _) in &*ALL {
        for text in ["「東京」、大阪。", "👩‍👩‍👧", "👍🏽", "🇩🇪", "чай，東京"]
        {
            assert_eq!(covered(name, text), text, "{name}");
        }
    }
}

#[test]
fn two_accents_that_become_a_quotation_mark_are_both_its() {
    for name in ["xlnet", "xlnet accents"] {
        assert_eq!(covered(name, "a``red''"), "a``red''", "{name}");
        let (first, second) = (&cut(name, "``a")[..2], ("\"".to_string(), "``".to_string()));
        assert!(first.contains(&second), "{name}: {first:?}");
    }
}

#[test]
fn what_is_dropped_is_no_tokens() {
    assert_eq!(seen("uncased", "the\u{ad} kiln"), ["the", "kiln"]);
    for (name, _) in &*ALL {
        assert_eq!(covered(name, "\u{200b}the\u{200b}"), "the", "{name}");
    }
}

#[test]
fn what_is_dropped_at_the_beginning_moves_nothing() {
    let text = "\u{7}\u{1}the \u{7}kiln\u{7} s\u{7}.";
    for (name, _) in &*ALL {
        let tokens = ranges(name, text);
        assert_eq!(tokens.last(), Some(&(15, 16)), "{name}: {tokens:?}");
        assert_eq!(covered(name, text), "thekilns.", "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn ids_are_those_of_encode_and_ranges_rise_within_the_text(
        parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..14),
        any in any::<String>(),
    ) {
        for text in [parts.concat(), any] {
            let characters: Vec<char> = text.chars().collect();
            for (name, tokenizer) in &*ALL {
                let tokens = tokenizer.encode_with_offsets(&text).unwrap();
                let ids: Vec<u32> = tokens.iter().map(|(id, _)| *id).collect();
                prop_assert_eq!(ids, tokenizer.encode(&text).unwrap(), "{}", name);
                let mut before = 0..0;
                for (_, range) in tokens {
                    prop_assert!(range.start <= range.end && range.end <= characters.len());
                    prop_assert!(
                        before.start <= range.start && before.end <= range.end,
                        "{}: {:?} then {:?} in {:?}", name, before, range, text
                    );
                    if let [first, .., last] = &characters[range.clone()] {
                        prop_assert!(!first.is_whitespace() && !last.is_whitespace());
                    }
                    before = range;
                }
            }
        }
    }

    #[test]
    fn bytes_stand_for_all_that_is_seen(
        parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..14),
    ) {
        // Byte-level BPE drops nothing, so each character that is seen is some token's.
        let text = parts.concat();
        let tokens = named("deberta bytes").encode_with_offsets(&text).unwrap();
        for (at, c) in text.chars().enumerate() {
            let is_blank = c.is_whitespace() || "\u{200b}\u{ad}\u{7}".contains(c);
            let is_in = tokens.iter().any(|(_, range)| range.contains(&at));
            prop_assert!(is_in || is_blank, "{:?} of {:?}", c, text);
        }
    }
}
