//! Which tokens play the special parts, by name.

use serde_json::{Map, Value, json};

use super::class::Class;

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
    /// In the order of the ids a fresh vocabulary gives them.
    pub fn names(&self) -> [&str; 5] {
        [&self.pad, &self.unk, &self.cls, &self.sep, &self.mask]
    }

    /// Those that a class of transformers has where no file names them.
    pub(super) fn of_class(class: Class) -> Self {
        let names = class.special_tokens();
        let name = |field| {
            let named = names.iter().find(|(name, _)| *name == field);
            named.and_then(|(_, token)| *token).unwrap_or_default()
        };
        Self {
            pad: name("pad_token").to_string(),
            unk: name("unk_token").to_string(),
            cls: name("cls_token").to_string(),
            sep: name("sep_token").to_string(),
            mask: name("mask_token").to_string(),
        }
    }

    /// From tokenizer_config.json; a name that is missing is the one in `usual`, null is none.
    /// Entries are strings or objects with a `content`.
    pub(super) fn parse(config: &Map<String, Value>, usual: Self) -> Result<Self, String> {
        let mut special = usual;
        for (field, name) in [
            ("pad_token", &mut special.pad),
            ("unk_token", &mut special.unk),
            ("cls_token", &mut special.cls),
            ("sep_token", &mut special.sep),
            ("mask_token", &mut special.mask),
        ] {
            let value = match config.get(field) {
                None => continue,
                Some(Value::Null) => {
                    name.clear();
                    continue;
                }
                Some(Value::Object(token)) => token.get("content"),
                value => value,
            };
            *name = value
                .and_then(Value::as_str)
                .ok_or_else(|| {
                    format!("{field}: write the token as a string or an object with a content")
                })?
                .to_string();
        }
        Ok(special)
    }

    /// Adds the names to a tokenizer_config.json.
    pub(super) fn write(&self, config: &mut Map<String, Value>) {
        for (field, name) in [
            ("pad_token", &self.pad),
            ("unk_token", &self.unk),
            ("cls_token", &self.cls),
            ("sep_token", &self.sep),
            ("mask_token", &self.mask),
        ] {
            let name = (!name.is_empty()).then_some(name.as_str());
            config.insert(field.to_string(), Value::from(name));
        }
    }
}

/// A token of a tokenizer.json that is found in text before anything else.
pub(super) fn added_token(id: u64, content: &str, is_special: bool) -> Value {
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
