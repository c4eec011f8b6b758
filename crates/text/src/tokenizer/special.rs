//! Which tokens play the special parts, by name.

use serde_json::{Map, Value, json};

use super::class::Class;

/// Their fields in tokenizer_config.json, in the order of [`SpecialTokens::names`].
const FIELDS: [&str; 5] = [
    "pad_token",
    "unk_token",
    "cls_token",
    "sep_token",
    "mask_token",
];

/// Names of the special tokens, as tokenizer_config.json has them; empty where it says that there is
/// none (`"mask_token": null`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Fills sequences up.
    pub pad: String,
    /// Stands for what the vocabulary can't spell.
    pub unk: String,
    /// Starts a sequence.
    pub cls: String,
    /// Ends a segment.
    pub sep: String,
    /// Hides a token.
    pub mask: String,
}

impl Default for SpecialTokens {
    /// BERT's: `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`, `[MASK]`.
    fn default() -> Self {
        Self {
            pad: "[PAD]".to_string(),
            unk: "[UNK]".to_string(),
            cls: "[CLS]".to_string(),
            sep: "[SEP]".to_string(),
            mask: "[MASK]".to_string(),
        }
    }
}

impl SpecialTokens {
    /// The tokens in the order of the ids that a fresh vocabulary gives them.
    pub fn names(&self) -> [&str; 5] {
        [&self.pad, &self.unk, &self.cls, &self.sep, &self.mask]
    }

    /// Each by its field in tokenizer_config.json.
    pub(super) fn by(name: impl FnMut(&'static str) -> String) -> Self {
        let [pad, unk, cls, sep, mask] = FIELDS.map(name);
        Self {
            pad,
            unk,
            cls,
            sep,
            mask,
        }
    }

    /// The names with their fields.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        FIELDS.into_iter().zip(self.names())
    }

    /// Those that a class of transformers has where no file names them.
    pub(super) fn of_class(class: Class) -> Self {
        Self::by(|field| class.special_token(field).unwrap_or_default().to_string())
    }

    /// Adds the names to a tokenizer_config.json.
    pub(super) fn write(&self, config: &mut Map<String, Value>) {
        for (field, name) in self.fields() {
            let name = (!name.is_empty()).then_some(name);
            config.insert(field.to_string(), Value::from(name));
        }
    }
}

/// A token of a tokenizer.json that is found in text before anything else.
pub(super) fn added_token_json(id: u64, content: &str, is_special: bool) -> Value {
    json!({
        "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": is_special,
    })
}

/// A place in a template of special tokens, with its type.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// The text called `A` or `B`.
    Text(&'static str, u32),
    /// `[CLS]`, by whatever name.
    Cls(u32),
    /// `[SEP]`, by whatever name.
    Sep(u32),
}

/// A tokenizer.json's `post_processor` that puts special tokens around a text and around a pair.
pub(super) fn template_json(
    special: &SpecialTokens,
    [cls, sep]: [u64; 2],
    single: &[Place],
    pair: &[Place],
) -> Value {
    let places = |places: &[Place]| -> Vec<Value> {
        let place = |place: &Place| {
            let (kind, id, type_id) = match *place {
                Place::Text(text, type_id) => ("Sequence", text, type_id),
                Place::Cls(type_id) => ("SpecialToken", special.cls.as_str(), type_id),
                Place::Sep(type_id) => ("SpecialToken", special.sep.as_str(), type_id),
            };
            json!({ kind: { "id": id, "type_id": type_id } })
        };
        places.iter().map(place).collect()
    };
    let entry = |name: &str, id: u64| json!({ "id": name, "ids": [id], "tokens": [name] });
    let (cls_name, sep_name) = (special.cls.as_str(), special.sep.as_str());
    json!({
        "type": "TemplateProcessing",
        "single": places(single),
        "pair": places(pair),
        "special_tokens": { cls_name: entry(cls_name, cls), sep_name: entry(sep_name, sep) },
    })
}
