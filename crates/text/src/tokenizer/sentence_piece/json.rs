//! The parts of a SentencePiece model's tokenizer.json.

use serde_json::{Value, json};

use crate::tokenizer::words::WORD_START;

/// Pieces with their scores, as `tokenizers` takes them.
pub(super) fn unigram_json(vocab: Value, unk_id: u64, byte_fallback: bool) -> Value {
    let mut model = json!({
        "type": "Unigram", "unk_id": unk_id, "vocab": null, "byte_fallback": byte_fallback,
    });
    model["vocab"] = vocab;
    model
}

/// Pieces with their ids, and pairs that are joined.
pub(super) fn bpe_json(
    vocab: Value,
    merges: Value,
    unk: Option<&str>,
    byte_fallback: bool,
) -> Value {
    let mut model = json!({
        "type": "BPE",
        "dropout": null,
        "unk_token": unk,
        "continuing_subword_prefix": null,
        "end_of_word_suffix": null,
        "fuse_unk": true,
        "byte_fallback": byte_fallback,
        "ignore_merges": false,
        "vocab": null,
        "merges": null,
    });
    model["vocab"] = vocab;
    model["merges"] = merges;
    model
}

/// A tokenizer.json without added tokens, and with nothing around texts.
pub(super) fn whole_json(
    normalizer: Value,
    pre_tokenizer: Value,
    decoder: Value,
    model: Value,
) -> Value {
    let mut json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": null,
    });
    let parts = [
        ("normalizer", normalizer),
        ("pre_tokenizer", pre_tokenizer),
        ("decoder", decoder),
        ("model", model),
    ];
    for (name, part) in parts {
        json[name] = part;
    }
    json
}

/// `▁` before the text, if `add_dummy_prefix`, and for spaces; words apart if `splits`.
pub(super) fn metaspace(add_dummy_prefix: bool, splits: bool) -> Value {
    json!({
        "type": "Metaspace",
        "replacement": WORD_START,
        "prepend_scheme": if add_dummy_prefix { "always" } else { "never" },
        "split": splits,
    })
}
