//! Models in folders of every class that reads them: ids as transformers gives them
//! (scripts/make_sentence_piece_fixtures.py), or refused by name.

use super::*;
use crate::tokenizer::Cuts;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/sentence_piece_classes")
        .join(name)
}

fn read(name: &str) -> Value {
    serde_json::from_slice(&fs::read(fixture(name)).unwrap()).unwrap()
}

/// A folder with a model under this name, and the two configs.
fn folder(model: &Path, file: &str, model_type: &str, fields: &Value) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(model, dir.path().join(file)).unwrap();
    let config = serde_json::json!({ "model_type": model_type });
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    if fields.as_object().is_some_and(|fields| !fields.is_empty()) {
        let path = dir.path().join("tokenizer_config.json");
        fs::write(path, fields.to_string()).unwrap();
    }
    dir
}

#[test]
fn every_layout_gives_the_ids_of_its_class_also_saved_and_opened_again() {
    let all = read("layouts.json");
    let texts: Vec<String> = serde_json::from_value(all["texts"].clone()).unwrap();
    let layouts = all["layouts"].as_array().unwrap();
    let mut known = 0;
    for layout in layouts {
        let text = |field: &str| layout[field].as_str().unwrap();
        let said = format!(
            "{} as {}: {}",
            text("model"),
            text("file"),
            layout["fields"]
        );
        let dir = folder(
            &fixture(text("model")),
            text("file"),
            text("model_type"),
            &layout["fields"],
        );
        let Ok(ids) = serde_json::from_value::<Vec<Vec<u32>>>(layout["ids"].clone()) else {
            continue;
        };
        known += 1;
        let tokenizer =
            Tokenizer::open(dir.path()).unwrap_or_else(|error| panic!("{said}: {error}"));
        assert_eq!(u64::from(tokenizer.vocab_size()), layout["size"], "{said}");
        let saved = tempfile::tempdir().unwrap();
        tokenizer.save(saved.path()).unwrap();
        let opened = Tokenizer::open(saved.path()).unwrap();
        assert_eq!(opened.identity(), tokenizer.identity(), "{said}");
        let mut encoder = tokenizer.encoder();
        for (text, ids) in texts.iter().zip(ids) {
            assert_eq!(tokenizer.encode(text).unwrap(), ids, "{said}: {text:?}");
            let mut encoded = Vec::new();
            encoder.encode(text, &mut encoded).unwrap();
            assert_eq!(encoded, ids, "{said}, word by word: {text:?}");
        }
    }
    assert_eq!(known, layouts.len() - 1);
}

#[test]
fn a_model_that_joins_pairs_gives_sentencepieces_ids_where_no_class_is_named() {
    let tokenizer = Tokenizer::open(&fixture("bytes.model")).unwrap();
    for case in read("ids.json").as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let ids: Vec<u32> = serde_json::from_value(case["bytes"].clone()).unwrap();
        assert_eq!(tokenizer.encode(text).unwrap(), ids, "{text:?}");
    }
    let error = Tokenizer::open(&fixture("bpe.model"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("(\"<x>\") is user-defined in a model of type bpe"),
        "{error}"
    );
}

#[test]
fn a_class_reads_its_own_file_and_no_other() {
    let model = fixture("unigram.model");
    let none = serde_json::json!({});
    let named = |class: &str| serde_json::json!({ "tokenizer_class": class });
    for (file, model_type, fields, part) in [
        ("spiece.model", "deberta-v2", none.clone(), "spm.model"),
        ("spm.model", "xlnet", none.clone(), "spiece.model"),
        (
            "sentencepiece.bpe.model",
            "deberta-v2",
            none.clone(),
            "spm.model",
        ),
        ("spm.model", "bert", none, "vocab.txt"),
        (
            "sentencepiece.bpe.model",
            "bert",
            named("CamembertTokenizer"),
            "CamembertTokenizer",
        ),
        (
            "spiece.model",
            "bert",
            named("AlbertTokenizer"),
            "AlbertTokenizer",
        ),
        ("spiece.model", "bert", named("T5Tokenizer"), "T5Tokenizer"),
    ] {
        let dir = folder(&model, file, model_type, &fields);
        let error = Tokenizer::open(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains(part),
            "{file} {model_type} {fields}: {error}"
        );
    }
    // A pieces' kind that no class reads.
    let mut other = Model::parse(&fs::read(&model).unwrap()).unwrap().to_bytes();
    // TrainerSpec.model_type = word: field 2, two bytes, field 3.
    other.extend([0x12, 2, 0x18, 3]);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("spm.model"), other).unwrap();
    let error = Tokenizer::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("model_type is word"), "{error}");
}

/// The model of the class with SentencePiece's own normalisation, or with these rules.
fn with_rules(charsmap: Vec<u8>, class: &str, file: &str, field: &str) -> Tokenizer {
    let mut model = Model::parse(&fs::read(fixture("unigram.model")).unwrap()).unwrap();
    model.charsmap = charsmap;
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(file), model.to_bytes()).unwrap();
    let config = serde_json::json!({ "tokenizer_class": class, field: true });
    let path = dir.path().join("tokenizer_config.json");
    fs::write(path, config.to_string()).unwrap();
    Tokenizer::open(dir.path()).unwrap()
}

fn nmt_nfkc_rules() -> Vec<u8> {
    Model::parse(&nmt_nfkc_bytes()).unwrap().charsmap
}

#[test]
fn texts_are_cut_only_where_no_rule_sees_it() {
    let xlm_roberta = |rules: &[(&str, &str)]| {
        let rules = rules
            .iter()
            .map(|(key, text)| (key.to_string(), text.to_string()));
        let charsmap = rules::compile(&rules.collect()).unwrap();
        with_rules(
            charsmap,
            "XLMRobertaTokenizer",
            "sentencepiece.bpe.model",
            "clean_up",
        )
    };
    for (rules, cuts) in [
        (&[("a", "b"), (" \u{301}", "'")][..], Cuts::Spaces),
        (&[("a", "b"), (" ", "")], Cuts::None),
        (&[("a", "b"), ("_", "▁")], Cuts::None),
    ] {
        assert_eq!(xlm_roberta(rules).cuts, cuts, "{rules:?}");
    }
    let parts = |text| Cuts::Spaces.parts(text).collect::<Vec<_>>();
    assert_eq!(parts("  ab  ж 天 "), ["ab", "ж", "天"]);
    // Graphemes with a space in them: a mark, a joiner, an Arabic sign before a number.
    assert_eq!(
        parts("x   \u{301}y z \u{200c} \u{600} 1"),
        ["x", " \u{301}y", "z \u{200c}", "\u{600} 1"]
    );
    // An added token that is four words once it is normalised.
    let dir = tempfile::tempdir().unwrap();
    let plain = with_rules(
        nmt_nfkc_rules(),
        "XLMRobertaTokenizer",
        "sentencepiece.bpe.model",
        "clean_up",
    );
    assert_eq!(plain.cuts, Cuts::Spaces);
    plain.save(dir.path()).unwrap();
    let added = r#"{"ﷺ": 400}"#;
    fs::write(dir.path().join("added_tokens.json"), added).unwrap();
    let config = dir.path().join("tokenizer_config.json");
    fs::write(config, r#"{"tokenizer_class": "XLMRobertaTokenizer"}"#).unwrap();
    let tokenizer = Tokenizer::open(dir.path()).unwrap();
    let id = tokenizer.id("ﷺ").unwrap();
    let mut ids = Vec::new();
    let text = "the صلى الله عليه وسلم";
    tokenizer.encoder().encode(text, &mut ids).unwrap();
    assert_eq!(ids.last(), Some(&id));
    assert_eq!(ids, tokenizer.encode(text).unwrap());
    assert_eq!(nmt_nfkc().cuts, Cuts::Spaces);
    assert_eq!(super::bytes().cuts, Cuts::Spaces);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Over spaces, and what takes them or is taken along, before rules or by them.
    #[test]
    fn an_encoder_gives_the_ids_of_encode_for_every_class(
        text in r"(the|kiln|[a-z]|[ \t\n\u{a0}\u{2003}]|[\u{200c}\u{200d}\u{340}\u{301}\u{ff9e}\u{e33}\u{600}\u{110bd}\u{85}½´¨▁]|<mask>|\[MASK\]|<x>|.){0,20}",
    ) {
        static ALL: LazyLock<Vec<Tokenizer>> = LazyLock::new(|| {
            let rules = nmt_nfkc_rules();
            let mut all = Vec::new();
            for (class, file, field) in [
                ("XLMRobertaTokenizer", "sentencepiece.bpe.model", "clean_up"),
                ("XLNetTokenizer", "spiece.model", "clean_up"),
                ("XLNetTokenizer", "spiece.model", "do_lower_case"),
                ("DebertaV2Tokenizer", "spm.model", "clean_up"),
                ("DebertaV2Tokenizer", "spm.model", "do_lower_case"),
                ("DebertaV2Tokenizer", "spm.model", "split_by_punct"),
                ("PreTrainedTokenizerFast", "tokenizer.model", "clean_up"),
            ] {
                all.push(with_rules(rules.clone(), class, file, field));
                all.push(with_rules(Vec::new(), class, file, field));
            }
            all.push(nmt_nfkc());
            all.push(super::bytes());
            all
        });
        for tokenizer in &*ALL {
            let mut encoder = tokenizer.encoder();
            for what in ["new", "remembered"] {
                let mut ids = Vec::new();
                encoder.encode(&text, &mut ids).unwrap();
                prop_assert_eq!(
                    &ids, &tokenizer.encode(&text).unwrap(), "{}: {:?}", what, tokenizer.written
                );
            }
        }
    }
}
