//! The documents of an epoch one behind another, in random order, as one stream of tokens.
//!
//! What packed sequences and lanes are cut from. After each part of a document may stand a token:
//! what follows is another text, the next part of the same document included, because parts are
//! put in order one by one.

use std::ops::Range;

use super::Documents;
use super::epochs::running_totals;
use crate::TextError;
use crate::rng::Permutation;

/// Documents, and what stands behind each part of them.
pub(super) struct DocumentStream {
    documents: Documents,
    separator: Option<u32>,
}

/// How an epoch's stream is laid out: 8 bytes per part.
pub(super) struct StreamOrder {
    /// Which part stands where.
    parts: Permutation,
    /// By place: where in the stream that part, and the separator after it, end.
    ends: Vec<u64>,
}

impl DocumentStream {
    pub(super) fn new(documents: Documents, separator: Option<u32>) -> Self {
        Self {
            documents,
            separator,
        }
    }

    pub(super) fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Tokens of the stream, the separator after the last part among them. The same in all epochs.
    pub(super) fn len(&self) -> u64 {
        let lengths = (0..self.documents.len()).map(|part| self.part_len(part));
        lengths.sum()
    }

    /// The stream's layout under an order of the parts.
    pub(super) fn order(&self, parts: Permutation) -> StreamOrder {
        let ends = running_totals(self.documents.len(), |place| {
            self.part_len(parts.at(place as u64) as usize)
        });
        StreamOrder { parts, ends }
    }

    /// A part's tokens and its separator.
    fn part_len(&self, part: usize) -> u64 {
        let tokens = self.documents.tokens(self.documents.part(part));
        tokens.end - tokens.start + u64::from(self.separator.is_some())
    }

    /// Appends what stands at `range` of the stream.
    ///
    /// # Errors
    /// If the corpus can't be read.
    pub(super) fn read(
        &self,
        order: &StreamOrder,
        range: Range<u64>,
        into: &mut Vec<u32>,
    ) -> Result<(), TextError> {
        let mut place = order.place(range.start);
        let mut at = range.start;
        while at < range.end {
            let begin = order.begin(place);
            let text_end = order.ends[place] - u64::from(self.separator.is_some());
            if at < text_end {
                let first = self.documents.tokens(self.part(order, place)).start;
                let upto = text_end.min(range.end);
                let tokens = first + (at - begin)..first + (upto - begin);
                self.documents.corpus().read(tokens, into)?;
                at = upto;
            }
            if let Some(separator) = self.separator
                && at < range.end
            {
                into.push(separator);
                at += 1;
            }
            place += 1;
        }
        Ok(())
    }

    /// Where in the stream the sentence that holds `position` stands. A separator belongs to the
    /// sentence before it.
    pub(super) fn sentence(&self, order: &StreamOrder, position: u64) -> Range<u64> {
        let place = order.place(position);
        let (begin, end) = (order.begin(place), order.ends[place]);
        let sentences = self.part(order, place);
        let corpus = self.documents.corpus();
        let first = self.documents.tokens(sentences.clone()).start;
        let token = first + (position - begin);
        // The first sentence that ends behind the token; the last one if that is the separator.
        let (mut low, mut high) = (sentences.start, sentences.end.saturating_sub(1));
        while low < high {
            let middle = low + (high - low) / 2;
            if corpus.sentence(middle).end <= token {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let found = corpus.sentence(low);
        let start = begin + found.start.saturating_sub(first);
        let stop = if low + 1 == sentences.end {
            end
        } else {
            begin + found.end.saturating_sub(first)
        };
        // A damaged corpus' bounds may say anything; reading refuses it, and nothing panics here.
        start.min(position)..stop.clamp(position + 1, end)
    }

    fn part(&self, order: &StreamOrder, place: usize) -> Range<usize> {
        self.documents.part(order.parts.at(place as u64) as usize)
    }
}

impl StreamOrder {
    /// The place of the part that holds `position`.
    fn place(&self, position: u64) -> usize {
        self.ends.partition_point(|&end| end <= position)
    }

    /// Where the part at `place` begins.
    fn begin(&self, place: usize) -> u64 {
        place.checked_sub(1).map_or(0, |last| self.ends[last])
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbered::{self, FIRST};
    use super::*;

    const END: u32 = 9;

    /// Two documents in the order in which they are drawn, as (ids, sentence by position).
    fn read(separator: Option<u32>) -> (Vec<u32>, Vec<Range<u64>>) {
        let documents = numbered::documents(&[vec![2, 3], vec![1]]);
        let stream = DocumentStream::new(documents, separator);
        let seed = (0..)
            .find(|&seed| Permutation::new(seed, 0, 2).at(0) == 1)
            .unwrap();
        let order = stream.order(Permutation::new(seed, 0, 2));
        let mut ids = Vec::new();
        stream.read(&order, 0..stream.len(), &mut ids).unwrap();
        let sentences = (0..stream.len()).map(|at| stream.sentence(&order, at));
        (ids, sentences.collect())
    }

    #[test]
    fn documents_stand_in_their_order_each_with_its_separator() {
        let words = |from: u32, to: u32| (FIRST + from..FIRST + to).collect::<Vec<_>>();
        let (ids, sentences) = read(None);
        assert_eq!(ids, [words(5, 6), words(0, 5)].concat());
        let of = [0..1, 1..3, 1..3, 3..6, 3..6, 3..6];
        assert_eq!(sentences, of);

        let (ids, sentences) = read(Some(END));
        let expected = [words(5, 6), vec![END], words(0, 5), vec![END]].concat();
        assert_eq!(ids, expected);
        // A separator has the flag of the sentence before it.
        let of = [0..2, 0..2, 2..4, 2..4, 4..8, 4..8, 4..8, 4..8];
        assert_eq!(sentences, of);
    }

    #[test]
    fn any_stretch_reads_as_it_stands_in_the_whole() {
        let lengths = numbered::varied(8, 3);
        for separator in [None, Some(END)] {
            let stream = DocumentStream::new(numbered::documents(&lengths), separator);
            let order = stream.order(Permutation::new(4, 0, 8));
            let mut whole = Vec::new();
            stream.read(&order, 0..stream.len(), &mut whole).unwrap();
            assert_eq!(whole.len() as u64, stream.len());
            for start in (0..stream.len()).step_by(7) {
                for len in [0, 1, 40, 300] {
                    let range = start..(start + len).min(stream.len());
                    let mut ids = Vec::new();
                    stream.read(&order, range.clone(), &mut ids).unwrap();
                    assert_eq!(ids, whole[range.start as usize..range.end as usize]);
                }
            }
        }
    }
}
