//! WordPiece learned from text.

use super::*;
use crate::reading::{Inputs, Reading};

#[test]
fn frequent_words_become_tokens_and_the_rest_is_spelled() {
    let tokenizer = uncased();
    assert_eq!(words(&tokenizer, "THE kiln,"), ["the", "kiln", ","]);
    let pieces = words(&tokenizer, "wools");
    assert!(pieces.len() > 1 && pieces[1..].iter().all(|piece| piece.starts_with("##")));
    assert_eq!(words(&tokenizer, "kiln😀 the"), ["[UNK]", "the"]);
}

#[test]
fn merges_follow_the_counts_of_pairs() {
    // Counted by hand: pairs a##b 3, ##b##c 2 (abc twice, ab once), x##y 2. "ab" comes first; then
    // ab+##c 2 against x+##y 2: the tie goes to the lower ids, and x (id 8) is below ab (id 12).
    let tokenizer = trained("abc abc ab xy xy", &settings(15));
    let tokens: Vec<String> = (5..tokenizer.vocab_size())
        .map(|id| tokenizer.token(id).unwrap())
        .collect();
    assert_eq!(
        tokens,
        ["a", "b", "c", "x", "y", "##b", "##c", "##y", "ab", "xy"]
    );
}

#[test]
fn training_twice_gives_the_same_vocabulary_for_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("text.txt");
    // Every word as often as the others: all ties, which is where an order from a hash map shows.
    let text: String = (0..20_000u32)
        .map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761)))
        .collect();
    fs::write(&file, text.repeat(2)).unwrap();
    let inputs = Inputs::find(std::slice::from_ref(&file), Reading::default()).unwrap();
    let train = |threads| {
        let settings = WordPieceSettings {
            threads,
            min_frequency: 1,
            ..settings(500)
        };
        train_word_piece(&inputs, &settings, &mut |_| {})
            .unwrap()
            .identity()
    };
    let first = train(1);
    for threads in [1, 2, 3, 4] {
        assert_eq!(train(threads), first, "{threads} threads");
    }
    let texts = [fs::read_to_string(&file).unwrap()];
    let settings = WordPieceSettings {
        min_frequency: 1,
        ..settings(500)
    };
    let in_memory = train_word_piece_on_texts(texts, &settings).unwrap();
    assert_eq!(in_memory.identity(), first);
}

#[test]
fn a_fixed_text_gives_the_vocabulary_it_gave_in_every_process() {
    // Written down once: another process, another day, the same hash.
    let tokens: Vec<String> = {
        let tokenizer = trained(RUSSIAN, &settings(60));
        (40..60).filter_map(|id| tokenizer.token(id)).collect()
    };
    assert_eq!(
        tokens.join(" "),
        "##х ##щ ##ы ##я ча ##ик чаи еж ежик ел зе ##ен ##лен ##ои елк зелен"
    );
}

#[test]
fn russian_letters_survive_lowercasing_when_accents_are_kept() {
    let kept = WordPieceSettings {
        strip_accents: Some(false),
        ..settings(120)
    };
    let tokenizer = trained(RUSSIAN, &kept);
    let ids = tokenizer.encode("Ёжик и ЧАЙ").unwrap();
    assert_eq!(tokenizer.decode(&ids).unwrap(), "ёжик и чай");
    assert_ne!(
        tokenizer.encode("чай").unwrap(),
        tokenizer.encode("чаи").unwrap()
    );

    let stripped = trained(RUSSIAN, &settings(120));
    let ids = stripped.encode("Ёжик и ЧАЙ").unwrap();
    assert_eq!(stripped.decode(&ids).unwrap(), "ежик и чаи");
}

#[test]
fn cased_training_keeps_capitals_and_chinese_characters_stand_alone() {
    let cased = WordPieceSettings {
        lowercase: false,
        ..settings(120)
    };
    let tokenizer = trained(&format!("{ENGLISH} 天下 天下"), &cased);
    assert_eq!(
        words(&tokenizer, "The the 天下the"),
        ["The", "the", "天", "下", "the"]
    );
}

#[test]
fn a_vocabulary_without_room_for_the_alphabet_is_refused_with_the_number_it_takes() {
    let error = train_word_piece_on_texts([ENGLISH], &settings(20))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("vocab_size = 20: the alphabet of this text takes "),
        "{error}"
    );
    let limited = WordPieceSettings {
        limit_alphabet: Some(5),
        ..settings(20)
    };
    assert!(train_word_piece_on_texts([ENGLISH], &limited).is_ok());
    let error = train_word_piece_on_texts([" \n"], &settings(20)).unwrap_err();
    assert!(error.to_string().contains("no text in it"), "{error}");
}

#[test]
fn files_and_folders_train_alike() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.txt"), ENGLISH).unwrap();
    let json = serde_json::json!({ "text": RUSSIAN });
    fs::write(dir.path().join("b.jsonl"), format!("{json}\n")).unwrap();
    let folder = [dir.path().to_path_buf()];
    let inputs = Inputs::find(&folder, Reading::default()).unwrap();
    let from_files = train_word_piece(&inputs, &settings(150), &mut |_| {}).unwrap();
    let from_texts = train_word_piece_on_texts([ENGLISH, RUSSIAN], &settings(150)).unwrap();
    assert_eq!(from_files.identity(), from_texts.identity());
}
