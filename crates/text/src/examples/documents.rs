//! A view on a corpus: the documents that one purpose (training, evaluation) may see.

use std::ops::Range;
use std::sync::Arc;

use crate::TextError;
use crate::corpus::Corpus;
use crate::rng::{Purpose, Rng};

/// Longest part of a document, in sentences.
///
/// One example is found by walking its part from the start, so this bounds the cost; and a corpus
/// that is a single long document still has "other documents" and can be split.
pub const PART_SENTENCES: usize = 512;

/// A list of sentence ranges, each a document or, where that is longer than [`PART_SENTENCES`],
/// one of its nearly equal parts. 16 bytes each; cloning shares them.
#[derive(Clone)]
pub struct Documents {
    corpus: Arc<Corpus>,
    parts: Arc<Vec<Range<usize>>>,
}

impl Documents {
    /// The whole corpus.
    pub fn all(corpus: Arc<Corpus>) -> Self {
        let parts = Arc::new(parts_of(&corpus).collect());
        Self { corpus, parts }
    }

    /// Training and held-out view: every part is in exactly one of them.
    ///
    /// Exactly the share `held_out` of the parts, rounded, is held out, chosen by `seed`; where
    /// there are two parts or more and `held_out` is above 0, each side has at least one. Both keep
    /// the corpus' order. Parts of one long document may fall on different sides: without that a
    /// corpus of one document could not be evaluated at all.
    ///
    /// # Errors
    /// If `held_out` is not in `0..1`.
    pub fn split(corpus: Arc<Corpus>, seed: u64, held_out: f64) -> Result<(Self, Self), TextError> {
        if !(0.0..1.0).contains(&held_out) {
            return Err(TextError::Setting {
                field: "held_out",
                value: held_out.to_string(),
                remedy: "choose a share of the documents from 0 to below 1, e.g. 0.01".to_owned(),
            });
        }
        let mut left = parts_of(&corpus).count();
        let mut wanted = match left {
            0 | 1 => 0,
            _ if held_out == 0.0 => 0,
            _ => ((left as f64 * held_out).round() as usize).clamp(1, left - 1),
        };
        // Selection sampling (Knuth, volume 2, algorithm S): an exact count and a uniform choice
        // in one walk, without a table of indices.
        let mut rng = Rng::at(seed, Purpose::Split, 0, 0);
        let (mut train, mut kept_back) = (Vec::with_capacity(left - wanted), Vec::new());
        for part in parts_of(&corpus) {
            if rng.below(left as u64) < wanted as u64 {
                kept_back.push(part);
                wanted -= 1;
            } else {
                train.push(part);
            }
            left -= 1;
        }
        let view = |parts| Self {
            corpus: Arc::clone(&corpus),
            parts: Arc::new(parts),
        };
        Ok((view(train), view(kept_back)))
    }

    /// The corpus behind the view.
    pub fn corpus(&self) -> &Arc<Corpus> {
        &self.corpus
    }

    /// Number of parts.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether the view holds nothing.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The sentences of part `index`; never empty.
    ///
    /// # Panics
    /// If `index` is not below [`Documents::len`]: the caller's mistake.
    pub fn part(&self, index: usize) -> Range<usize> {
        self.parts[index].clone()
    }

    /// The parts of the view that belong to the same document as part `index`, which is among them.
    ///
    /// # Panics
    /// If `index` is not below [`Documents::len`]: the caller's mistake.
    pub(super) fn parts_of_same_document(&self, index: usize) -> Range<usize> {
        let start = self.parts[index].start;
        let document = self.document_around(start);
        // Parts keep the corpus' order, so those of a document stand together.
        let first = self
            .parts
            .partition_point(|part| part.start < document.start);
        let end = self.parts.partition_point(|part| part.start < document.end);
        first.min(index)..end.max(index + 1)
    }

    /// The document that holds a sentence; nothing but the sentence where damaged bounds give none.
    fn document_around(&self, sentence: usize) -> Range<usize> {
        let (mut first, mut end) = (0, self.corpus.num_documents());
        while first < end {
            let middle = first + (end - first) / 2;
            let document = self.corpus.document(middle);
            if document.contains(&sentence) {
                return document;
            }
            if document.end <= sentence {
                first = middle + 1;
            } else {
                end = middle;
            }
        }
        sentence..sentence + 1
    }

    /// Token positions of a run of sentences, at least one, of one document.
    ///
    /// If the bounds of a damaged corpus make none, positions past its end, which
    /// [`Corpus::read`] refuses.
    pub fn tokens(&self, sentences: Range<usize>) -> Range<u64> {
        let first = self.corpus.sentence(sentences.start);
        let last = self.corpus.sentence(sentences.end.saturating_sub(1));
        if first.start < last.end {
            first.start..last.end
        } else {
            self.corpus.num_tokens()..self.corpus.num_tokens() + 1
        }
    }

    /// Fails with one line if the view is empty: nothing can be learned from it.
    pub(super) fn require_some(&self) -> Result<(), TextError> {
        if self.is_empty() {
            return Err(TextError::Setting {
                field: "documents",
                value: "none".to_owned(),
                remedy: "the corpus, or this side of its split, holds no text; add text or hold \
                         out another share"
                    .to_owned(),
            });
        }
        Ok(())
    }
}

/// The parts of all documents, in the corpus' order.
fn parts_of(corpus: &Corpus) -> impl Iterator<Item = Range<usize>> + '_ {
    (0..corpus.num_documents()).flat_map(|document| cut(corpus.document(document)))
}

/// Cuts a document into as few parts as [`PART_SENTENCES`] allows, equal to within one sentence.
fn cut(document: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let count = document.len().div_ceil(PART_SENTENCES);
    let at = move |index: usize| document.start + document.len() * index / count.max(1);
    (0..count).map(move |index| at(index)..at(index + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(sentences: &[usize]) -> Arc<Corpus> {
        let documents = sentences.iter().map(|&n| vec![vec![7, 8]; n]).collect();
        Arc::new(Corpus::in_memory(documents, 10))
    }

    #[test]
    fn a_document_is_cut_into_the_fewest_nearly_equal_parts() {
        let sizes = |n: usize| cut(10..10 + n).map(|part| part.len()).collect::<Vec<_>>();
        assert_eq!(sizes(0), Vec::<usize>::new());
        assert_eq!(sizes(512), [512]);
        assert_eq!(sizes(513), [256, 257]);
        let parts: Vec<_> = cut(10..10 + 1025).collect();
        assert_eq!(parts.len(), 3);
        assert_eq!((parts[0].start, parts[2].end), (10, 1035));
        assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
    }

    #[test]
    fn a_split_shares_out_every_part_once_and_repeats_with_its_seed() {
        let corpus = corpus(&[3; 200]);
        let (train, held_out) = Documents::split(Arc::clone(&corpus), 5, 0.1).unwrap();
        assert_eq!((train.len(), held_out.len()), (180, 20));
        let mut both = [train.parts.to_vec(), held_out.parts.to_vec()].concat();
        both.sort_by_key(|part| part.start);
        assert_eq!(both, *Documents::all(Arc::clone(&corpus)).parts);
        let (_, again) = Documents::split(Arc::clone(&corpus), 5, 0.1).unwrap();
        let (_, other) = Documents::split(corpus, 6, 0.1).unwrap();
        assert_eq!(held_out.parts, again.parts);
        assert_ne!(held_out.parts, other.parts);
    }

    #[test]
    fn both_sides_of_a_split_have_a_part_where_there_are_two() {
        for held_out in [0.001, 0.5, 0.999] {
            let (train, kept) = Documents::split(corpus(&[1, 1]), 0, held_out).unwrap();
            assert_eq!((train.len(), kept.len()), (1, 1), "{held_out}");
        }
        let (train, kept) = Documents::split(corpus(&[600]), 0, 0.01).unwrap();
        assert_eq!((train.len(), kept.len()), (1, 1));
        let (train, kept) = Documents::split(corpus(&[5]), 0, 0.5).unwrap();
        assert_eq!((train.len(), kept.len()), (1, 0));
        let (_, kept) = Documents::split(corpus(&[1; 50]), 0, 0.0).unwrap();
        assert!(kept.is_empty());
    }

    #[test]
    fn the_parts_of_a_document_are_those_cut_from_it_on_either_side_of_a_split() {
        let corpus = corpus(&[3, 1100, 2, 600, 1]);
        let all = Documents::all(Arc::clone(&corpus));
        let same: Vec<_> = (0..all.len())
            .map(|part| all.parts_of_same_document(part))
            .collect();
        assert_eq!(
            same,
            [0..1, 1..4, 1..4, 1..4, 4..5, 5..7, 5..7, 7..8],
            "{:?}",
            all.parts
        );
        for seed in 0..20 {
            let (train, kept) = Documents::split(Arc::clone(&corpus), seed, 0.4).unwrap();
            for view in [train, kept] {
                for index in 0..view.len() {
                    let document = view.document_around(view.part(index).start);
                    let expected: Vec<_> = (0..view.len())
                        .filter(|&other| document.contains(&view.part(other).start))
                        .collect();
                    assert!(view.parts_of_same_document(index).eq(expected), "{seed}");
                }
            }
        }
    }

    #[test]
    fn a_share_outside_its_range_is_refused() {
        for share in [-0.1, 1.0, f64::NAN] {
            let error = Documents::split(corpus(&[1, 1]), 0, share).err().unwrap();
            assert!(error.to_string().starts_with("held_out = "), "{error}");
        }
    }
}
