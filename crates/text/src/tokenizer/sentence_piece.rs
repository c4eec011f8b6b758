//! SentencePiece's models (Kudo 2018; Kudo and Richardson 2018), DeBERTa's since v2 and XLNet's.
//!
//! Where a folder names a class of transformers, ids are those that the class gives
//! ([`class_rules`]). Where none is named, and for models that are trained here, they are those of the
//! original library. Its steps are written down as a tokenizer.json, so that `tokenizers`, and with it
//! transformers, gives the same ids:
//!
//! - normalise by the model's own rules, drop spaces at the ends, make several spaces one ([`steps`]);
//! - put `▁` before the text and in place of spaces; split before each;
//! - the most probable pieces, or in a model of type BPE joined pairs ([`pair_rules`]); what has none
//!   is `[UNK]`, or its bytes if the model has those.
//!
//! Special tokens in the text are recognised, as in Hugging Face; the original does not.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::bert;
use super::class::Class;
use super::special::{SpecialTokens, added_token_json};
use super::unigram::UnigramLayout;
use super::words::WORD_START;
use super::xlnet::{self, XlnetLetters};

mod charsmap;
pub(super) mod class_rules;
mod json;
mod pair_rules;
mod proto;
mod rules;
mod steps;
mod unicode;
pub(super) mod xlnet_steps;

use json::{bpe_json, metaspace, unigram_json, whole_json};
pub(super) use proto::Model;
use proto::{ModelKind, Piece, PieceKind};
use steps::normalizer;
pub(super) use steps::{check_charsmaps, leaves_spaces, splits_at_spaces};

/// What stands for the score of a user-defined piece, so that it wins over all others.
const USER_DEFINED_SCORE: f32 = -0.1;

/// A model as tokenizer.json, and the names of its special tokens.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) json: Value,
    pub(super) special: SpecialTokens,
}

/// The tokenizer.json of a model. Special tokens that the model lacks get the ids after its last, as in
/// DeBERTa, where that is `[MASK]` alone; the unknown piece keeps its own name. `letters`: it is
/// XLNet's, with its own steps before the model's.
///
/// # Errors
/// If it asks for something that is not supported.
pub(super) fn parse(
    model: &Model,
    special: &SpecialTokens,
    letters: Option<XlnetLetters>,
) -> Result<Parsed, String> {
    if let Some(reason) = &model.unsupported {
        return Err(reason.clone());
    }
    let mut ids: HashMap<&str, usize> = HashMap::new();
    for (id, piece) in model.pieces.iter().enumerate() {
        if piece.text.is_empty() || ids.insert(&piece.text, id).is_some() {
            return Err(format!(
                "piece {id} ({:?}) is empty or there twice; get the file again",
                piece.text
            ));
        }
        if piece.kind == PieceKind::Unused {
            return Err(format!(
                "piece {id} ({:?}) is marked as unused, which is not supported; train the model \
                 without such pieces",
                piece.text
            ));
        }
        if piece.kind == PieceKind::UserDefined && model.kind == ModelKind::Bpe {
            return Err(format!(
                "piece {id} ({:?}) is user-defined in a model of type bpe, which is supported only \
                 as transformers reads it; name the class that it was made for as tokenizer_class \
                 in tokenizer_config.json",
                piece.text
            ));
        }
    }
    let mut special = special.clone();
    let unknown = model
        .pieces
        .iter()
        .position(|piece| piece.kind == PieceKind::Unknown)
        .ok_or("the model has no unknown piece; train it with one")?;
    let unk_id = match ids.get(special.unk.as_str()) {
        Some(&id) => id,
        None => {
            special.unk = model.pieces[unknown].text.clone();
            unknown
        }
    };

    let mut added: Vec<Value> = model
        .pieces
        .iter()
        .enumerate()
        .filter_map(|(id, piece)| {
            let is_named = special.names().contains(&piece.text.as_str());
            let is_special = match piece.kind {
                PieceKind::Control | PieceKind::Unknown => true,
                // User-defined there, but special in Hugging Face.
                _ => is_named || letters.is_some() && piece.text == xlnet::END_OF_PARAGRAPH,
            };
            is_special.then(|| added_token_json(id as u64, &piece.text, true))
        })
        .collect();
    // DeBERTa's order.
    let mut all: HashSet<&str> = ids.keys().copied().collect();
    let mut id_of = |name| match ids.get(name) {
        Some(&id) => id as u64,
        None => {
            let id = all.len() as u64;
            if all.insert(name) {
                added.push(added_token_json(id, name, true));
            }
            id
        }
    };
    let (_, cls, sep, _) = (
        id_of(&special.pad),
        id_of(&special.cls),
        id_of(&special.sep),
        id_of(&special.mask),
    );

    let vocabulary = match model.kind {
        ModelKind::Unigram => {
            let scored = model.pieces.iter().map(|piece| {
                let score = match piece.kind {
                    PieceKind::UserDefined => USER_DEFINED_SCORE,
                    _ => piece.score,
                };
                json!([piece.text, f64::from(score)])
            });
            unigram_json(scored.collect(), unk_id as u64, model.byte_fallback)
        }
        ModelKind::Bpe => {
            let unk = model.pieces.get(unk_id).map(|piece| piece.text.as_str());
            let merges = json!(pair_rules::merges_of(model));
            bpe_json(json!(ids), merges, unk, model.byte_fallback)
        }
    };
    // Viterbi's best path is the same word by word, as long as no piece goes on after a space.
    let splits = ids.contains_key(WORD_START.to_string().as_str())
        && !ids
            .keys()
            .any(|piece| piece.chars().skip(1).any(|c| c == WORD_START));
    let metaspace = metaspace(model.add_dummy_prefix, splits);
    let decoder = if model.byte_fallback {
        json!({ "type": "Sequence", "decoders": [{ "type": "ByteFallback" }, metaspace.clone()] })
    } else {
        metaspace.clone()
    };
    let (normalizer, pre_tokenizer, post_processor) = match letters {
        None => (
            normalizer(&model.charsmap)?,
            metaspace.clone(),
            bert::template_json(&special, cls, sep),
        ),
        Some(letters) => (
            xlnet_steps::normalizer(&model.charsmap, letters)?,
            xlnet_steps::pre_tokenizer(&metaspace),
            xlnet::template_json(&special, cls, sep),
        ),
    };
    let mut json = whole_json(normalizer, pre_tokenizer, decoder, vocabulary);
    json["added_tokens"] = added.into();
    json["post_processor"] = post_processor;
    Ok(Parsed { json, special })
}

/// Whether the pieces of a tokenizer.json are those of a model file: all of them, or as XLM-RoBERTa
/// numbers them.
pub(super) fn are_pieces_of(model: &Model, pieces: &[Value]) -> bool {
    let is_same = |own: &[Piece], pieces: &[Value]| {
        own.len() == pieces.len()
            && own
                .iter()
                .zip(pieces)
                .all(|(own, piece)| piece[0] == own.text.as_str())
    };
    let last = pieces.len().saturating_sub(1);
    is_same(&model.pieces, pieces)
        || matches!(
            (model.pieces.get(3..), pieces.get(4..last)),
            (Some(own), Some(pieces)) if is_same(own, pieces)
        )
}

/// The normaliser of models that are trained here.
pub(super) fn trained_normalizer(layout: UnigramLayout) -> Result<Value, String> {
    let charsmap = rules::trained(layout.letters())?;
    match layout.letters() {
        None => normalizer(&charsmap),
        Some(letters) => xlnet_steps::normalizer(&charsmap, letters),
    }
}

/// The model file of trained pieces with their log-probabilities; the layout's own pieces come
/// before them.
pub(super) fn trained_model(
    pieces: impl Iterator<Item = (String, f32)>,
    layout: UnigramLayout,
) -> Result<Vec<u8>, String> {
    let own = own_pieces(layout).into_iter().map(|(text, kind)| Piece {
        text,
        score: 0.0,
        kind,
    });
    let pieces = pieces.map(|(text, score)| Piece {
        text,
        score,
        kind: PieceKind::Normal,
    });
    let mut model = Model::unigram(own.chain(pieces).collect());
    model.charsmap = rules::trained(layout.letters())?.to_vec();
    Ok(model.to_bytes())
}

/// The pieces that are not learned. DeBERTa's models lack `[MASK]`, which comes last.
fn own_pieces(layout: UnigramLayout) -> Vec<(String, PieceKind)> {
    match layout {
        UnigramLayout::Deberta => {
            let SpecialTokens {
                pad, cls, sep, unk, ..
            } = SpecialTokens::default();
            vec![
                (pad, PieceKind::Control),
                (cls, PieceKind::Control),
                (sep, PieceKind::Control),
                (unk, PieceKind::Unknown),
            ]
        }
        UnigramLayout::Xlnet(_) => {
            let mut own = vec![(
                SpecialTokens::of_class(Class::Xlnet).unk,
                PieceKind::Unknown,
            )];
            let controls = xlnet::CONTROLS.map(|name| (name.to_string(), PieceKind::Control));
            own.extend(controls);
            let eop = xlnet::END_OF_PARAGRAPH.to_string();
            own.push((eop, PieceKind::UserDefined));
            own.extend(xlnet::SIGNS.map(|sign| (sign.to_string(), PieceKind::UserDefined)));
            own
        }
    }
}

#[cfg(test)]
mod tests;
