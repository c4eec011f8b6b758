//! What transformers (5.23) makes itself where a class decides, whatever a tokenizer.json says: it
//! takes the vocabulary from that file and builds the normaliser, the splitter, the model's options
//! and the special tokens around texts by the class's own rules.
//!
//! Where the file has other rules, ids would depend on the reader, and which rules the model was
//! trained with nobody knows but its author: Kiln refuses that, and names both files. What is put
//! around texts is the class's, as in transformers.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;

use super::bert::{self, Normalisation};
use super::class::Class;
use super::config::Config;
use super::{byte_bpe, byte_level};
use crate::error::TextError;

/// Refuses a tokenizer.json with other rules than transformers gives the class.
///
/// # Errors
/// Names the part that differs, and both files.
pub(super) fn check(
    class: Class,
    config: &Config,
    json: &Value,
    json_path: &Path,
) -> Result<(), TextError> {
    let refuse = |part: &str| Err(config.rebuilt(part, class, json_path));
    let (normalizer, pre_tokenizer) = match class {
        Class::Bert => {
            let Some(written) = json.get("normalizer").and_then(Normalisation::of) else {
                return refuse("normalizer");
            };
            if let Some((field, in_config, in_json)) =
                config.normalisation.difference(written, |_| true)
            {
                return Err(config.contradiction(field, in_config, in_json, json_path));
            }
            (
                json["normalizer"].clone(),
                json!({ "type": "BertPreTokenizer" }),
            )
        }
        // Byte-level BPE: what SentencePiece's classes make of a file is in its own place.
        _ => {
            let space = config.add_prefix_space()?;
            if let Some(written) = json["pre_tokenizer"]["add_prefix_space"].as_bool()
                && written != space
            {
                return Err(config.contradiction("add_prefix_space", space, written, json_path));
            }
            (Value::Null, byte_level::splitter_json(space))
        }
    };
    if !equal::<NormalizerWrapper>(&normalizer, &json["normalizer"]) {
        return refuse("normalizer");
    }
    if !equal::<PreTokenizerWrapper>(
        &without_offsets(&pre_tokenizer),
        &without_offsets(&json["pre_tokenizer"]),
    ) {
        return refuse("pre_tokenizer");
    }
    let model = &json["model"];
    let expected = match class {
        Class::Bert => bert::model_rules(&config.special.unk),
        _ => byte_bpe::model_rules(),
    };
    match other_field(&expected, model) {
        Some(field) => refuse(&format!("model's {field}")),
        None => Ok(()),
    }
}

/// The first field of a model that is not as expected. A missing one is: older files leave them out.
pub(super) fn other_field(expected: &Map<String, Value>, model: &Value) -> Option<String> {
    let is_none = |value: &Value| value.is_null() || value == "" || value == false;
    expected
        .iter()
        .find(|(field, expected)| {
            model
                .get(field.as_str())
                .is_some_and(|value| value != *expected && !(is_none(value) && is_none(expected)))
        })
        .map(|(field, _)| field.clone())
}

/// A splitter without what changes only where tokens are said to stand.
fn without_offsets(pre_tokenizer: &Value) -> Value {
    let mut pre_tokenizer = pre_tokenizer.clone();
    if pre_tokenizer["type"] == "ByteLevel" {
        pre_tokenizer["trim_offsets"] = Value::from(true);
    }
    pre_tokenizer
}

/// Whether two parts are the same once defaults are written out.
fn equal<T: DeserializeOwned + Serialize>(one: &Value, other: &Value) -> bool {
    let full = |part: &Value| {
        if part.is_null() {
            return Some(Value::Null);
        }
        // From text: some readers want to borrow.
        let part: T = serde_json::from_str(&part.to_string()).ok()?;
        serde_json::to_value(part).ok()
    };
    full(one).is_some_and(|one| full(other) == Some(one))
}
