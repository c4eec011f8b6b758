//! Byte-level BPE: ids by GPT-2's algorithm (scripts/make_tokenizer_fixtures.py), training, files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::reading::{Inputs, Reading};
use crate::tokenizer::{train_byte_bpe, train_byte_bpe_on_texts};

const TEXT: &str = "The kiln was hot. The potter opened the kiln, and the pots were red-hot; he \
    waited, opened it again, and the red pots were cool. Ёжик пил чай; мой чай, твой чай.";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/byte_bpe")
        .join(name)
}

fn original() -> Tokenizer {
    Tokenizer::open(&fixture("vocab.json")).unwrap()
}

fn settings(vocab_size: u32) -> ByteBpeSettings {
    ByteBpeSettings {
        vocab_size,
        ..ByteBpeSettings::default()
    }
}

fn trained(vocab_size: u32) -> Tokenizer {
    train_byte_bpe_on_texts([TEXT], &settings(vocab_size)).unwrap()
}

#[test]
fn ids_are_those_of_gpt_2s_algorithm_for_every_hard_text_and_from_either_file() {
    let cases: Vec<Value> =
        serde_json::from_slice(&fs::read(fixture("ids.json")).unwrap()).unwrap();
    assert!(cases.len() > 300);
    let other = Tokenizer::open(&fixture("bpe_encoder.bin")).unwrap();
    assert_eq!(other.identity(), original().identity());
    for case in &cases {
        let text = case["text"].as_str().unwrap();
        let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        assert_eq!(original().encode(text).unwrap(), ids, "{text:?}");
        assert_eq!(original().decode(&ids).unwrap(), text);
    }
}

#[test]
fn special_tokens_have_debertas_ids_and_the_mask_takes_its_space_along() {
    for tokenizer in [original(), trained(300)] {
        let vocabulary = tokenizer.vocabulary().unwrap();
        assert_eq!(
            [
                vocabulary.pad,
                vocabulary.cls,
                vocabulary.sep,
                vocabulary.unk,
                vocabulary.mask
            ],
            [0, 1, 2, 3, vocabulary.size - 1]
        );
        let ids = tokenizer.encode_with_specials("the [MASK] was").unwrap();
        let mask = ids.iter().position(|&id| id == vocabulary.mask).unwrap();
        assert_eq!(ids[1..mask], tokenizer.encode("the").unwrap());
        assert_eq!(
            ids[mask + 1..ids.len() - 1],
            tokenizer.encode(" was").unwrap()
        );
        assert_eq!((ids[0], *ids.last().unwrap()), (1, 2));
    }
}

/// `<s>` `<pad>` `</s>` `<unk>` `<mask>`, as the library `tokenizers` numbers them where it trains.
fn roberta(vocab_size: u32) -> Tokenizer {
    let settings = ByteBpeSettings {
        layout: ByteBpeLayout::Roberta,
        ..settings(vocab_size)
    };
    train_byte_bpe_on_texts([TEXT], &settings).unwrap()
}

#[test]
fn robertas_layout_has_its_ids_its_frame_and_its_class() {
    let tokenizer = roberta(300);
    assert_eq!(tokenizer.vocab_size(), 300);
    let vocabulary = tokenizer.vocabulary().unwrap();
    let ids = [
        vocabulary.cls,
        vocabulary.pad,
        vocabulary.sep,
        vocabulary.unk,
        vocabulary.mask,
    ];
    assert_eq!(ids, [0, 1, 2, 3, 4]);
    let ids = tokenizer.encode_with_specials("the <mask> was").unwrap();
    let mask = ids.iter().position(|&id| id == 4).unwrap();
    // The mask takes the space before it along.
    assert_eq!(ids[1..mask], tokenizer.encode("the").unwrap());
    assert_eq!((ids[0], *ids.last().unwrap()), (0, 2));
    // Pieces are those of the other layout.
    let pieces = |tokenizer: &Tokenizer| -> Vec<String> {
        let ids = tokenizer.encode("the kiln 天 🙂  was").unwrap();
        ids.iter().map(|&id| tokenizer.token(id).unwrap()).collect()
    };
    assert_eq!(pieces(&tokenizer), pieces(&trained(300)));

    let dir = tempfile::tempdir().unwrap();
    tokenizer.save(dir.path()).unwrap();
    let config: Value =
        serde_json::from_slice(&fs::read(dir.path().join("tokenizer_config.json")).unwrap())
            .unwrap();
    assert_eq!(config["tokenizer_class"], "RobertaTokenizer");
    assert_eq!(config["added_tokens_decoder"]["4"]["lstrip"], true);
    // DeBERTa's is none: transformers would put others around its texts.
    trained(300).save(dir.path()).unwrap();
    let config: Value =
        serde_json::from_slice(&fs::read(dir.path().join("tokenizer_config.json")).unwrap())
            .unwrap();
    assert_eq!(config["tokenizer_class"], "PreTrainedTokenizerFast");
}

#[test]
fn merges_follow_the_counts_of_pairs_and_ties_the_ids() {
    // ab 3, bc 2, " a" 2 (abc twice after a space, ab once at the start), xy 2: ab; then Ġ+ab 2
    // (3 less one at the start), ab+c 2, xy 2: the lower ids first. The space comes after the
    // letters among the bytes, and ab after all of them.
    let tokenizer = train_byte_bpe_on_texts(["ab abc abc", "xy", "xy"], &settings(264)).unwrap();
    let pieces: Vec<String> = (260..264).map(|id| tokenizer.token(id).unwrap()).collect();
    assert_eq!(pieces, ["ab", "xy", "Ġab", "[MASK]"]);
}

#[test]
fn the_vocabulary_has_the_size_asked_for_or_what_the_text_gives() {
    for vocab_size in [261, 290] {
        assert_eq!(trained(vocab_size).vocab_size(), vocab_size);
    }
    let all = trained(10_000);
    assert!((290..600).contains(&all.vocab_size()));
    let ids = all.encode("the kiln 天").unwrap();
    assert_eq!(
        all.decode(&ids).unwrap(),
        "the kiln 天",
        "nothing is unknown"
    );
    let error = train_byte_bpe_on_texts([TEXT], &settings(200)).unwrap_err();
    let error = error.to_string();
    assert!(
        error.starts_with("vocab_size = 200: bytes and special tokens take 261"),
        "{error}"
    );
    let error = train_byte_bpe_on_texts([""], &settings(300)).unwrap_err();
    assert!(error.to_string().contains("no text in it"), "{error}");
}

#[test]
fn training_gives_the_same_vocabulary_for_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("text.txt");
    let text: String = (0..5_000u32)
        .map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761)))
        .collect();
    fs::write(&file, &text).unwrap();
    let inputs = Inputs::find(std::slice::from_ref(&file), Reading::default()).unwrap();
    let train = |threads| {
        let settings = ByteBpeSettings {
            threads,
            ..settings(400)
        };
        train_byte_bpe(&inputs, &settings, &mut |_| {})
            .unwrap()
            .identity()
    };
    let first = train(1);
    for threads in [2, 3] {
        assert_eq!(train(threads), first, "{threads} threads");
    }
}

#[test]
fn saved_and_opened_again_it_is_the_same_tokenizer_from_any_file() {
    for tokenizer in [original(), trained(300), roberta(300)] {
        let dir = tempfile::tempdir().unwrap();
        tokenizer.save(dir.path()).unwrap();
        let opened = Tokenizer::open(dir.path()).unwrap();
        assert_eq!(opened.identity(), tokenizer.identity());
        fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
        let bare = Tokenizer::open(dir.path()).unwrap();
        assert_eq!(bare.identity(), tokenizer.identity());
    }
}

#[test]
fn what_is_missing_or_malformed_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let copy = |name: &str| fs::copy(fixture(name), dir.path().join(name)).unwrap();
    let error = || Tokenizer::open(dir.path()).unwrap_err().to_string();
    copy("vocab.json");
    assert!(error().contains("merges.txt: cannot be read"));
    for (merges, expected) in [
        (
            "#version: 0.2\na b\nabc\n",
            "merges.txt: line 3: write two pieces",
        ),
        ("a b c\n", "merges.txt: line 1: write two pieces"),
        ("天 b\n", "not a usable tokenizer.json"),
    ] {
        fs::write(dir.path().join("merges.txt"), merges).unwrap();
        let error = error();
        assert!(error.contains(expected), "{error}");
    }
    fs::write(dir.path().join("vocab.json"), "[]").unwrap();
    assert!(error().contains("vocab.json: not a JSON object of tokens and ids"));
    fs::remove_file(dir.path().join("vocab.json")).unwrap();

    let encoder = fs::read(fixture("bpe_encoder.bin")).unwrap();
    let damaged = dir.path().join("bpe_encoder.bin");
    fs::write(&damaged, &encoder[..encoder.len() / 2]).unwrap();
    let error = error();
    assert!(
        error.contains("bpe_encoder.bin: the file is damaged"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_encoder_gives_the_ids_of_encode(
        text in r"(the|kiln|'s|[ \t\n\u{a0}\u{3000}\u{200b}天éÉ1,.😀]|\[MASK\]|\[SEP\]|</?s>| ?<mask>|.){0,30}",
    ) {
        static ALL: LazyLock<[Tokenizer; 3]> =
            LazyLock::new(|| [original(), trained(300), roberta(300)]);
        for tokenizer in &*ALL {
            let mut encoder = tokenizer.encoder();
            let mut ids = Vec::new();
            encoder.encode(&text, &mut ids).unwrap();
            prop_assert_eq!(&ids, &tokenizer.encode(&text).unwrap());
            let mut again = Vec::new();
            encoder.encode(&text, &mut again).unwrap();
            prop_assert_eq!(&ids, &again, "remembered");
        }
    }
}
