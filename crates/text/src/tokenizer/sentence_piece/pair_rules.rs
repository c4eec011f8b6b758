//! The merges of a SentencePiece model of type BPE.
//!
//! Such a model holds pieces alone, better ones first; its library joins whichever two neighbours
//! give the best piece. Here that is written down as merges: every way to cut a piece into two
//! others, in the order of the pieces, as transformers (5.23) does it.

use std::collections::HashMap;

use super::proto::{Model, PieceKind};

/// Two pieces that are joined.
pub(super) type Merge = (String, String);

/// The merges of pieces with their ids: by the id of what comes out, then by the length of the first
/// part.
pub(super) fn merges<'a>(
    ids: &HashMap<&'a str, u64>,
    joined: impl Iterator<Item = &'a str>,
) -> Vec<Merge> {
    let mut merges: Vec<(u64, &str, &str)> = Vec::new();
    for piece in joined {
        let Some(&id) = ids.get(piece) else { continue };
        let cuts = piece.char_indices().skip(1).map(|(at, _)| at);
        merges.extend(
            cuts.filter_map(|at| piece.split_at_checked(at))
                .filter(|(first, second)| ids.contains_key(first) && ids.contains_key(second))
                .map(|(first, second)| (id, first, second)),
        );
    }
    merges.sort_by_key(|(id, first, _)| (*id, first.chars().count()));
    merges
        .into_iter()
        .map(|(_, first, second)| (first.to_string(), second.to_string()))
        .collect()
}

/// The merges of a model as its library joins pieces: special pieces and bytes are never joined.
pub(super) fn merges_of(model: &Model) -> Vec<Merge> {
    let normal = || {
        let pieces = model.pieces.iter().zip(0u64..);
        pieces.filter(|(piece, _)| piece.kind == PieceKind::Normal)
    };
    let ids = normal()
        .map(|(piece, id)| (piece.text.as_str(), id))
        .collect();
    merges(&ids, normal().map(|(piece, _)| piece.text.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_cut_a_piece_is_a_merge_in_the_order_of_the_pieces() {
        let pieces = ["abc", "ab", "a", "b", "c", "bc", "xy"];
        let ids = pieces.into_iter().zip(0..).collect();
        let merges = merges(&ids, pieces.into_iter());
        let expected = [("a", "bc"), ("ab", "c"), ("a", "b"), ("b", "c")];
        let expected = expected.map(|(first, second)| (first.to_string(), second.to_string()));
        assert_eq!(merges, expected);
    }
}
