//! Full sequences for masked language modelling without next sentence prediction.
//!
//! The documents of an epoch, in random order and with a `[SEP]` between two, are one stream, cut
//! into sequences that are full: no padding but in the last one, and every token of the corpus is
//! seen exactly once per epoch. (Liu et al. 2019, section 4.2, "full-sentences", which cuts at
//! sentences and so leaves some places empty.)

use super::epochs::{EpochCache, running_totals};
use super::{Documents, Example, Examples};
use crate::rng::{Permutation, Purpose, Rng};
use crate::{TextError, Vocabulary};

/// `[CLS]` and the last `[SEP]`.
const SPECIAL_TOKENS: usize = 2;

/// Sequences `[CLS]` … `[SEP]` of one segment, full to `seq_len`.
///
/// Memory: 8 bytes per document part for each of the last two epochs.
pub struct PackedSequences {
    documents: Documents,
    cls: u32,
    sep: u32,
    seq_len: usize,
    seed: u64,
    /// Length of the stream: all tokens and the separators between parts. The same in all epochs.
    stream: u64,
    epochs: EpochCache<EpochIndex>,
}

/// How an epoch's stream is laid out.
struct EpochIndex {
    /// Which part stands where.
    parts: Permutation,
    /// By place: where in the stream that part and the separator after it end.
    ends: Vec<u64>,
    /// The order in which sequences are visited: neighbours in a long document don't share a batch.
    order: Permutation,
}

impl PackedSequences {
    /// Measures the stream: time in proportion to the number of documents.
    ///
    /// # Errors
    /// If `documents` is empty or `seq_len` below 3.
    pub fn new(
        documents: Documents,
        vocabulary: &Vocabulary,
        seq_len: usize,
        seed: u64,
    ) -> Result<Self, TextError> {
        documents.require_some()?;
        if seq_len <= SPECIAL_TOKENS {
            return Err(TextError::Setting {
                field: "seq_len",
                value: seq_len.to_string(),
                remedy: "packed sequences need at least 3 tokens: two special ones and a word"
                    .to_owned(),
            });
        }
        let tokens: u64 = (0..documents.len())
            .map(|part| part_len(&documents, part))
            .sum();
        let stream = tokens + documents.len() as u64 - 1;
        Ok(Self {
            documents,
            cls: vocabulary.cls,
            sep: vocabulary.sep,
            seq_len,
            seed,
            stream,
            epochs: EpochCache::new(),
        })
    }

    /// Tokens of the stream in one sequence.
    fn body(&self) -> u64 {
        (self.seq_len - SPECIAL_TOKENS) as u64
    }

    fn index(&self, epoch: u64) -> EpochIndex {
        // Two orders per epoch: the parts' comes from a seed drawn at the epoch's own address, so
        // that it is another one even if there are as many parts as sequences.
        let mut rng = Rng::at(self.seed, Purpose::Examples, epoch, 0);
        let parts = Permutation::new(rng.next_u64(), epoch, self.documents.len() as u64);
        let ends = running_totals(self.documents.len(), |place| {
            part_len(&self.documents, parts.at(place as u64) as usize) + 1
        });
        EpochIndex {
            parts,
            ends,
            order: Permutation::new(self.seed, epoch, self.per_epoch()),
        }
    }

    /// Appends the tokens and separators at `start..stop` of the epoch's stream.
    fn read(
        &self,
        index: &EpochIndex,
        start: u64,
        stop: u64,
        into: &mut Vec<u32>,
    ) -> Result<(), TextError> {
        let mut place = index.ends.partition_point(|&end| end <= start);
        let mut at = start;
        while at < stop {
            let begin = place.checked_sub(1).map_or(0, |last| index.ends[last]);
            let separator = index.ends[place] - 1;
            if at < separator {
                let part = self.documents.part(index.parts.at(place as u64) as usize);
                let first = self.documents.tokens(part).start;
                let upto = separator.min(stop);
                let tokens = first + (at - begin)..first + (upto - begin);
                self.documents.corpus().read(tokens, into)?;
                at = upto;
            }
            if at < stop {
                into.push(self.sep);
                at += 1;
            }
            place += 1;
        }
        Ok(())
    }
}

fn part_len(documents: &Documents, part: usize) -> u64 {
    let tokens = documents.tokens(documents.part(part));
    tokens.end - tokens.start
}

impl Examples for PackedSequences {
    fn seq_len(&self) -> usize {
        self.seq_len
    }

    fn per_epoch(&self) -> u64 {
        self.stream.div_ceil(self.body())
    }

    fn has_next_sentence(&self) -> bool {
        false
    }

    fn vocab_size(&self) -> u32 {
        self.documents.corpus().vocab_size()
    }

    fn build(&self, epoch: u64, place: u64, into: &mut Example) -> Result<(), TextError> {
        into.clear();
        into.input_ids.push(self.cls);
        self.epochs.with(
            epoch,
            || self.index(epoch),
            |index| {
                let start = index.order.at(place) * self.body();
                let stop = (start + self.body()).min(self.stream);
                self.read(index, start, stop, &mut into.input_ids)
            },
        )?;
        into.input_ids.push(self.sep);
        into.first_segment = into.input_ids.len();
        Ok(())
    }
}
