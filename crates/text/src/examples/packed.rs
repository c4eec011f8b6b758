//! Full sequences for masked language modelling without next sentence prediction.
//!
//! The documents of an epoch, in random order and with a `[SEP]` between two, are one stream, cut
//! into sequences that are full: no padding but in the last one, and every token of the corpus is
//! seen exactly once per epoch. (Liu et al. 2019, section 4.2, "full-sentences", which cuts at
//! sentences and so leaves some places empty.)

use super::document_stream::{DocumentStream, StreamOrder};
use super::epochs::EpochCache;
use super::{Documents, Example, Examples};
use crate::rng::{Permutation, Purpose, Rng};
use crate::{TextError, Vocabulary};

/// `[CLS]` and the last `[SEP]`.
const SPECIAL_TOKENS: usize = 2;

/// Sequences `[CLS]` … `[SEP]` of one segment, full to `seq_len`.
///
/// Memory: 8 bytes per document part for each of the last two epochs.
pub struct PackedSequences {
    stream: DocumentStream,
    /// All tokens and the separators between parts. The same in all epochs.
    stream_len: u64,
    cls: u32,
    sep: u32,
    seq_len: usize,
    seed: u64,
    epochs: EpochCache<EpochIndex>,
}

/// How an epoch's stream is laid out, and the order in which its sequences are visited: neighbours
/// in a long document don't share a batch.
struct EpochIndex {
    stream: StreamOrder,
    sequences: Permutation,
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
        let stream = DocumentStream::new(documents, Some(vocabulary.sep));
        Ok(Self {
            // The last part's separator ends the last sequence.
            stream_len: stream.len() - 1,
            stream,
            cls: vocabulary.cls,
            sep: vocabulary.sep,
            seq_len,
            seed,
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
        let parts = self.stream.documents().len() as u64;
        EpochIndex {
            stream: self
                .stream
                .order(Permutation::new(rng.next_u64(), epoch, parts)),
            sequences: Permutation::new(self.seed, epoch, self.per_epoch()),
        }
    }
}

impl Examples for PackedSequences {
    fn seq_len(&self) -> usize {
        self.seq_len
    }

    fn per_epoch(&self) -> u64 {
        self.stream_len.div_ceil(self.body())
    }

    fn has_next_sentence(&self) -> bool {
        false
    }

    fn vocab_size(&self) -> u32 {
        self.stream.documents().corpus().vocab_size()
    }

    fn build(&self, epoch: u64, place: u64, into: &mut Example) -> Result<(), TextError> {
        into.clear();
        into.input_ids.push(self.cls);
        self.epochs.with(
            epoch,
            || self.index(epoch),
            |index| {
                let start = index.sequences.at(place) * self.body();
                let end = (start + self.body()).min(self.stream_len);
                self.stream
                    .read(&index.stream, start..end, &mut into.input_ids)
            },
        )?;
        into.input_ids.push(self.sep);
        into.first_segment = into.input_ids.len();
        Ok(())
    }
}
