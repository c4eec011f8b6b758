//! GPT-2's byte-level byte pair encoding, RoBERTa's kind and DeBERTa's in v1: learned, read, written.
//!
//! Text is taken as it is and split by GPT-2's rule, words with the space before them; their bytes,
//! each as a character ([`byte_level`]), are joined by the merges in order. Nothing is unknown. What
//! is trained here has the special tokens of a [`ByteBpeLayout`], the bytes, and the pieces in the
//! order in which they were joined.

use serde_json::{Map, Value, json};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::class::Class;
use super::pair_merges::PairMerges;
use super::progress::TrainProgress;
use super::special::SpecialTokens;
use super::splitter::Splitter;
use super::template::Template;
use super::text_sample::SampleSettings;
use super::{Tokenizer, bert, byte_level};
use crate::error::TextError;

/// Five special tokens and the bytes.
const LEAST_VOCAB_SIZE: u32 = 5 + 256;

/// The special tokens, and where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ByteBpeLayout {
    /// `[PAD]`, `[CLS]`, `[SEP]`, `[UNK]` first, `[MASK]` last.
    #[default]
    Deberta,
    /// `<s>`, `<pad>`, `</s>`, `<unk>`, `<mask>` first, as where one is trained with the library
    /// `tokenizers`; the published vocabulary has its `<mask>` last.
    Roberta,
}

impl ByteBpeLayout {
    /// The class of transformers that has such tokens.
    fn class(self) -> Class {
        match self {
            Self::Deberta => Class::Deberta,
            Self::Roberta => Class::Roberta,
        }
    }

    /// The special tokens by their names.
    pub(super) fn special(self) -> SpecialTokens {
        SpecialTokens::of_class(self.class())
    }

    /// What stands before the bytes, and what behind all pieces.
    fn places(self, special: &SpecialTokens) -> (Vec<String>, Option<String>) {
        let SpecialTokens {
            pad,
            unk,
            cls,
            sep,
            mask,
        } = special.clone();
        match self {
            Self::Deberta => (vec![pad, cls, sep, unk], Some(mask)),
            Self::Roberta => (vec![cls, pad, sep, unk, mask], None),
        }
    }
}

/// What to learn, and from what kind of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteBpeSettings {
    /// Entries in the vocabulary, special tokens and bytes included: 261 at least. Fewer than asked
    /// for if the text has no more pairs.
    pub vocab_size: u32,
    /// The special tokens.
    pub layout: ByteBpeLayout,
    /// A pair must come this often to be joined.
    pub min_frequency: u64,
    /// How much of the text is trained on.
    pub sample: SampleSettings,
    /// Longest sequence of the model it is for.
    pub model_max_length: Option<u32>,
    /// Threads to count with, 1,024 at most; 0 = one for each core. Changes nothing in the result.
    pub threads: usize,
}

impl Default for ByteBpeSettings {
    /// 50,265 entries (RoBERTa, DeBERTa v1), pairs from 2 on, 512 positions.
    fn default() -> Self {
        Self {
            vocab_size: 50_265,
            layout: ByteBpeLayout::default(),
            min_frequency: 2,
            sample: SampleSettings::default(),
            model_max_length: Some(512),
            threads: 0,
        }
    }
}

pub(super) fn check(settings: &ByteBpeSettings) -> Result<(), TextError> {
    if settings.vocab_size >= LEAST_VOCAB_SIZE {
        return Ok(());
    }
    Err(TextError::Setting {
        field: "vocab_size",
        value: settings.vocab_size.to_string(),
        remedy: format!("bytes and special tokens take {LEAST_VOCAB_SIZE}; choose at least that"),
    })
}

pub(super) fn splitter() -> Splitter {
    Splitter::ByteLevel(ByteLevel::new(false, true, true))
}

/// Learns from words.
pub(super) fn build(
    words: &[(String, u64)],
    settings: &ByteBpeSettings,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<Tokenizer, TextError> {
    let special = settings.layout.special();
    let (first, last) = settings.layout.places(&special);
    // In the order of the characters, which is GPT-2's.
    let mut bytes = byte_level::alphabet();
    bytes.sort_unstable();
    let bytes = bytes.iter().map(char::to_string);
    let tokens: Vec<String> = first.into_iter().chain(bytes).collect();
    let mut merges = PairMerges::new(tokens, "");
    for (word, count) in words {
        merges.add_word(word.split_inclusive(|_| true), *count);
    }
    let without_last = settings.vocab_size as usize - usize::from(last.is_some());
    merges.learn(without_last, settings.min_frequency, progress);

    let tokens = merges.tokens().iter().chain(&last);
    let vocab: Map<String, Value> = tokens.cloned().zip((0u32..).map(Value::from)).collect();
    let id = |token: &str| vocab.get(token).and_then(Value::as_u64).unwrap_or_default();
    let template = match settings.layout {
        ByteBpeLayout::Deberta => None,
        ByteBpeLayout::Roberta => {
            Some(Template::Roberta.json(&special, id(&special.cls), id(&special.sep)))
        }
    };
    let merges: Vec<Merge> = merges
        .merges()
        .map(|(first, second)| (first.to_string(), second.to_string()))
        .collect();
    let mut json = tokenizer_json(vocab, &merges, &special, false);
    if let Some(template) = template {
        json["post_processor"] = template;
    }
    let origin = "trained tokenizer".to_string();
    Tokenizer::from_json(&json, special, settings.model_max_length, origin.clone())
        .map_err(|reason| TextError::Encode { origin, reason })
}

/// Two pieces that are joined.
pub(super) type Merge = (String, String);

/// The whole tokenizer.json: tokens with their ids, and merges in order.
///
/// A pair is `[CLS] A [SEP] B [SEP]` with types 0 and 1, as in the original; transformers 5.23's
/// DebertaTokenizer puts two `[SEP]` into its middle. `[MASK]` takes the space before it along: it
/// stands for a token that has its space in it.
pub(super) fn tokenizer_json(
    vocab: Map<String, Value>,
    merges: &[Merge],
    special: &SpecialTokens,
    add_prefix_space: bool,
) -> Value {
    let (mut added, template) =
        bert::special_parts(special, |token| vocab.get(token).and_then(Value::as_u64));
    for token in &mut added {
        if token["content"] == special.mask.as_str() {
            token["lstrip"] = Value::from(true);
        }
    }
    let mut model = model_rules();
    model.insert("vocab".into(), vocab.into());
    model.insert("merges".into(), json!(merges));
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": byte_level::splitter_json(add_prefix_space),
        "post_processor": template,
        "decoder": byte_level::splitter_json(add_prefix_space),
        "model": model,
    })
}

/// The model of tokenizer.json, but for its vocabulary and merges.
pub(super) fn model_rules() -> Map<String, Value> {
    let rules = json!({
        "type": "BPE",
        "dropout": null,
        "unk_token": null,
        "continuing_subword_prefix": "",
        "end_of_word_suffix": "",
        "fuse_unk": false,
        "byte_fallback": false,
        "ignore_merges": false,
    });
    rules.as_object().cloned().unwrap_or_default()
}

/// The merges in a merges.txt: one a line, two pieces with a space between them.
///
/// # Errors
/// If a line is something else; names it.
pub(super) fn parse_merges(text: &str) -> Result<Vec<Merge>, String> {
    text.lines()
        .zip(1..)
        .filter(|(line, number)| !(line.is_empty() || *number == 1 && line.starts_with("#version")))
        .map(|(line, number)| {
            parse_merge(line)
                .ok_or_else(|| format!("line {number}: write two pieces with a space between them"))
        })
        .collect()
}

pub(super) fn parse_merge(text: &str) -> Option<Merge> {
    let (first, second) = text.split_once(' ')?;
    let is_whole = !first.is_empty() && !second.is_empty() && !second.contains(' ');
    is_whole.then(|| (first.to_string(), second.to_string()))
}

/// vocab.json and merges.txt of a tokenizer.json, if it is of this kind.
pub(super) fn files(full: &Value) -> Option<(String, String)> {
    let model = &full["model"];
    if model["type"] != "BPE" || full["pre_tokenizer"]["type"] != "ByteLevel" {
        return None;
    }
    let mut merges = "#version: 0.2\n".to_string();
    for merge in model["merges"].as_array()? {
        let line = match merge {
            Value::String(line) => line.clone(),
            _ => format!("{} {}", merge[0].as_str()?, merge[1].as_str()?),
        };
        parse_merge(&line)?;
        merges.push_str(&line);
        merges.push('\n');
    }
    Some((format!("{:#}\n", model["vocab"]), merges))
}

#[cfg(test)]
mod tests;
