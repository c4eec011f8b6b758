//! XLNet's steps before SentencePiece's own.

use serde_json::{Value, json};

use super::json::metaspace;
use super::steps;
use crate::tokenizer::xlnet::{self, QUOTES, XlnetLetters};

/// The steps that normalise text; `charsmap`: SentencePiece's rules, empty if it has none.
pub(in crate::tokenizer) fn normalizer(
    charsmap: &[u8],
    letters: XlnetLetters,
) -> Result<Value, String> {
    let quotes = QUOTES.map(|quote| replace(quote, "\""));
    let mut all = quotes.to_vec();
    if !letters.keep_accents {
        all.extend([json!({ "type": "NFKD" }), json!({ "type": "StripAccents" })]);
    }
    if letters.lowercase {
        all.push(json!({ "type": "Lowercase" }));
    }
    if letters.keep_accents {
        // Transformers always drops accents. Here nothing is there to equal but SentencePiece.
        let own = steps::normalizer(charsmap)?;
        all.extend(xlnet::steps(&own).to_vec());
    } else if !charsmap.is_empty() {
        all.push(steps::precompiled(charsmap));
    }
    Ok(json!({ "type": "Sequence", "normalizers": all }))
}

/// Cuts at all kinds of spaces, then `▁` before each word.
pub(in crate::tokenizer) fn pre_tokenizer(metaspace: &Value) -> Value {
    json!({ "type": "Sequence", "pretokenizers": [{ "type": "WhitespaceSplit" }, metaspace] })
}

/// Whether all steps of a tokenizer.json leave what stands on two sides of a space alone: whether
/// they are those made here, or with one more for spaces, as older versions of transformers wrote it.
pub(in crate::tokenizer) fn splits_at_spaces(full: &Value) -> bool {
    let metaspace = metaspace(true, true);
    if full["pre_tokenizer"] != pre_tokenizer(&metaspace) {
        return false;
    }
    let charsmap = match steps::charsmaps(&full["normalizer"]).pop() {
        None => Vec::new(),
        Some(Ok(charsmap)) => charsmap,
        Some(Err(_)) => return false,
    };
    let single_spaces = steps::replace_regex(" {2,}", " ");
    let but_spaces = |normalizer: &Value| -> Vec<Value> {
        let all = xlnet::steps(normalizer).iter();
        all.filter(|step| **step != single_spaces)
            .cloned()
            .collect()
    };
    normalizer(&charsmap, XlnetLetters::of(full))
        .is_ok_and(|own| but_spaces(&own) == but_spaces(&full["normalizer"]))
}

fn replace(pattern: &str, content: &str) -> Value {
    json!({ "type": "Replace", "pattern": { "String": pattern }, "content": content })
}
