//! Unigram tokenizers as their users see them: trained, saved, opened.

use std::fs;

use super::*;
use crate::reading::{Inputs, Reading};
use crate::tokenizer::words::WORD_START;
use crate::tokenizer::{train_unigram, train_unigram_on_texts};

const TEXT: &str = "The kiln was hot. The potter opened the kiln, and the pots were red-hot; he \
    waited, opened it again, and the red pots were cool. Potters open kilns; kilns open slowly. \
    Ёжик пил чай. Ёлка стояла, ещё зелёная; мой чай, твой чай, её ёжик, их ёжики и ёлки.";

fn settings(vocab_size: u32) -> UnigramSettings {
    UnigramSettings {
        vocab_size,
        character_coverage: 1.0,
        ..UnigramSettings::default()
    }
}

fn trained(vocab_size: u32) -> Tokenizer {
    train_unigram_on_texts([TEXT], &settings(vocab_size)).unwrap()
}

fn pieces(tokenizer: &Tokenizer) -> Vec<String> {
    (0..tokenizer.vocab_size())
        .map(|id| tokenizer.token(id).unwrap())
        .collect()
}

#[test]
fn the_vocabulary_has_the_size_asked_for_and_debertas_special_tokens() {
    for vocab_size in [60, 77, 90] {
        let tokenizer = trained(vocab_size);
        assert_eq!(tokenizer.vocab_size(), vocab_size);
        let pieces = pieces(&tokenizer);
        assert_eq!(pieces[..4], ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]);
        assert_eq!(pieces.last().unwrap(), "[MASK]");
        let vocabulary = tokenizer.vocabulary().unwrap();
        assert_eq!(vocabulary.mask, vocab_size - 1);
        // All characters have pieces: no unknown ones.
        let ids = tokenizer.encode(TEXT).unwrap();
        assert!(!ids.contains(&vocabulary.unk));
        assert_eq!(tokenizer.decode(&ids).unwrap(), TEXT);
    }
}

#[test]
fn frequent_words_become_pieces_and_none_goes_on_over_punctuation_or_scripts() {
    let pieces = pieces(&trained(90));
    for word in ["▁the", "▁kiln", "▁pots", "▁чай"] {
        assert!(pieces.contains(&word.to_string()), "{word}: {pieces:?}");
    }
    for piece in &pieces[4..89] {
        let mut letters = piece.trim_start_matches(WORD_START).chars();
        let is_word = letters.clone().any(char::is_alphabetic);
        assert!(!is_word || letters.all(char::is_alphabetic), "{piece}");
    }
}

#[test]
fn a_text_with_too_few_strings_gives_fewer_and_no_room_for_the_alphabet_is_refused() {
    let all = trained(10_000);
    assert!((90..200).contains(&all.vocab_size()));
    let error = train_unigram_on_texts([TEXT], &settings(30)).unwrap_err();
    let error = error.to_string();
    assert!(
        error.starts_with("vocab_size = 30: the alphabet of this text takes "),
        "{error}"
    );
    let common = UnigramSettings {
        character_coverage: 0.6,
        ..settings(30)
    };
    assert_eq!(
        train_unigram_on_texts([TEXT], &common)
            .unwrap()
            .vocab_size(),
        30
    );
    let error = train_unigram_on_texts([" \n"], &settings(30)).unwrap_err();
    assert!(error.to_string().contains("no text in it"), "{error}");
}

#[test]
fn training_twice_gives_the_same_vocabulary_for_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("text.txt");
    // Every word as often as the others: all ties, which is where an order from a hash map shows.
    let text: String = (0..5_000u32)
        .map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761)))
        .collect();
    fs::write(&file, text.repeat(2)).unwrap();
    let inputs = Inputs::find(std::slice::from_ref(&file), Reading::default()).unwrap();
    let train = |threads| {
        let settings = UnigramSettings {
            threads,
            ..settings(500)
        };
        train_unigram(&inputs, &settings, &mut |_| {})
            .unwrap()
            .identity()
    };
    let first = train(1);
    for threads in [1, 2, 3] {
        assert_eq!(train(threads), first, "{threads} threads");
    }
    let texts = [fs::read_to_string(&file).unwrap()];
    let in_memory = train_unigram_on_texts(texts, &settings(500)).unwrap();
    assert_eq!(in_memory.identity(), first);
}

#[test]
fn a_fixed_text_gives_the_vocabulary_it_gave_in_every_process() {
    // Written down once: another process, another day, the same pieces in the same order.
    assert_eq!(
        pieces(&trained(80))[4..23].join(" "),
        "▁ , . ё и л s o а l ; ▁чай ▁the ▁kiln т я ▁The ▁were ▁and"
    );
}

#[test]
fn saved_and_opened_again_it_is_the_same_tokenizer_from_either_file() {
    let tokenizer = trained(90);
    let dir = tempfile::tempdir().unwrap();
    tokenizer.save(dir.path()).unwrap();
    let opened = Tokenizer::open(dir.path()).unwrap();
    assert_eq!(opened.identity(), tokenizer.identity());
    assert_eq!(opened.model_max_length(), Some(512));
    fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    let bare = Tokenizer::open(dir.path()).unwrap();
    assert_eq!(bare.identity(), tokenizer.identity());
}

/// XLNet's layout.
fn xlnet(vocab_size: u32, letters: XlnetLetters) -> Tokenizer {
    let settings = UnigramSettings {
        vocab_size,
        character_coverage: 1.0,
        ..UnigramSettings::xlnet(letters)
    };
    train_unigram_on_texts([TEXT], &settings).unwrap()
}

#[test]
fn xlnets_layout_has_its_special_tokens_and_signs_first_and_the_size_asked_for() {
    for vocab_size in [70, 90] {
        let tokenizer = xlnet(vocab_size, XlnetLetters::default());
        assert_eq!(tokenizer.vocab_size(), vocab_size);
        let pieces = pieces(&tokenizer);
        assert_eq!(
            pieces[..17].join(" "),
            "<unk> <s> </s> <cls> <sep> <pad> <mask> <eod> <eop> . ( ) \" - – £ €"
        );
        // No learned piece holds a sign.
        let signs = ['.', '(', ')', '"', '-', '–', '£', '€'];
        for piece in &pieces[17..] {
            assert!(!piece.contains(signs), "{piece}");
        }
        let vocabulary = tokenizer.vocabulary().unwrap();
        assert_eq!((vocabulary.cls, vocabulary.mask), (3, 6));
        assert_eq!(tokenizer.end_of_document(), Some(7));
        let ids = tokenizer.encode(TEXT).unwrap();
        assert!(!ids.contains(&vocabulary.unk));
        let plain = TEXT.replace('Ё', "Е").replace('ё', "е").replace('й', "и");
        assert_eq!(tokenizer.decode(&ids).unwrap(), plain);
    }
}

#[test]
fn xlnets_letters_are_learned_as_they_are_read() {
    let letters = XlnetLetters {
        lowercase: true,
        keep_accents: true,
    };
    let tokenizer = xlnet(90, letters);
    let ids = tokenizer.encode(TEXT).unwrap();
    assert!(!ids.contains(&0));
    assert_eq!(tokenizer.decode(&ids).unwrap(), TEXT.to_lowercase());
    for letters in [letters, XlnetLetters::default()] {
        let tokenizer = xlnet(90, letters);
        let dir = tempfile::tempdir().unwrap();
        tokenizer.save(dir.path()).unwrap();
        for file in ["tokenizer.json", "spiece.model"] {
            let opened = Tokenizer::open(&dir.path().join(file)).unwrap();
            assert_eq!(opened.identity(), tokenizer.identity(), "{file}");
        }
    }
}

#[test]
fn a_fixed_text_gives_xlnets_vocabulary_it_gave_in_every_process() {
    let pieces = pieces(&xlnet(80, XlnetLetters::default()));
    assert_eq!(
        pieces[17..36].join(" "),
        "▁ , е s o а l ; ▁чаи ▁the и ▁е л ▁kiln т я ▁were ▁and ▁The"
    );
}
