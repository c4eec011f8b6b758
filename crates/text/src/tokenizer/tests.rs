//! Tokenizers as their users see them: trained, saved, opened, compared.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

mod training;

const ENGLISH: &str = "The kiln was hot. The potter opened the kiln, and the pots were red-hot; \
    he waited, opened it again, and the red pots were cool.";
const RUSSIAN: &str = "Ёжик пил чай. Ёлка стояла, ещё зелёная; йод и чайник, мой чай, твой чай, \
    её ёжик, их ёжики, ёлки и зелёный лес.";

fn settings(vocab_size: u32) -> WordPieceSettings {
    WordPieceSettings {
        vocab_size,
        ..WordPieceSettings::default()
    }
}

fn trained(text: &str, settings: &WordPieceSettings) -> Tokenizer {
    train_word_piece_on_texts([text], settings).unwrap()
}

fn uncased() -> Tokenizer {
    static UNCASED: LazyLock<Tokenizer> = LazyLock::new(|| trained(ENGLISH, &settings(90)));
    UNCASED.clone()
}

fn cased() -> Tokenizer {
    static CASED: LazyLock<Tokenizer> = LazyLock::new(|| {
        let cased = WordPieceSettings {
            lowercase: false,
            ..settings(90)
        };
        trained(ENGLISH, &cased)
    });
    CASED.clone()
}

fn words(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    let ids = tokenizer.encode(text).unwrap();
    ids.iter().map(|&id| tokenizer.token(id).unwrap()).collect()
}

fn edit(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    edit(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

#[test]
fn special_tokens_have_the_first_five_ids_in_hugging_faces_order() {
    let tokenizer = uncased();
    let names: Vec<String> = (0..5).map(|id| tokenizer.token(id).unwrap()).collect();
    assert_eq!(names, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]);
    let vocabulary = tokenizer.vocabulary().unwrap();
    assert_eq!(vocabulary.size, tokenizer.vocab_size());
    assert_eq!(
        vocabulary.is_special[..6],
        [true, false, true, true, true, false],
        "[UNK] is masked like a word"
    );
    for id in 0..vocabulary.size {
        assert_eq!(
            vocabulary.is_continuation[id as usize],
            tokenizer.token(id).unwrap().starts_with("##")
        );
    }
}

#[test]
fn saved_and_opened_again_it_is_the_same_tokenizer_from_either_file() {
    for settings in [
        settings(90),
        WordPieceSettings {
            lowercase: false,
            ..settings(90)
        },
        WordPieceSettings {
            strip_accents: Some(false),
            ..settings(90)
        },
    ] {
        let tokenizer = trained(ENGLISH, &settings);
        let dir = tempfile::tempdir().unwrap();
        tokenizer.save(dir.path()).unwrap();
        let opened = Tokenizer::open(dir.path()).unwrap();
        assert_eq!(opened.identity(), tokenizer.identity());
        assert_eq!(opened.model_max_length(), Some(512));

        let again = tempfile::tempdir().unwrap();
        opened.save(again.path()).unwrap();
        for name in ["tokenizer.json", "tokenizer_config.json", "vocab.txt"] {
            assert_eq!(
                fs::read(dir.path().join(name)).unwrap(),
                fs::read(again.path().join(name)).unwrap(),
                "{name}"
            );
        }

        fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
        let bare = Tokenizer::open(dir.path()).unwrap();
        assert_eq!(bare.identity(), tokenizer.identity());
        let file = Tokenizer::open(&dir.path().join("vocab.txt")).unwrap();
        assert_eq!(file.identity(), tokenizer.identity());
    }
}

#[test]
fn other_settings_or_tokens_give_another_identity() {
    let identities = [
        trained(ENGLISH, &settings(60)).identity(),
        trained(&ENGLISH.replace("kiln", "oven"), &settings(60)).identity(),
        trained(
            ENGLISH,
            &WordPieceSettings {
                strip_accents: Some(false),
                ..settings(60)
            },
        )
        .identity(),
    ];
    assert_ne!(identities[0], identities[1]);
    assert_ne!(identities[0], identities[2]);
    let written_out = WordPieceSettings {
        strip_accents: Some(true),
        ..settings(60)
    };
    assert_eq!(identities[0], trained(ENGLISH, &written_out).identity());
}

#[test]
fn a_bare_vocabulary_is_uncased_as_in_hugging_face() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("vocab.txt"),
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n##s\r\ne\n",
    )
    .unwrap();
    let tokenizer = Tokenizer::open(dir.path()).unwrap();
    assert_eq!(tokenizer.encode("The THES é").unwrap(), [5, 5, 6, 7]);
    assert_eq!(tokenizer.encode_with_specials("the").unwrap(), [2, 5, 3]);
    assert_eq!(tokenizer.encode("[MASK] [mask]").unwrap()[0], 4);
}

#[test]
fn what_is_missing_or_malformed_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let error = |path: &Path| Tokenizer::open(path).unwrap_err().to_string();

    assert!(error(dir.path()).ends_with(
        "no tokenizer.json, tokenizer.model, spm.model, spiece.model, vocab.json, vocab.txt, bpe_encoder.bin in it; pass a folder that holds one of them"
    ));
    assert!(error(&path("no")).contains("no: cannot be read"));

    fs::write(path("vocab.txt"), "\u{feff}[UNK]\na\n").unwrap();
    assert!(error(dir.path()).contains("vocab.txt: begins with a byte order mark"));
    fs::write(path("vocab.txt"), b"[UNK]\na\xff\n").unwrap();
    assert!(error(dir.path()).contains("byte 7 is not UTF-8"));
    fs::write(path("vocab.txt"), "a\nb\n").unwrap();
    assert!(error(dir.path()).contains("no [UNK]"));
    fs::write(path("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n").unwrap();
    let lacking = Tokenizer::open(dir.path()).unwrap();
    let message = lacking.vocabulary().unwrap_err().to_string();
    assert!(
        message.contains("vocab.txt: the vocabulary has no [MASK]"),
        "{message}"
    );

    for (config, expected) in [
        ("{", "tokenizer_config.json: not JSON"),
        ("[]", "not a JSON object"),
        (
            r#"{"do_lower_case": "no"}"#,
            "do_lower_case = \"no\": write true or false",
        ),
        (r#"{"model_max_length": 7.5}"#, "model_max_length = 7.5"),
        (r#"{"model_max_length": "9"}"#, "model_max_length = \"9\""),
        (r#"{"cls_token": 3}"#, "cls_token: write the token"),
    ] {
        fs::write(path("tokenizer_config.json"), config).unwrap();
        let message = error(dir.path());
        assert!(message.contains(expected), "{message}");
    }
    fs::remove_file(path("tokenizer_config.json")).unwrap();
    for json in [
        "",
        "{}",
        "[1]",
        r#"{"model": {"type": "WordPiece"}}"#,
        "\u{0}",
    ] {
        fs::write(path("tokenizer.json"), json).unwrap();
        assert!(error(dir.path()).contains("tokenizer.json: not "), "{json}");
    }
}

#[test]
fn special_tokens_may_have_other_names() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("vocab.txt"),
        "<u>\n<p>\n<s>\n</s>\n<m>\nthe\n",
    )
    .unwrap();
    fs::write(
        dir.path().join("tokenizer_config.json"),
        r#"{"unk_token": "<u>", "pad_token": {"content": "<p>"}, "cls_token": "<s>",
            "sep_token": "</s>", "mask_token": "<m>", "model_max_length": 1e30}"#,
    )
    .unwrap();
    let tokenizer = Tokenizer::open(dir.path()).unwrap();
    let vocabulary = tokenizer.vocabulary().unwrap();
    assert_eq!((vocabulary.unk, vocabulary.pad, vocabulary.mask), (0, 1, 4));
    assert_eq!(
        tokenizer.encode_with_specials("the x").unwrap(),
        [2, 5, 0, 3]
    );
    assert_eq!(tokenizer.model_max_length(), None);
}

#[test]
fn files_that_contradict_each_other_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    uncased().save(dir.path()).unwrap();
    let config = dir.path().join("tokenizer_config.json");
    edit(&config, |config| config["do_lower_case"] = false.into());
    let error = Tokenizer::open(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("tokenizer_config.json: do_lower_case is false here but true in"),
        "{error}"
    );
    // A class that takes tokenizer.json as it is leaves no doubt.
    edit(&config, |config| {
        config["tokenizer_class"] = "PreTrainedTokenizerFast".into();
    });
    assert_eq!(
        Tokenizer::open(dir.path()).unwrap().identity(),
        uncased().identity()
    );
    // Without the field transformers would lowercase a cased BertTokenizer.
    cased().save(dir.path()).unwrap();
    edit(&config, |config| {
        config.as_object_mut().unwrap().remove("do_lower_case");
    });
    assert!(Tokenizer::open(dir.path()).is_err());
}

#[test]
fn lengths_in_tokenizer_json_do_not_cut_texts() {
    let dir = tempfile::tempdir().unwrap();
    uncased().save(dir.path()).unwrap();
    edit(&dir.path().join("tokenizer.json"), |json| {
        json["truncation"] = serde_json::json!({
            "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0,
        });
        json["padding"] = serde_json::json!({
            "strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
        });
    });
    let opened = Tokenizer::open(dir.path()).unwrap();
    assert_eq!(
        opened.encode(ENGLISH).unwrap(),
        uncased().encode(ENGLISH).unwrap()
    );
    assert_eq!(opened.identity(), uncased().identity());
}

#[test]
fn an_id_of_billions_is_refused_before_memory_is_taken_for_it() {
    let dir = tempfile::tempdir().unwrap();
    uncased().save(dir.path()).unwrap();
    edit(&dir.path().join("tokenizer.json"), |json| {
        json["model"]["vocab"]["huge"] = u32::MAX.into();
    });
    let error = Tokenizer::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("the largest id is 4294967294"), "{error}");
}

#[test]
fn decoding_joins_pieces_and_refuses_ids_outside() {
    let tokenizer = uncased();
    let ids = tokenizer.encode_with_specials("the potter, again").unwrap();
    assert_eq!(tokenizer.decode(&ids).unwrap(), "the potter, again");
    let outside = tokenizer.vocab_size();
    let error = tokenizer.decode(&[outside]).unwrap_err().to_string();
    assert!(
        error.contains(&format!("id {outside} is outside")),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The encoder's parts between spaces give the ids of the whole text: over characters that
    /// normalisation drops, splits, decomposes or takes for spaces.
    #[test]
    fn an_encoder_gives_the_ids_of_encode(
        text in r"(the|kiln|[ \t\n\r\u{b}\u{c}\u{85}\u{a0}\u{2028}\u{200b}\u{ad}\u{0}\u{fffd}\u{301}\u{308}\u{327}天éÉßΣ,.#😀]|\[MASK\]|\[SEP\]|.){0,30}",
    ) {
        for tokenizer in [uncased(), cased()] {
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

    /// Any bytes in any of the files: a tokenizer or an error.
    #[test]
    fn any_bytes_open_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let dir = tempfile::tempdir().unwrap();
        let names = [
            "vocab.txt",
            "tokenizer_config.json",
            "tokenizer.json",
            "spm.model",
            "vocab.json",
            "merges.txt",
            "bpe_encoder.bin",
        ];
        for name in names {
            fs::write(dir.path().join(name), &bytes).unwrap();
            let _ = Tokenizer::open(dir.path());
        }
        fs::remove_file(dir.path().join("tokenizer_config.json")).unwrap();
        for name in names {
            let _ = Tokenizer::open(&dir.path().join(name));
        }
    }

    /// A tokenizer.json of any kind with one byte changed: a tokenizer or an error.
    #[test]
    fn a_damaged_tokenizer_json_opens_or_is_refused(at in any::<prop::sample::Index>(), byte: u8) {
        static JSON: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
            let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
            let open = |file: &str| Tokenizer::open(&fixtures.join(file)).unwrap();
            [
                uncased(),
                open("sentence_piece/bytes.model"),
                open("byte_bpe/vocab.json"),
            ]
            .map(|tokenizer| {
                let dir = tempfile::tempdir().unwrap();
                tokenizer.save(dir.path()).unwrap();
                fs::read(dir.path().join("tokenizer.json")).unwrap()
            })
        });
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokenizer.json");
        for json in &*JSON {
            let mut bytes = json.clone();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            fs::write(&path, &bytes).unwrap();
            if let Ok(tokenizer) = Tokenizer::open(dir.path()) {
                let _ = tokenizer.encode(ENGLISH);
                let _ = tokenizer.encode(RUSSIAN);
                let _ = tokenizer.vocabulary();
                let _ = tokenizer.decode(&[0, tokenizer.vocab_size() - 1]);
            }
        }
    }
}
