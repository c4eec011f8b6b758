//! What transformers (5.23) makes of SentencePiece's pieces, class by class.
//!
//! It takes the pieces, their scores and the normalisation rules, from a model file or from a
//! tokenizer.json, and builds the rest itself. Where the model says otherwise (its own rules of
//! normalisation for DeBERTa, merges of a model of type BPE, bytes for what is unknown), the class
//! wins, and so it does here: ids are those of AutoTokenizer.
//!
//! | class | ids | normalisation | words |
//! | --- | --- | --- | --- |
//! | DebertaV2Tokenizer | the file's | lower case if `do_lower_case`; several spaces, and line ends, one space; NFC; none at the end. Not the model's rules | punctuation apart if `split_by_punct`; `▁` before the text and for spaces |
//! | XLNetTokenizer | the file's | XLNet's steps, then the model's rules. Accents always go, whatever `keep_accents` says | at all kinds of spaces, each with `▁` |
//! | XLMRobertaTokenizer | `<s>` `<pad>` `</s>` `<unk>`, the pieces from the fourth on, `<mask>` | the model's rules | the same |
//! | none (PreTrainedTokenizerFast), and tokenizer.model | the file's | the model's rules, if any; `▁` for spaces | the whole text is one |
//!
//! The first three find the most probable pieces, also in a model of type BPE, whose scores are its
//! pieces' places; the last joins pairs there.
//!
//! Control pieces and user-defined ones of a model file are added tokens: they are taken out of the
//! text before all else, and what stands behind one begins a word.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use tokenizers::AddedToken;

use super::json::{bpe_json, metaspace, unigram_json, whole_json};
use super::pair_rules::merges;
use super::proto::{Model, ModelKind, PieceKind};
use super::steps::{charsmaps, precompiled, replace_regex};
use super::xlnet_steps;
use crate::tokenizer::added::Added;
use crate::tokenizer::bert::parse_bool;
use crate::tokenizer::class::Class;
use crate::tokenizer::words::WORD_START;
use crate::tokenizer::xlnet::XlnetLetters;

/// What is taken from a file.
#[derive(Debug)]
pub(in crate::tokenizer) struct UnigramSource {
    pieces: Vec<(String, f64)>,
    /// Empty: none.
    charsmap: Vec<u8>,
    /// What stands for what is unknown, if the file says so.
    unk_id: Option<u64>,
    /// Control and user-defined pieces; `None`: not a model file.
    own: Option<Vec<AddedToken>>,
}

impl UnigramSource {
    pub(in crate::tokenizer) fn of_model(bytes: &[u8]) -> Result<Self, String> {
        let model = Model::parse(bytes)?;
        Ok(Self {
            unk_id: Some(unk_id(&model)?),
            own: Some(own_tokens(&model)),
            pieces: scored(&model),
            charsmap: model.charsmap,
        })
    }

    /// From a tokenizer.json, if its model is a unigram one.
    pub(in crate::tokenizer) fn of_json(json: &Value, class: Class) -> Result<Self, String> {
        let not_pieces = || {
            format!(
                "its model has no pieces with scores, which {} takes from it; to use the file as it \
                 stands, set tokenizer_class to PreTrainedTokenizerFast in tokenizer_config.json",
                class.name()
            )
        };
        let pieces = json["model"]["vocab"].as_array().ok_or_else(not_pieces)?;
        let pieces: Option<Vec<(String, f64)>> = pieces
            .iter()
            .map(|piece| Some((piece[0].as_str()?.to_string(), piece[1].as_f64()?)))
            .collect();
        Ok(Self {
            pieces: pieces.ok_or_else(not_pieces)?,
            // The first of them, as there.
            charsmap: charsmaps(&json["normalizer"])
                .into_iter()
                .next()
                .unwrap_or(Ok(Vec::new()))?,
            unk_id: None,
            own: None,
        })
    }
}

/// The tokenizer.json that the class makes of `source`, without added tokens, which go to `added`.
///
/// # Errors
/// If transformers can't make one either.
pub(in crate::tokenizer) fn by_class(
    class: Class,
    source: UnigramSource,
    fields: &Map<String, Value>,
    added: &mut Added,
) -> Result<Value, String> {
    let from_model = source.own.is_some();
    // A model file's own tokens take the place of the class's.
    if let Some(own) = source.own {
        added.take_extra(fields, own);
    }
    if class == Class::Xlnet {
        added.strip_before("mask_token");
    }
    let name = |field: &str| added.name(field).unwrap_or_default().to_string();
    let flag = |field: &str| Ok::<_, String>(parse_bool(fields, field)?.unwrap_or(false));
    let written_unk_id = fields.get("unk_id").and_then(Value::as_u64);
    let mut pieces = source.pieces;
    let (unk_id, normalizer, pre_tokenizer) = match class {
        Class::DebertaV2 => {
            let unk = name("unk_token");
            let named = (pieces.iter().zip(0u64..))
                .find(|((piece, score), _)| *piece == unk && *score == 0.0)
                .map(|(_, id)| id);
            let unk_id = named.or(source.unk_id).or(written_unk_id).unwrap_or(1);
            let prefix = parse_bool(fields, "add_prefix_space")?.unwrap_or(true);
            (
                unk_id,
                deberta_normalizer(flag("do_lower_case")?),
                deberta_pre_tokenizer(flag("split_by_punct")?, prefix),
            )
        }
        Class::Xlnet => {
            let unk_id = source.unk_id.or(written_unk_id).unwrap_or(0);
            let letters = XlnetLetters {
                lowercase: flag("do_lower_case")?,
                keep_accents: false,
            };
            (
                unk_id,
                xlnet_steps::normalizer(&source.charsmap, letters)?,
                xlnet_steps::pre_tokenizer(&metaspace(true, true)),
            )
        }
        Class::XlmRoberta => {
            if from_model {
                let front = ["bos_token", "pad_token", "eos_token", "unk_token"];
                let own = front.map(|field| (name(field), 0.0));
                pieces = own.into_iter().chain(pieces.into_iter().skip(3)).collect();
                pieces.push((name("mask_token"), 0.0));
            }
            let prefix = parse_bool(fields, "add_prefix_space")?.unwrap_or(true);
            let normalizer = if source.charsmap.is_empty() {
                Value::Null
            } else {
                precompiled(&source.charsmap)
            };
            (
                3,
                normalizer,
                xlnet_steps::pre_tokenizer(&metaspace(prefix, true)),
            )
        }
        Class::Bert | Class::Deberta | Class::Roberta | Class::Gpt2 => {
            return Err(format!(
                "{} reads no SentencePiece model; name the class that it was made for",
                class.name()
            ));
        }
    };
    if unk_id >= pieces.len() as u64 {
        return Err(format!(
            "what is unknown would be piece {unk_id}, but there are only {}; get the file again",
            pieces.len()
        ));
    }
    // The last step puts the marks of spaces, and takes them away again.
    let decoder = pre_tokenizer["pretokenizers"]
        .as_array()
        .and_then(|steps| steps.last().cloned());
    let model = unigram_json(json!(pieces), unk_id, false);
    Ok(whole_json(normalizer, pre_tokenizer, json!(decoder), model))
}

/// The tokenizer.json that is made of a tokenizer.model where no class says how, without added
/// tokens; and the names of what is unknown, of the beginning and the end, if it has them.
///
/// # Errors
/// If the file is damaged, or transformers can't make one either.
pub(in crate::tokenizer) fn without_class(
    bytes: &[u8],
    fields: &Map<String, Value>,
    added: &mut Added,
) -> Result<Value, String> {
    let model = Model::parse(bytes)?;
    for (field, named) in [
        ("bos_token", &model.bos),
        ("eos_token", &model.eos),
        ("unk_token", &model.unk),
    ] {
        if named.id >= 0 && !fields.contains_key(field) {
            added.name_if_missing(field, &named.text);
        }
    }
    added.take_extra(fields, own_tokens(&model));
    let spaces = json!({
        "type": "Replace", "pattern": { "String": " " }, "content": WORD_START.to_string(),
    });
    let mut steps = vec![spaces];
    if !model.charsmap.is_empty() {
        steps.insert(0, precompiled(&model.charsmap));
    }
    let bytes = model.byte_fallback;
    let mut decoders = vec![json!({
        "type": "Replace", "pattern": { "String": WORD_START.to_string() }, "content": " ",
    })];
    if bytes {
        decoders.extend([json!({ "type": "ByteFallback" }), json!({ "type": "Fuse" })]);
    }
    let rules = match model.kind {
        ModelKind::Unigram if !added.by_id.is_empty() => {
            return Err(
                "transformers reads no unigram tokenizer.model beside added_tokens_decoder; name \
                 the class that it was made for, as XLNetTokenizer"
                    .to_string(),
            );
        }
        ModelKind::Unigram => unigram_json(json!(scored(&model)), unk_id(&model)?, bytes),
        ModelKind::Bpe => {
            let names = model.pieces.iter().map(|piece| piece.text.as_str());
            let mut ids: HashMap<String, u64> = names.map(str::to_string).zip(0u64..).collect();
            // Joined by the names in the file; its placeholders get those that the folder has.
            let pairs = {
                let borrowed = ids
                    .iter()
                    .map(|(piece, id)| (piece.as_str(), *id))
                    .collect();
                merges(&borrowed, ids.keys().map(String::as_str))
            };
            rename_placeholders(&mut ids, added);
            bpe_json(json!(ids), json!(pairs), Some(&model.unk.text), bytes)
        }
    };
    Ok(whole_json(
        json!({ "type": "Sequence", "normalizers": steps }),
        Value::Null,
        json!({ "type": "Sequence", "decoders": decoders }),
        rules,
    ))
}

/// Whether DeBERTa's steps make what stands on two sides of a lone space alone.
pub(in crate::tokenizer) fn splits_before_spaces(full: &Value) -> bool {
    let either = [false, true];
    either
        .into_iter()
        .any(|lowercase| full["normalizer"] == deberta_normalizer(lowercase))
        && either
            .into_iter()
            .any(|punct| full["pre_tokenizer"] == deberta_pre_tokenizer(punct, true))
}

/// Whether XLM-RoBERTa's steps leave what stands on two sides of a space alone.
pub(in crate::tokenizer) fn splits_at_all_spaces(full: &Value) -> bool {
    let normalizer = &full["normalizer"];
    (normalizer.is_null() || normalizer["type"] == "Precompiled")
        && full["pre_tokenizer"] == xlnet_steps::pre_tokenizer(&metaspace(true, true))
}

fn deberta_normalizer(lowercase: bool) -> Value {
    let mut steps = Vec::new();
    if lowercase {
        steps.push(json!({ "type": "Lowercase" }));
    }
    steps.extend([
        replace_regex(r"\s{2,}|[\n\r\t]", " "),
        json!({ "type": "NFC" }),
        json!({ "type": "Strip", "strip_left": false, "strip_right": true }),
    ]);
    json!({ "type": "Sequence", "normalizers": steps })
}

fn deberta_pre_tokenizer(split_by_punct: bool, prefix: bool) -> Value {
    let mut steps = Vec::new();
    if split_by_punct {
        steps.push(json!({ "type": "Punctuation", "behavior": "Isolated" }));
    }
    let mut spaces = metaspace(true, true);
    if !prefix {
        spaces["prepend_scheme"] = Value::from("first");
    }
    steps.push(spaces);
    json!({ "type": "Sequence", "pretokenizers": steps })
}

/// Control pieces, which are special, and user-defined ones, which are not.
fn own_tokens(model: &Model) -> Vec<AddedToken> {
    let own = model.pieces.iter().filter_map(|piece| {
        let is_special = match piece.kind {
            PieceKind::Control => true,
            PieceKind::UserDefined => false,
            _ => return None,
        };
        Some(AddedToken::from(piece.text.as_str(), is_special).normalized(false))
    });
    own.collect()
}

fn scored(model: &Model) -> Vec<(String, f64)> {
    let pieces = model.pieces.iter();
    pieces
        .map(|piece| (piece.text.clone(), f64::from(piece.score)))
        .collect()
}

fn unk_id(model: &Model) -> Result<u64, String> {
    u64::try_from(model.unk.id)
        .map_err(|_| "the model has no unknown piece; train it with one".to_string())
}

fn rename_placeholders(ids: &mut HashMap<String, u64>, added: &Added) {
    let mut names: HashMap<u64, String> =
        ids.iter().map(|(name, id)| (*id, name.clone())).collect();
    for (id, token) in &added.by_id {
        let Some(name) = names.get(id).filter(|name| **name != token.content) else {
            continue;
        };
        if !ids.contains_key(&token.content) {
            ids.remove(name);
            ids.insert(token.content.clone(), *id);
            names.insert(*id, token.content.clone());
        }
    }
}
