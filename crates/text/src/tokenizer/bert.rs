//! BERT's tokenizer as Hugging Face's tokenizer.json describes it.
//!
//! Clean the text, set Chinese characters apart, lowercase and strip accents as asked; split at
//! spaces and punctuation; longest match first within a word.

use serde_json::{Map, Value, json};
use tokenizers::normalizers::BertNormalizer;

use super::special::Place::{Cls, Sep, Text};
use super::special::{self, SpecialTokens, added_token_json};

/// What marks a piece that continues a word.
pub(super) const CONTINUATION: &str = "##";

/// A longer word is unknown (Hugging Face `max_input_chars_per_word`; the original of 2018 has 200).
pub(super) const MAX_WORD_CHARS: usize = 100;

/// How the text is normalised: what tokenizer_config.json says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Normalisation {
    pub(super) lowercase: bool,
    /// `None`: as `lowercase`.
    pub(super) strip_accents: Option<bool>,
    pub(super) split_chinese: bool,
}

impl Default for Normalisation {
    /// Hugging Face's, where no tokenizer_config.json says otherwise: uncased.
    fn default() -> Self {
        Self {
            lowercase: true,
            strip_accents: None,
            split_chinese: true,
        }
    }
}

impl Normalisation {
    pub(super) fn normalizer(self) -> BertNormalizer {
        BertNormalizer::new(true, self.split_chinese, self.strip_accents, self.lowercase)
    }

    pub(super) fn strips_accents(self) -> bool {
        self.strip_accents.unwrap_or(self.lowercase)
    }

    /// From tokenizer_config.json, with Hugging Face's defaults.
    pub(super) fn parse(config: &Map<String, Value>) -> Result<Self, String> {
        let default = Self::default();
        Ok(Self {
            lowercase: parse_bool(config, "do_lower_case")?.unwrap_or(default.lowercase),
            strip_accents: parse_bool(config, "strip_accents")?,
            split_chinese: parse_bool(config, "tokenize_chinese_chars")?
                .unwrap_or(default.split_chinese),
        })
    }

    /// The first field that `counts` in which a tokenizer.json has another value, with this one and
    /// that one.
    pub(super) fn difference(
        self,
        written: Self,
        counts: impl Fn(&str) -> bool,
    ) -> Option<(&'static str, bool, bool)> {
        [
            ("do_lower_case", self.lowercase, written.lowercase),
            (
                "strip_accents",
                self.strips_accents(),
                written.strips_accents(),
            ),
            (
                "tokenize_chinese_chars",
                self.split_chinese,
                written.split_chinese,
            ),
        ]
        .into_iter()
        .find(|(field, here, there)| counts(field) && here != there)
    }

    /// From the normalizer of a tokenizer.json; nothing if that is not BERT's.
    pub(super) fn of(normalizer: &Value) -> Option<Self> {
        let is_bert = normalizer.get("type")? == "BertNormalizer"
            && normalizer.get("clean_text")?.as_bool()?;
        is_bert.then_some(Self {
            lowercase: normalizer.get("lowercase")?.as_bool()?,
            strip_accents: normalizer.get("strip_accents").and_then(Value::as_bool),
            split_chinese: normalizer.get("handle_chinese_chars")?.as_bool()?,
        })
    }

    /// Adds the settings to a tokenizer_config.json.
    pub(super) fn write(self, config: &mut Map<String, Value>) {
        config.insert("do_lower_case".to_string(), Value::from(self.lowercase));
        config.insert("strip_accents".to_string(), json!(self.strip_accents));
        config.insert(
            "tokenize_chinese_chars".to_string(),
            Value::from(self.split_chinese),
        );
    }
}

/// A Boolean field; nothing if it is missing or null.
pub(super) fn parse_bool(config: &Map<String, Value>, field: &str) -> Result<Option<bool>, String> {
    match config.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(value) => Err(format!("{field} = {value}: write true or false")),
    }
}

/// The whole tokenizer.json for a vocabulary: token `i` has id `i`.
pub(super) fn tokenizer_json(
    tokens: &[String],
    normalisation: Normalisation,
    special: &SpecialTokens,
) -> Value {
    let vocab = tokens
        .iter()
        .zip(0u32..)
        .map(|(token, id)| (token.clone(), Value::from(id)))
        .collect();
    json_of(vocab, normalisation, special)
}

/// The whole tokenizer.json for tokens with their ids.
pub(super) fn json_of(
    vocab: Map<String, Value>,
    normalisation: Normalisation,
    special: &SpecialTokens,
) -> Value {
    let (added, template) =
        special_parts(special, |token| vocab.get(token).and_then(Value::as_u64));
    let mut model = model_rules(&special.unk);
    model.insert("vocab".into(), vocab.into());
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": normalisation.split_chinese,
            "strip_accents": normalisation.strip_accents,
            "lowercase": normalisation.lowercase,
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": template,
        "decoder": { "type": "WordPiece", "prefix": CONTINUATION, "cleanup": true },
        "model": model,
    })
}

/// The model of tokenizer.json, but for its vocabulary.
pub(super) fn model_rules(unk: &str) -> Map<String, Value> {
    let rules = json!({
        "type": "WordPiece",
        "unk_token": unk,
        "continuing_subword_prefix": CONTINUATION,
        "max_input_chars_per_word": MAX_WORD_CHARS,
    });
    rules.as_object().cloned().unwrap_or_default()
}

/// The special tokens that are in a vocabulary, as tokenizer.json's `added_tokens`, and the template
/// that puts them around texts; null if it lacks them.
pub(super) fn special_parts(
    special: &SpecialTokens,
    id: impl Fn(&str) -> Option<u64>,
) -> (Vec<Value>, Value) {
    let mut added: Vec<(u64, &str)> = special
        .names()
        .into_iter()
        .filter(|token| !token.is_empty())
        .filter_map(|token| Some((id(token)?, token)))
        .collect();
    added.sort_unstable();
    added.dedup();
    let added: Vec<Value> = added
        .into_iter()
        .map(|(id, token)| added_token_json(id, token, true))
        .collect();
    let template = match (id(&special.cls), id(&special.sep)) {
        (Some(cls), Some(sep)) => template_json(special, cls, sep),
        _ => Value::Null,
    };
    (added, template)
}

/// `[CLS] A [SEP]`, and `[CLS] A [SEP] B [SEP]` with type 1 for the last two.
pub(super) fn template_json(special: &SpecialTokens, cls: u64, sep: u64) -> Value {
    special::template_json(
        special,
        [cls, sep],
        &[Cls(0), Text("A", 0), Sep(0)],
        &[Cls(0), Text("A", 0), Sep(0), Text("B", 1), Sep(1)],
    )
}
