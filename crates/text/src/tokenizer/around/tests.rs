//! What files put around texts, as they say it.

use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::tokenizer::{WordPieceSettings, train_word_piece_on_texts};

fn trained() -> Tokenizer {
    let settings = WordPieceSettings {
        vocab_size: 30,
        ..WordPieceSettings::default()
    };
    train_word_piece_on_texts(["a kiln is hot"], &settings).unwrap()
}

/// The tokenizer with another `post_processor`.
fn with(post_processor: Value) -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    trained().save(folder.path()).unwrap();
    let path = folder.path().join("tokenizer.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json["post_processor"] = post_processor;
    // By itself: a class that is named beside it has a template of its own.
    let alone = tempfile::tempdir().unwrap();
    let path = alone.path().join("tokenizer.json");
    fs::write(&path, json.to_string()).unwrap();
    Tokenizer::open(&path).unwrap()
}

/// A template of `[CLS]`, `[SEP]` and the texts A and B, for a text and for a pair.
fn template(single: &[&str], pair: &[&str]) -> Value {
    let parts = |parts: &[&str]| -> Vec<Value> {
        let part = |part: &&str| match *part {
            "A" | "B" => json!({"Sequence": {"id": part, "type_id": 0}}),
            _ => json!({"SpecialToken": {"id": part, "type_id": 0}}),
        };
        parts.iter().map(part).collect()
    };
    let special = |token: &str, id: u32| json!({"id": token, "ids": [id], "tokens": [token]});
    json!({
        "type": "TemplateProcessing",
        "single": parts(single),
        "pair": parts(pair),
        "special_tokens": {"[CLS]": special("[CLS]", 2), "[SEP]": special("[SEP]", 3)},
    })
}

#[test]
fn what_stands_around_texts_is_what_encoding_adds() {
    let tokenizer = trained();
    let single = tokenizer.around(false).unwrap();
    assert_eq!(
        (single.before.as_slice(), single.after.as_slice()),
        (&[(2, 0)][..], &[(3, 0)][..])
    );
    assert_eq!((single.between.len(), single.special_tokens()), (0, 2));
    let pair = tokenizer.around(true).unwrap();
    assert_eq!((pair.before, pair.between), (vec![(2, 0)], vec![(3, 0)]));
    assert_eq!((pair.after, pair.types), (vec![(3, 1)], [0, 1]));

    let around = |id: &(u32, u8)| id.0;
    let mut whole: Vec<u32> = single.before.iter().map(around).collect();
    whole.extend(tokenizer.encode("a hot kiln").unwrap());
    whole.extend(single.after.iter().map(around));
    assert_eq!(whole, tokenizer.encode_with_specials("a hot kiln").unwrap());
}

#[test]
fn files_may_put_anything_around_texts_in_their_order() {
    let own = with(template(
        &["A", "[SEP]", "[CLS]"],
        &["A", "[SEP]", "[SEP]", "B"],
    ));
    let single = own.around(false).unwrap();
    assert_eq!(
        (single.before.len(), single.after),
        (0, vec![(3, 0), (2, 0)])
    );
    let pair = own.around(true).unwrap();
    assert_eq!((pair.between, pair.after.len()), (vec![(3, 0), (3, 0)], 0));
    assert_eq!(with(Value::Null).around(false).unwrap().special_tokens(), 0);
}

#[test]
fn texts_in_another_order_or_twice_are_refused() {
    let whole = ["[CLS]", "A", "[SEP]"];
    for pair in [
        &["[CLS]", "B", "[SEP]", "A", "[SEP]"][..],
        &["[CLS]", "A", "[SEP]", "A", "B"],
    ] {
        let refused = with(template(&whole, pair)).around(true).unwrap_err();
        let message = refused.to_string();
        assert!(message.contains("each text once and in order"), "{message}");
    }
}
