//! For tests: documents whose ids count up, so that an id names its place in the corpus.

use std::sync::Arc;

use super::Documents;
use crate::Vocabulary;
use crate::corpus::Corpus;
use crate::rng::{Purpose, Rng};

pub(super) const CLS: u32 = 2;
pub(super) const SEP: u32 = 3;
/// The first word of the corpus.
pub(super) const FIRST: u32 = 10;

const VOCAB_SIZE: u32 = 1 << 20;

/// Enough to build examples, not to mask them.
pub(super) fn vocabulary() -> Vocabulary {
    Vocabulary {
        size: VOCAB_SIZE,
        pad: 0,
        unk: 1,
        cls: CLS,
        sep: SEP,
        mask: 4,
        is_special: Vec::new(),
        is_continuation: Vec::new(),
    }
}

/// Documents of these sentence lengths.
pub(super) fn documents(lengths: &[Vec<usize>]) -> Documents {
    let mut ids = FIRST..;
    let mut sentence = |&len: &usize| ids.by_ref().take(len).collect();
    let documents = lengths
        .iter()
        .map(|document| document.iter().map(&mut sentence).collect())
        .collect();
    Documents::all(Arc::new(Corpus::in_memory(documents, VOCAB_SIZE)))
}

/// The number of the document that holds an id.
pub(super) fn document(lengths: &[Vec<usize>], id: u32) -> usize {
    let mut end = FIRST as usize;
    let holds = |document: &Vec<usize>| {
        end += document.iter().sum::<usize>();
        (id as usize) < end
    };
    lengths.iter().position(holds).unwrap()
}

/// Lengths of `count` documents of 1 to 20 sentences of 1 to 30 tokens.
pub(super) fn varied(count: u64, seed: u64) -> Vec<Vec<usize>> {
    (0..count)
        .map(|document| {
            let mut rng = Rng::at(seed, Purpose::Order, document, 0);
            let sentences = 1 + rng.below(20);
            (0..sentences).map(|_| 1 + rng.below(30) as usize).collect()
        })
        .collect()
}

/// Three standard errors of a share `p` over `n` draws.
pub(super) fn bound(p: f64, n: usize) -> f64 {
    3.0 * (p * (1.0 - p) / n as f64).sqrt()
}
