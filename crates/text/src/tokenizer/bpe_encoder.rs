//! `bpe_encoder.bin`: the vocabulary as the original DeBERTa v1 has it, a dictionary saved by torch.
//!
//! `encoder`: GPT-2's id of each piece; `vocab`: the merges, in order; `dict_map`: GPT-2's ids as
//! decimal strings, each with a count. A piece's id is its place in `dict_map` after the four special
//! tokens `[PAD]`, `[CLS]`, `[SEP]`, `[UNK]`; `[MASK]` comes last.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::byte_bpe::{Merge, parse_merge};
use super::pickle::{self, Object};
use super::special::SpecialTokens;

/// Reads tokens with their ids, and merges.
///
/// # Errors
/// If the file is something else.
pub(super) fn parse(
    bytes: &[u8],
    special: &SpecialTokens,
) -> Result<(Map<String, Value>, Vec<Merge>), String> {
    let object = pickle::read_torch(bytes)?;
    let field = |name: &str| {
        object
            .get(name)
            .ok_or_else(|| format!("there is no {name:?} in it; is it DeBERTa's bpe_encoder.bin?"))
    };
    let odd = |name: &str| format!("{name:?} is not what it is in DeBERTa's bpe_encoder.bin");

    let mut pieces: HashMap<String, &str> = HashMap::new();
    for (piece, id) in field("encoder")?.entries().ok_or_else(|| odd("encoder"))? {
        match (piece, id) {
            (Object::Text(piece), Object::Number(id)) => {
                if pieces.insert(id.to_string(), piece).is_some() {
                    return Err(odd("encoder"));
                }
            }
            _ => return Err(odd("encoder")),
        }
    }
    let merges: Option<Vec<Merge>> = field("vocab")?
        .items()
        .ok_or_else(|| odd("vocab"))?
        .iter()
        .map(|merge| match &**merge {
            Object::Text(line) => parse_merge(line),
            pair => match pair.items()? {
                [first, second] => Some((first.text()?.to_string(), second.text()?.to_string())),
                _ => None,
            },
        })
        .collect();
    let merges = merges.ok_or_else(|| odd("vocab"))?;

    let mut tokens: Vec<&str> = vec![&special.pad, &special.cls, &special.sep, &special.unk];
    for entry in field("dict_map")?.items().ok_or_else(|| odd("dict_map"))? {
        let id = entry.items().and_then(|entry| entry.first()?.text());
        let id = id.ok_or_else(|| odd("dict_map"))?;
        // Some entries only fill up to a round number: they are no piece's id.
        tokens.push(pieces.get(id).copied().unwrap_or(id));
    }
    tokens.push(&special.mask);
    let vocab: Map<String, Value> = tokens
        .iter()
        .map(|token| token.to_string())
        .zip((0u32..).map(Value::from))
        .collect();
    if vocab.len() == tokens.len() {
        Ok((vocab, merges))
    } else {
        Err(odd("dict_map"))
    }
}
