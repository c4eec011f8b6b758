//! SentencePiece's unigram models (Kudo 2018; Kudo and Richardson 2018), DeBERTa's since v2 and
//! XLNet's.
//!
//! A model's ids are those of the original library. Its steps are written down as a tokenizer.json,
//! so that `tokenizers`, and with it transformers, gives the same ids:
//!
//! - normalise by the model's own rules, drop spaces at the ends, make several spaces one;
//! - put `▁` before the text and in place of spaces; split before each;
//! - the most probable pieces; what has none is `[UNK]`, or its bytes if the model has those.
//!
//! Special tokens in the text are recognised, as in Hugging Face; the original does not.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tokenizers::normalizers::NFC;

use super::bert;
use super::special::{SpecialTokens, added_token};
use super::unigram::UnigramLayout;
use super::xlnet::{self, XlnetLetters};

mod charsmap;
mod proto;
mod rules;
mod unicode;

use proto::{Model, Piece, PieceKind};

/// What stands for a space, and so begins a word.
pub(super) const WORD_START: char = '▁';

/// Keeps characters apart while text is normalised. A noncharacter, which Unicode sets aside for
/// such uses.
const BREAK: char = '\u{fdd0}';

/// Marks of Hebrew and Arabic, as a regular expression's class.
const POINTS: &str =
    "\u{591}-\u{5c7}\u{610}-\u{61a}\u{64b}-\u{65f}\u{670}\u{6d6}-\u{6ed}\u{8d3}-\u{8ff}";

/// What stands for the score of a user-defined piece, so that it wins over all others.
const USER_DEFINED_SCORE: f32 = -0.1;

/// The rules are taken for Unicode's composition if at most one in this many keys says otherwise:
/// newer characters that the library here doesn't know yet.
const RULES_PER_EXCEPTION: usize = 100;

/// A model as tokenizer.json, and the names of its special tokens.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) json: Value,
    pub(super) special: SpecialTokens,
}

/// Reads `spm.model`. Special tokens that the model lacks get the ids after its last, as in
/// DeBERTa, where that is `[MASK]` alone; the unknown piece keeps its own name. `letters`: it is
/// XLNet's, with its own steps before the model's.
///
/// # Errors
/// If the file is damaged, or asks for something that is not supported.
pub(super) fn parse(
    bytes: &[u8],
    special: &SpecialTokens,
    letters: Option<XlnetLetters>,
) -> Result<Parsed, String> {
    to_json(&Model::parse(bytes)?, special, letters)
}

/// The names of the pieces in `spm.model`, by id.
pub(super) fn piece_names(bytes: &[u8]) -> Result<Vec<String>, String> {
    let model = Model::parse(bytes)?;
    Ok(model.pieces.into_iter().map(|piece| piece.text).collect())
}

/// The normaliser of models that are trained here.
pub(super) fn trained_normalizer(layout: UnigramLayout) -> Result<Value, String> {
    let charsmap = rules::nmt_nfkc()?;
    match layout {
        UnigramLayout::Deberta => normalizer(charsmap),
        UnigramLayout::Xlnet(letters) => xlnet::normalizer(charsmap, letters),
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
    let model = Model {
        pieces: own.chain(pieces).collect(),
        byte_fallback: false,
        charsmap: rules::nmt_nfkc()?.to_vec(),
        add_dummy_prefix: true,
    };
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
            let mut own = vec![(xlnet::special_tokens().unk, PieceKind::Unknown)];
            let controls = xlnet::CONTROLS.map(|name| (name.to_string(), PieceKind::Control));
            own.extend(controls);
            let eop = xlnet::END_OF_PARAGRAPH.to_string();
            own.push((eop, PieceKind::UserDefined));
            own.extend(xlnet::SIGNS.map(|sign| (sign.to_string(), PieceKind::UserDefined)));
            own
        }
    }
}

fn to_json(
    model: &Model,
    special: &SpecialTokens,
    letters: Option<XlnetLetters>,
) -> Result<Parsed, String> {
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
            is_special.then(|| added_token(id as u64, &piece.text, true))
        })
        .collect();
    // DeBERTa's order.
    let mut all: HashSet<&str> = ids.keys().copied().collect();
    let mut id_of = |name| match ids.get(name) {
        Some(&id) => id as u64,
        None => {
            let id = all.len() as u64;
            if all.insert(name) {
                added.push(added_token(id, name, true));
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

    let vocab: Vec<(&str, f64)> = model
        .pieces
        .iter()
        .map(|piece| {
            let score = match piece.kind {
                PieceKind::UserDefined => USER_DEFINED_SCORE,
                _ => piece.score,
            };
            (piece.text.as_str(), f64::from(score))
        })
        .collect();
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
            xlnet::normalizer(&model.charsmap, letters)?,
            xlnet::pre_tokenizer(&metaspace),
            xlnet::template_json(&special, cls, sep),
        ),
    };
    let json = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": post_processor,
        "decoder": decoder,
        "model": {
            "type": "Unigram",
            "unk_id": unk_id,
            "vocab": vocab,
            "byte_fallback": model.byte_fallback,
        },
    });
    Ok(Parsed { json, special })
}

pub(super) fn metaspace(add_dummy_prefix: bool, splits: bool) -> Value {
    json!({
        "type": "Metaspace",
        "replacement": WORD_START,
        "prepend_scheme": if add_dummy_prefix { "always" } else { "never" },
        "split": splits,
    })
}

/// The steps that normalise text by `charsmap` as SentencePiece does.
///
/// `tokenizers` has a step of the name, `Precompiled`, with a fault: where a short grapheme begins
/// with a character that has a rule, what follows it is lost (`½` with an accent is `1⁄2` without),
/// and rules for several characters, which compose accents, Korean and Japanese letters, are not
/// found if they are long. So characters that carry marks are kept apart from them there, and what
/// those rules say is left to Unicode's composition, NFC. Hebrew and Arabic points, which NFC would
/// order anew, are kept apart from each other for the time. What still differs no writer writes: other
/// marks on one letter against Unicode's order, marks on ligatures and units (`㎏`), a Korean syllable
/// with its last letter apart.
pub(super) fn normalizer(charsmap: &[u8]) -> Result<Value, String> {
    Ok(steps(charsmap, composes(charsmap)?))
}

/// The steps; `composes`: whether there are rules for several characters.
fn steps(charsmap: &[u8], composes: bool) -> Value {
    let mut steps = Vec::new();
    if !charsmap.is_empty() {
        let precompiled =
            json!({ "type": "Precompiled", "precompiled_charsmap": BASE64.encode(charsmap) });
        if composes {
            let between_points = format!("(?<![{POINTS}]){BREAK}|{BREAK}(?![{POINTS}])");
            steps.extend([
                // Not at the start of a text, where nothing stands before the mark.
                replace_regex(r"(?!\A)(?=[\p{M}\x{200D}])", &BREAK.to_string()),
                precompiled,
                replace_regex(&between_points, ""),
                json!({ "type": "NFC" }),
                replace_regex(&BREAK.to_string(), ""),
            ]);
        } else {
            steps.push(precompiled);
        }
    }
    steps.extend([replace_regex(" {2,}", " "), replace_regex(r"\A +| +\z", "")]);
    json!({ "type": "Sequence", "normalizers": steps })
}

pub(super) fn replace_regex(pattern: &str, content: &str) -> Value {
    json!({ "type": "Replace", "pattern": { "Regex": pattern }, "content": content })
}

/// Whether there are rules for several characters.
///
/// # Errors
/// If the rules are damaged, or say something else than Unicode's composition does.
fn composes(charsmap: &[u8]) -> Result<bool, String> {
    if charsmap.is_empty() {
        return Ok(false);
    }
    let mut single: HashMap<char, String> = HashMap::new();
    let mut several: Vec<(String, String)> = Vec::new();
    charsmap::visit(charsmap, &mut |key, text| {
        let mut characters = key.chars();
        match (characters.next(), characters.next()) {
            (Some(c), None) => _ = single.insert(c, text.to_string()),
            _ => several.push((key.to_string(), text.to_string())),
        }
    })?;
    // Published rules have 220,000, most of them permutations of each other.
    let sampled = || several.iter().step_by(several.len() / 10_000 + 1);
    let mapped = sampled().map(|(key, _)| {
        let text = |c: char| single.get(&c).cloned().unwrap_or_else(|| c.to_string());
        key.chars().map(text).collect::<String>()
    });
    let composed = unicode::apply_all(&NFC, mapped)?;
    let count = composed.len();
    let exceptions: Vec<&String> = sampled()
        .zip(composed)
        .filter_map(|((key, text), composed)| (*text != composed).then_some(key))
        .collect();
    match exceptions.first() {
        Some(key) if exceptions.len() * RULES_PER_EXCEPTION > count => Err(format!(
            "its rule for {key:?} is not one of Unicode's, and rules for several characters are \
             not supported otherwise; train it with nmt_nfkc, nfkc or identity"
        )),
        _ => Ok(!several.is_empty()),
    }
}

/// Refuses a tokenizer.json whose normalisation rules are damaged: readers would panic.
pub(super) fn check_charsmaps(normalizer: &Value) -> Result<(), String> {
    for charsmap in charsmaps(normalizer) {
        charsmap::check(&charsmap?)?;
    }
    Ok(())
}

/// Whether all steps of a tokenizer.json leave what stands on two sides of a space alone: whether
/// they are exactly those made here.
pub(super) fn splits_at_spaces(normalizer: &Value, pre_tokenizer: &Value) -> bool {
    let charsmap = match charsmaps(normalizer).pop() {
        None => Vec::new(),
        Some(Ok(charsmap)) => charsmap,
        Some(Err(_)) => return false,
    };
    pre_tokenizer == &metaspace(true, true)
        && [false, true]
            .into_iter()
            .any(|composes| normalizer == &steps(&charsmap, composes))
}

pub(super) fn charsmaps(normalizer: &Value) -> Vec<Result<Vec<u8>, String>> {
    let one = std::slice::from_ref(normalizer);
    let steps = normalizer["normalizers"]
        .as_array()
        .map_or(one, Vec::as_slice);
    steps
        .iter()
        .filter(|step| step["type"] == "Precompiled")
        .filter_map(|step| step["precompiled_charsmap"].as_str())
        .map(|text| {
            BASE64
                .decode(text)
                .map_err(|reason| format!("precompiled_charsmap: {reason}"))
        })
        .collect()
}

#[cfg(test)]
mod tests;
