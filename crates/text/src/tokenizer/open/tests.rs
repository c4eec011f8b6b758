//! Folders as people have them, opened: the ids that transformers gives, or a refusal.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::json;

use super::*;

/// Written by scripts/tokenizer_layouts.py.
#[derive(Deserialize)]
struct Folders {
    texts: Vec<String>,
    pool: Vec<String>,
    folders: Vec<Folder>,
}

#[derive(Deserialize)]
struct Folder {
    name: String,
    /// By name, each a place in the pool.
    files: BTreeMap<String, usize>,
    /// Whether it has to open; either is right where nothing is said.
    opens: Option<bool>,
    /// transformers' ids of the texts.
    ids: Option<Vec<Vec<u32>>>,
}

fn folders() -> Folders {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/folders.json.gz");
    let mut text = String::new();
    let mut packed = GzDecoder::new(fs::File::open(path).unwrap());
    packed.read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn encoded(tokenizer: &Tokenizer, texts: &[String]) -> Vec<Vec<u32>> {
    let mut encoder = tokenizer.encoder();
    let ids = texts.iter().map(|text| {
        let ids = tokenizer.encode(text).unwrap();
        let mut word_by_word = Vec::new();
        encoder.encode(text, &mut word_by_word).unwrap();
        assert_eq!(word_by_word, ids, "{text:?}, word by word");
        ids
    });
    ids.collect()
}

#[test]
fn every_folder_gives_the_ids_that_transformers_gives_or_is_refused() {
    let Folders {
        texts,
        pool,
        folders,
    } = folders();
    let (mut num_same, mut num_alone) = (0, 0);
    for Folder {
        name,
        files,
        opens,
        ids,
    } in folders
    {
        let dir = tempfile::tempdir().unwrap();
        for (file, place) in files {
            fs::write(dir.path().join(file), &pool[place]).unwrap();
        }
        let tokenizer = match Tokenizer::open(dir.path()) {
            Ok(tokenizer) => tokenizer,
            Err(error) => {
                assert_ne!(opens, Some(true), "{name}: {error}");
                assert!(!error.to_string().contains('\n'), "{name}: {error}");
                continue;
            }
        };
        assert_ne!(opens, Some(false), "{name} opens");
        let ids = ids.unwrap_or_else(|| panic!("{name}: transformers refuses it"));
        assert_eq!(encoded(&tokenizer, &texts), ids, "{name}");
        num_same += 1;

        // Nothing is lost in what a run writes.
        let saved = tempfile::tempdir().unwrap();
        tokenizer.save(saved.path()).unwrap();
        let again = Tokenizer::open(saved.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(encoded(&again, &texts), ids, "{name}, saved and opened");
        assert_eq!(again.identity(), tokenizer.identity(), "{name}");
        let config = fs::read_to_string(saved.path().join(CONFIG)).unwrap();
        if saved.path().join(VOCABULARY).exists() && config.contains("\"BertTokenizer\"") {
            fs::remove_file(saved.path().join(TOKENIZER)).unwrap();
            let alone = Tokenizer::open(saved.path()).unwrap();
            assert_eq!(encoded(&alone, &texts), ids, "{name}, its vocab.txt alone");
            num_alone += 1;
        }
    }
    assert!(
        num_same >= 200 && num_alone >= 100,
        "{num_same} {num_alone}"
    );
}

const VOCAB: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nThe\n##s\n[a]\n[b]\n";
const BERT: &str = r#"{"model_type": "bert"}"#;

/// The files of a folder, by name, and what stands in them.
type Files<'a> = &'a [(&'a str, &'a str)];

fn opened(files: Files) -> Result<Tokenizer, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    Tokenizer::open(dir.path()).map_err(|error| {
        let folder = format!("{}/", dir.path().display());
        error.to_string().replace(&folder, "")
    })
}

#[test]
fn who_wins_where_files_disagree() {
    let cased = {
        let vocab = VOCAB.lines().zip(0u32..);
        let vocab = vocab.map(|(token, id)| (token.to_string(), Value::from(id)));
        let normalisation = bert::Normalisation {
            lowercase: false,
            ..bert::Normalisation::default()
        };
        bert::json_of(vocab.collect(), normalisation, &Default::default()).to_string()
    };
    let decoder = json!({"added_tokens_decoder": {"10": {"content": "[new]", "special": true}}});
    let decoder = decoder.to_string();
    let rows: [(&str, Files, &[&str]); 11] = [
        (
            "vocab.txt alone is uncased",
            &[(VOCABULARY, VOCAB), ("config.json", BERT)],
            &["the", "[UNK]", "##s"],
        ),
        (
            "tokenizer_config.json's class before config.json's",
            &[
                (VOCABULARY, VOCAB),
                ("config.json", r#"{"tokenizer_class": "HerbertTokenizer"}"#),
                (
                    CONFIG,
                    r#"{"tokenizer_class": "BertTokenizer", "do_lower_case": false}"#,
                ),
            ],
            &["The", "[UNK]", "##s"],
        ),
        (
            "tokenizer.json before vocab.txt, as it stands where nothing names a class",
            &[(VOCABULARY, "[UNK]\n"), (TOKENIZER, &cased)],
            &["The", "[UNK]", "##s"],
        ),
        (
            "tokenizer.json as it stands, by its class",
            &[
                (TOKENIZER, &cased),
                ("config.json", BERT),
                (
                    CONFIG,
                    r#"{"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": true}"#,
                ),
            ],
            &["The", "[UNK]", "##s"],
        ),
        (
            "the class's files, whatever lies beside them",
            &[
                (VOCABULARY, VOCAB),
                (BYTE_VOCABULARY, "{}"),
                (MERGES, ""),
                (SENTENCE_PIECE, "none"),
                ("config.json", BERT),
            ],
            &["the", "[UNK]", "##s"],
        ),
        (
            "special_tokens_map.json before tokenizer_config.json",
            &[
                (VOCABULARY, VOCAB),
                ("config.json", BERT),
                (CONFIG, r#"{"sep_token": "[a]"}"#),
                ("special_tokens_map.json", r#"{"sep_token": "[b]"}"#),
            ],
            &["the", "[b]", "##s"],
        ),
        (
            "added_tokens_decoder before special_tokens_map.json and added_tokens.json",
            &[
                (VOCABULARY, VOCAB),
                ("config.json", BERT),
                (CONFIG, &decoder),
                ("special_tokens_map.json", r#"{"sep_token": "[b]"}"#),
                ("added_tokens.json", r#"{"[other]": 10}"#),
            ],
            &["the", "[UNK]", "##s"],
        ),
        (
            "additional_special_tokens where extra_special_tokens says nothing",
            &[
                (VOCABULARY, VOCAB),
                ("config.json", BERT),
                (
                    CONFIG,
                    r#"{"additional_special_tokens": ["[b]"], "extra_special_tokens": []}"#,
                ),
            ],
            &["the", "[b]", "##s"],
        ),
        (
            "extra_special_tokens before additional_special_tokens",
            &[
                (VOCABULARY, VOCAB),
                ("config.json", BERT),
                (
                    CONFIG,
                    r#"{"additional_special_tokens": ["[b]"], "extra_special_tokens": ["[a]"]}"#,
                ),
            ],
            &["the", "[UNK]", "##s"],
        ),
        (
            "a token's place in the vocabulary before the id that is stated",
            &[
                (VOCABULARY, VOCAB),
                ("config.json", BERT),
                ("added_tokens.json", r#"{"[b]": 77}"#),
            ],
            &["the", "[b]", "##s"],
        ),
        (
            "the last of equal lines",
            &[
                (
                    VOCABULARY,
                    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n##s\n##s \n\n\n",
                ),
                ("config.json", BERT),
            ],
            &["the", "[UNK]", "##s"],
        ),
    ];
    for (what, files, expected) in rows {
        let tokenizer = opened(files).unwrap_or_else(|error| panic!("{what}: {error}"));
        let ids = tokenizer.encode("The [b] thes").unwrap();
        let mut tokens: Vec<String> = ids.iter().filter_map(|&id| tokenizer.token(id)).collect();
        // "[b]" falls into three unknown parts, and "thes" begins with a word that was there.
        tokens.dedup();
        let last = tokens.len().saturating_sub(2);
        tokens.remove(last);
        assert_eq!(tokens, expected, "{what}");
    }
    let rows: [(Files, &str); 6] = [
        (
            &[(TOKENIZER, &cased), ("config.json", BERT)],
            "tokenizer_config.json: do_lower_case is not given here, which transformers takes for true \
             (model_type = bert in config.json), but false in tokenizer.json",
        ),
        (
            &[
                (TOKENIZER, &cased),
                (CONFIG, r#"{"tokenizer_class": "MPNetTokenizerFast"}"#),
            ],
            "tokenizer_config.json: tokenizer_class = MPNetTokenizerFast: not a tokenizer that Kiln \
             has, and transformers takes only the vocabulary from tokenizer.json for it",
        ),
        (
            &[(SENTENCE_PIECE, "x"), ("config.json", BERT)],
            "no vocab.txt in it, which BertTokenizer (model_type = bert in config.json) reads, though \
             there is spm.model",
        ),
        (
            &[
                (VOCABULARY, VOCAB),
                (CONFIG, r#"{"tokenizer_class": "PreTrainedTokenizerFast"}"#),
            ],
            "vocab.txt: tokenizer_class = PreTrainedTokenizerFast in tokenizer_config.json reads \
             tokenizer.json, which is not there",
        ),
        (
            &[
                (VOCABULARY, VOCAB),
                ("config.json", BERT),
                (CONFIG, r#"{"cls_token": null}"#),
            ],
            "tokenizer_config.json: cls_token is null, and BertTokenizer can't do without",
        ),
        (
            &[
                (VOCABULARY, VOCAB),
                ("config.json", BERT),
                ("added_tokens.json", r#"{"[x]": 10, "[y]": 10}"#),
            ],
            "added_tokens.json: \"[x]\" and \"[y]\" both have id 10",
        ),
    ];
    for (files, expected) in rows {
        let error = opened(files).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn what_the_files_say_is_said_again_in_what_is_saved() {
    let tokenizer = opened(&[
        (VOCABULARY, VOCAB),
        ("config.json", BERT),
        (
            CONFIG,
            r#"{"do_lower_case": true, "bos_token": "[a]", "model_max_length": -1,
                "padding_side": "left", "auto_map": {"AutoModel": "mine.Model"},
                "image_token": {"__type": "AddedToken", "content": "[image]", "lstrip": true},
                "name_or_path": "/home/someone"}"#,
        ),
        (
            "special_tokens_map.json",
            r#"{"additional_special_tokens": ["[b]", "[new]"]}"#,
        ),
        ("added_tokens.json", r#"{"more": 10}"#),
    ])
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    tokenizer.save(dir.path()).unwrap();
    let config: Value =
        serde_json::from_slice(&fs::read(dir.path().join(CONFIG)).unwrap()).unwrap();
    for (field, expected) in [
        ("tokenizer_class", json!("BertTokenizer")),
        ("model_max_length", json!(-1)),
        ("bos_token", json!("[a]")),
        ("image_token", json!("[image]")),
        ("extra_special_tokens", json!(["[b]", "[new]"])),
        ("padding_side", json!("left")),
    ] {
        assert_eq!(config[field], expected, "{field}");
    }
    for field in ["auto_map", "name_or_path", "special_tokens_map_file"] {
        assert!(config.get(field).is_none(), "{field}");
    }
    let again = Tokenizer::open(dir.path()).unwrap();
    let tokens = |id| again.token(id);
    let added = (10..13).map(tokens).collect::<Option<Vec<_>>>();
    assert_eq!(added.unwrap(), ["more", "[image]", "[new]"]);
    assert_eq!(again.vocab_size(), 13);
    assert_eq!(again.base_size(), 10);
    let mismatch = again.mismatch(11).unwrap();
    assert!(
        mismatch.contains("has 13 tokens, the model 11: [image]"),
        "{mismatch}"
    );
    assert!(
        again
            .mismatch(9)
            .unwrap()
            .contains("do not belong together")
    );
    assert_eq!(again.mismatch(13), None);
}

#[test]
fn a_tokenizer_without_a_mask_reads_text_and_can_not_be_trained_with() {
    let config = (CONFIG, r#"{"mask_token": null}"#);
    let tokenizer = opened(&[(VOCABULARY, VOCAB), ("config.json", BERT), config]).unwrap();
    assert!(tokenizer.corpus_vocabulary().is_ok());
    assert!(
        tokenizer
            .encode("the [MASK]")
            .unwrap()
            .iter()
            .all(|&id| id != 4)
    );
    let error = tokenizer.vocabulary().unwrap_err().to_string();
    assert!(
        error.contains("mask_token is null in tokenizer_config.json"),
        "{error}"
    );
}

#[test]
fn a_pair_is_put_together_as_by_the_class() {
    let vocab = r#"{"<s>": 0, "</s>": 1, "<pad>": 2, "<unk>": 3, "<mask>": 4, "a": 5, "Ġa": 6}"#;
    for (class, ids) in [
        ("RobertaTokenizer", vec![0, 5, 1, 1, 5, 1]),
        ("GPT2Tokenizer", vec![5, 5]),
    ] {
        let config = json!({ "tokenizer_class": class }).to_string();
        let files = [
            (BYTE_VOCABULARY, vocab),
            (MERGES, "Ġ a\n"),
            (CONFIG, &config),
        ];
        // GPT-2's end of text has to be there; RoBERTa's vocabulary does not need it.
        let vocab = vocab.replace("Ġa\": 6", "Ġ\": 7, \"Ġa\": 6");
        let files = files.map(|(name, text)| match name {
            BYTE_VOCABULARY => (name, vocab.as_str()),
            _ => (name, text),
        });
        let tokenizer = opened(&files).unwrap();
        let pair = tokenizer.inner.encode(("a", "a"), true).unwrap();
        assert_eq!(pair.get_ids(), ids, "{class}");
        let dir = tempfile::tempdir().unwrap();
        tokenizer.save(dir.path()).unwrap();
        let again = Tokenizer::open(dir.path()).unwrap();
        assert_eq!(again.inner.encode(("a", "a"), true).unwrap().get_ids(), ids);
    }
}

#[test]
fn a_gpt2_folder_has_the_names_of_its_class_and_those_that_it_gives() {
    let vocab = r#"{"<|endoftext|>": 0, "[P]": 1, "[C]": 2, "[S]": 3, "[M]": 4, "a": 5}"#;
    let class = r#"{"tokenizer_class": "GPT2Tokenizer"}"#;
    let config = r#"{"tokenizer_class": "GPT2Tokenizer", "pad_token": "[P]", "cls_token": "[C]",
        "sep_token": "[S]", "mask_token": "[M]"}"#;
    let files = |config| [(BYTE_VOCABULARY, vocab), (MERGES, ""), (CONFIG, config)];
    let tokenizer = opened(&files(config)).unwrap();
    let vocabulary = tokenizer.vocabulary().unwrap();
    assert_eq!([vocabulary.unk, vocabulary.pad, vocabulary.mask], [0, 1, 4]);
    let dir = tempfile::tempdir().unwrap();
    tokenizer.save(dir.path()).unwrap();
    let again = Tokenizer::open(dir.path()).unwrap();
    assert_eq!(again.vocab_size(), 6);
    assert_eq!(again.special_tokens(), tokenizer.special_tokens());

    let bare = opened(&files(class)).unwrap();
    let error = bare.vocabulary().unwrap_err().to_string();
    assert!(
        error.contains("pad_token is null in tokenizer_config.json, or the class has none"),
        "{error}"
    );
}

#[test]
fn added_tokens_that_are_none_are_refused_and_others_told_by_their_file() {
    let vocab = VOCAB.lines().zip(0u32..);
    let vocab = vocab.map(|(token, id)| (token.to_string(), Value::from(id)));
    let mut json = bert::json_of(vocab.collect(), Default::default(), &Default::default());
    let open = |json: &Value| {
        let json = json.to_string();
        opened(&[
            (TOKENIZER, &json),
            ("config.json", BERT),
            (CONFIG, r#"{"do_lower_case": true}"#),
            ("added_tokens.json", r#"{"[b]": 9}"#),
        ])
    };
    json["added_tokens"] = json!([{"id": 77, "content": "[new]", "special": true}]);
    let notes = open(&json).unwrap().notes().join("\n");
    let expected = "[new] has id 10, as in transformers, though tokenizer.json says 77";
    assert!(notes.contains(expected), "{notes}");
    for malformed in [
        json!([{"content": "[new]"}]),
        json!([{"id": "77", "content": "[new]"}]),
        json!([{"id": 77, "content": "[new]"}, {"id": 78}]),
        json!({"[new]": 77}),
    ] {
        json["added_tokens"] = malformed;
        let error = open(&json).unwrap_err();
        assert!(
            error.starts_with("tokenizer.json: added_tokens: write a list"),
            "{error}"
        );
    }
}
