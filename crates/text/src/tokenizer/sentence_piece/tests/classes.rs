//! Models in folders of every class that reads them: ids as transformers gives them
//! (scripts/make_sentence_piece_fixtures.py), or refused by name.

use super::*;

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
