//! SentencePiece models: ids as the original library gives them (scripts/make_tokenizer_fixtures.py),
//! saved, opened again, damaged.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::Value;

use super::proto::{Model, Piece};
use super::steps::precompiled;
use super::*;
use crate::tokenizer::Tokenizer;

mod classes;
mod trained;
mod xlnet;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sentence_piece");

fn fixture(name: &str) -> PathBuf {
    Path::new(FIXTURES).join(name)
}

/// SentencePiece's own normalisation, DeBERTa's special tokens.
fn nmt_nfkc_bytes() -> Vec<u8> {
    let packed = fs::File::open(fixture("nmt_nfkc.model.gz")).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

fn nmt_nfkc() -> Tokenizer {
    static OPENED: LazyLock<Tokenizer> = LazyLock::new(|| {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("spm.model"), nmt_nfkc_bytes()).unwrap();
        Tokenizer::open(dir.path()).unwrap()
    });
    OPENED.clone()
}

/// No normalisation, bytes for what is unknown, SentencePiece's special tokens.
fn bytes() -> Tokenizer {
    Tokenizer::open(&fixture("bytes.model")).unwrap()
}

/// The model of bytes() with a change.
fn changed(change: impl FnOnce(&mut Model)) -> Result<Tokenizer, String> {
    let mut model = Model::parse(&fs::read(fixture("bytes.model")).unwrap()).unwrap();
    change(&mut model);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("spm.model");
    fs::write(&file, model.to_bytes()).unwrap();
    Tokenizer::open(&file).map_err(|error| error.to_string())
}

#[test]
fn ids_are_those_of_sentencepiece_for_every_hard_text() {
    let cases: Vec<Value> =
        serde_json::from_slice(&fs::read(fixture("ids.json")).unwrap()).unwrap();
    assert!(cases.len() > 300);
    for (name, tokenizer) in [("nmt_nfkc", nmt_nfkc()), ("bytes", bytes())] {
        for case in &cases {
            let text = case["text"].as_str().unwrap();
            let ids: Vec<u32> = serde_json::from_value(case[name].clone()).unwrap();
            assert_eq!(tokenizer.encode(text).unwrap(), ids, "{name}: {text:?}");
        }
    }
}

#[test]
fn special_tokens_have_debertas_ids_and_those_that_lack_come_last() {
    let tokenizer = nmt_nfkc();
    let vocabulary = tokenizer.vocabulary().unwrap();
    let size = vocabulary.size;
    assert_eq!(
        [
            vocabulary.pad,
            vocabulary.cls,
            vocabulary.sep,
            vocabulary.unk,
            vocabulary.mask
        ],
        [0, 1, 2, 3, size - 1]
    );
    assert_eq!(
        tokenizer.encode_with_specials("the [MASK]").unwrap()[2..],
        [size - 1, 2]
    );

    // <unk>, <s>, </s> are the model's; the unknown piece keeps its name.
    let tokenizer = bytes();
    let vocabulary = tokenizer.vocabulary().unwrap();
    let size = vocabulary.size;
    assert_eq!(
        [
            vocabulary.unk,
            vocabulary.pad,
            vocabulary.cls,
            vocabulary.sep,
            vocabulary.mask
        ],
        [0, size - 4, size - 3, size - 2, size - 1]
    );
    assert_eq!(tokenizer.special_tokens().unk, "<unk>");
    assert_eq!(vocabulary.is_special[..4], [false, true, true, false]);
}

#[test]
fn pieces_without_a_space_before_them_continue_a_word() {
    let tokenizer = nmt_nfkc();
    let vocabulary = tokenizer.vocabulary().unwrap();
    let continues = |text: &str| -> Vec<bool> {
        let ids = tokenizer.encode(text).unwrap();
        ids.iter()
            .map(|&id| vocabulary.is_continuation[id as usize])
            .collect()
    };
    assert_eq!(continues("the kiln"), [false, false]);
    let word = continues("kilnpotters");
    assert!(word.len() > 1 && !word[0] && word[1..].iter().all(|&piece| piece));
    let comma = tokenizer.id(",").unwrap();
    assert!(!vocabulary.is_continuation[comma as usize]);
    for id in 0..4 {
        assert!(!vocabulary.is_continuation[id]);
    }
}

#[test]
fn decoding_gives_normalised_text_again() {
    for (tokenizer, text, expected) in [
        (nmt_nfkc(), "  Ёжик　ｗａｓ  ﬁne ", "Ёжик was fine"),
        (bytes(), "the 😀 Ёжик", "the 😀 Ёжик"),
    ] {
        let ids = tokenizer.encode_with_specials(text).unwrap();
        assert_eq!(tokenizer.decode(&ids).unwrap(), expected);
    }
}

#[test]
fn saved_and_opened_again_it_is_the_same_tokenizer_from_either_file() {
    for tokenizer in [nmt_nfkc(), bytes()] {
        let dir = tempfile::tempdir().unwrap();
        tokenizer.save(dir.path()).unwrap();
        let opened = Tokenizer::open(dir.path()).unwrap();
        assert_eq!(opened.identity(), tokenizer.identity());

        // The model goes with it, byte for byte.
        let again = tempfile::tempdir().unwrap();
        opened.save(again.path()).unwrap();
        for name in ["tokenizer.json", "tokenizer_config.json", "spm.model"] {
            assert_eq!(
                fs::read(dir.path().join(name)).unwrap(),
                fs::read(again.path().join(name)).unwrap(),
                "{name}"
            );
        }

        fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
        let bare = Tokenizer::open(dir.path()).unwrap();
        assert_eq!(bare.identity(), tokenizer.identity());
    }
}

#[test]
fn another_model_beside_a_tokenizer_is_not_saved_with_it() {
    let dir = tempfile::tempdir().unwrap();
    nmt_nfkc().save(dir.path()).unwrap();
    fs::copy(fixture("bytes.model"), dir.path().join("spm.model")).unwrap();
    let again = tempfile::tempdir().unwrap();
    Tokenizer::open(dir.path())
        .unwrap()
        .save(again.path())
        .unwrap();
    assert!(!again.path().join("spm.model").exists());
}

#[test]
fn what_is_not_supported_is_named() {
    let piece = |text: &str, kind| Piece {
        text: text.to_string(),
        score: -1.0,
        kind,
    };
    let error = changed(|model| model.pieces.push(piece("▁x", PieceKind::Unused))).unwrap_err();
    assert!(error.contains("(\"▁x\") is marked as unused"), "{error}");
    let error = changed(|model| model.pieces.push(model.pieces[9].clone())).unwrap_err();
    assert!(error.contains("is empty or there twice"), "{error}");
    let error = changed(|model| model.pieces[0].kind = PieceKind::Control).unwrap_err();
    assert!(error.contains("has no unknown piece"), "{error}");
    let error = changed(|model| model.charsmap = vec![8, 0, 0, 0, 0, 0, 0, 0]).unwrap_err();
    assert!(error.contains("normalisation rules"), "{error}");

    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("spm.model");
    fs::copy(fixture("bytes.model"), &model).unwrap();
    let config = dir.path().join("tokenizer_config.json");
    fs::write(config, r#"{"split_by_punct": true}"#).unwrap();
    let error = Tokenizer::open(&model).unwrap_err().to_string();
    assert!(
        error.contains("tokenizer_config.json: split_by_punct is true"),
        "{error}"
    );
}

#[test]
fn damaged_rules_are_refused_wherever_they_lie() {
    let dir = tempfile::tempdir().unwrap();
    nmt_nfkc().save(dir.path()).unwrap();
    let path = dir.path().join("tokenizer.json");
    let whole: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let within = |step: Value| serde_json::json!({ "type": "Sequence", "normalizers": [step] });
    let damaged = precompiled(&[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut bare = damaged.clone();
    bare.as_object_mut().unwrap().remove("type");
    for normalizer in [
        within(damaged.clone()),
        within(within(damaged)),
        within(bare),
    ] {
        let mut json = whole.clone();
        json["normalizer"] = normalizer;
        fs::write(&path, json.to_string()).unwrap();
        let error = Tokenizer::open(&path).unwrap_err().to_string();
        assert!(
            error.contains("(precompiled_charsmap) are damaged"),
            "{error}"
        );
    }
}

#[test]
fn a_model_without_a_space_before_the_text_has_none() {
    let plain = bytes().encode("the").unwrap();
    let without = changed(|model| model.add_dummy_prefix = false).unwrap();
    assert_ne!(without.encode("the").unwrap(), plain);
    let ids = without.encode("a the").unwrap();
    assert_eq!(ids.last(), plain.last());
}

#[test]
fn a_user_defined_piece_is_found_within_words() {
    let tokenizer = changed(|model| {
        model.pieces.push(Piece {
            text: "zqz".to_string(),
            score: 0.0,
            kind: PieceKind::UserDefined,
        });
    })
    .unwrap();
    let piece = tokenizer.id("zqz").unwrap();
    let parts = ["kiln", "the"].map(|text| tokenizer.encode(text).unwrap());
    let ids = tokenizer.encode("kilnzqz the").unwrap();
    assert_eq!(ids, [&parts[0][..], &[piece], &parts[1]].concat());
    assert!(!tokenizer.vocabulary().unwrap().is_special[piece as usize]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_encoder_gives_the_ids_of_encode(
        text in r"(the|kiln|[ \t\n\u{a0}\u{200b}\u{200d}\u{1}\u{301}\u{5b0}\u{5bc}\u{651}\u{64e}ﬁ½ｅ天éÉ,.😀]|\[MASK\]|<s>|.){0,30}",
    ) {
        for tokenizer in [nmt_nfkc(), bytes()] {
            let mut encoder = tokenizer.encoder();
            let mut ids = Vec::new();
            encoder.encode(&text, &mut ids).unwrap();
            prop_assert_eq!(&ids, &tokenizer.encode(&text).unwrap());
            let mut again = Vec::new();
            encoder.encode(&text, &mut again).unwrap();
            prop_assert_eq!(&ids, &again, "remembered");
            prop_assert!(ids.iter().all(|&id| id < tokenizer.vocab_size()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Normalisation rules with one byte changed: a tokenizer or an error, and no panic later.
    #[test]
    fn damaged_rules_are_used_or_refused(at in any::<prop::sample::Index>(), byte: u8) {
        static MODEL: LazyLock<Model> =
            LazyLock::new(|| Model::parse(&nmt_nfkc_bytes()).unwrap());
        let mut charsmap = MODEL.charsmap.clone();
        let at = at.index(charsmap.len());
        charsmap[at] = byte;
        let json = precompiled(&charsmap);
        if check_charsmaps(&json).is_ok() {
            let precompiled: tokenizers::normalizers::Precompiled =
                serde_json::from_str(&json.to_string()).map_err(|_| "refused").unwrap();
            precompiled.normalize_string("Ёжик ﬁ½ ｗａｓ 天 e\u{302}\u{301} 한 \u{1} ™️");
        }
    }
}
