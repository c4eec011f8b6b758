//! ELECTRA's sequences: one segment of text, or two that follow each other.
//!
//! Clark et al. 2020, appendix A; the procedure is that of the original's
//! `build_pretraining_dataset.py`. There it runs once over all documents into a file; here each
//! document of each epoch is a pure function of (seed, epoch, document), so that any example is
//! found by walking one document and no file is made.

use std::ops::{ControlFlow, Range};

use super::epochs::{EpochCache, EpochIndex};
use super::{Documents, Example, Examples};
use crate::rng::{Purpose, Rng};
use crate::{TextError, Vocabulary};

/// Share of examples that are cut shorter than they might be (the original's `_create_example`).
pub const SEGMENT_SHORT_SEQ_PROB: f64 = 0.05;

/// Share of examples that are a single segment, as in classification tasks.
const SINGLE_SEGMENT: f64 = 0.1;

/// How often a sentence that crosses the middle still goes to the first segment.
const CROSSING: f64 = 0.5;

/// The shortest example aimed at.
const SHORTEST: usize = 5;

/// `[CLS]` and the first `[SEP]`, and those with the second.
const ONE_SEGMENT_TOKENS: u64 = 2;
const TWO_SEGMENT_TOKENS: u64 = 3;

/// Consecutive text in one or two segments, without a next-sentence label.
///
/// Epochs have the length of pass 0, and memory is used, as in
/// [`SentencePairs`](super::SentencePairs).
pub struct ContinuousSegments {
    documents: Documents,
    cls: u32,
    sep: u32,
    seq_len: usize,
    short_seq_prob: f64,
    seed: u64,
    per_epoch: u64,
    epochs: EpochCache<EpochIndex>,
}

/// A run of sentences that becomes one example.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Chunk {
    sentences: Range<usize>,
    /// Tokens aimed at, special ones counted.
    target: usize,
    /// Seeds the draws that decide where the second segment begins. Apart from the walk's own
    /// draws, so that counting does without them.
    detail: u64,
}

impl ContinuousSegments {
    /// Counts the first pass over `documents`: time in proportion to the number of sentences.
    ///
    /// # Errors
    /// If `documents` is empty, `seq_len` below 5 (the shortest example) or `short_seq_prob` not in
    /// `0..=1`.
    pub fn new(
        documents: Documents,
        vocabulary: &Vocabulary,
        seq_len: usize,
        short_seq_prob: f64,
        seed: u64,
    ) -> Result<Self, TextError> {
        documents.require_some()?;
        if seq_len < SHORTEST {
            return Err(TextError::Setting {
                field: "seq_len",
                value: seq_len.to_string(),
                remedy: format!(
                    "two segments need at least {SHORTEST} tokens: three special ones and one for \
                     each"
                ),
            });
        }
        if !(0.0..=1.0).contains(&short_seq_prob) {
            return Err(TextError::Setting {
                field: "short_seq_prob",
                value: short_seq_prob.to_string(),
                remedy: "choose a probability from 0 to 1".to_owned(),
            });
        }
        let mut segments = Self {
            documents,
            cls: vocabulary.cls,
            sep: vocabulary.sep,
            seq_len,
            short_seq_prob,
            seed,
            per_epoch: 0,
            epochs: EpochCache::new(),
        };
        segments.per_epoch = segments.with_epoch(0, EpochIndex::len);
        Ok(segments)
    }

    fn with_epoch<R>(&self, epoch: u64, look_up: impl FnOnce(&EpochIndex) -> R) -> R {
        let make = || {
            EpochIndex::new(self.seed, epoch, self.documents.len(), |part| {
                let mut count = 0;
                let _end: ControlFlow<()> = self.walk(epoch, part, |_| {
                    count += 1;
                    ControlFlow::Continue(())
                });
                count
            })
        };
        self.epochs.with(epoch, make, look_up)
    }

    /// Hands the chunks of a part to `visit`, in order, until it breaks.
    ///
    /// In the original the length aimed at is drawn when an example is done, for the next one, which
    /// may be another document's; here for each example when it begins, which has the same
    /// distribution.
    fn walk<B>(
        &self,
        epoch: u64,
        part: usize,
        mut visit: impl FnMut(Chunk) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let all = self.documents.part(part);
        let corpus = self.documents.corpus();
        let mut rng = Rng::at(self.seed, Purpose::Examples, epoch, part as u64);
        let mut first = all.start;
        while first < all.end {
            let target = if rng.chance(self.short_seq_prob) {
                SHORTEST + rng.below((self.seq_len - SHORTEST + 1) as u64) as usize
            } else {
                self.seq_len
            };
            let (mut end, mut tokens) = (first, 0);
            while end < all.end && tokens < target {
                tokens += corpus.sentence_len(end);
                end += 1;
            }
            visit(Chunk {
                sentences: first..end,
                target,
                detail: rng.next_u64(),
            })?;
            first = end;
        }
        ControlFlow::Continue(())
    }

    /// The `nth` chunk of a part.
    fn chunk(&self, epoch: u64, part: usize, nth: u64) -> Chunk {
        let mut left = nth;
        let found = self.walk(epoch, part, |chunk| {
            if left == 0 {
                return ControlFlow::Break(chunk);
            }
            left -= 1;
            ControlFlow::Continue(())
        });
        match found {
            ControlFlow::Break(chunk) => chunk,
            ControlFlow::Continue(()) => unreachable!("the same walk counted the chunks"),
        }
    }

    /// The first sentence of the second segment; the chunk's end if there is none.
    ///
    /// In the original a short sentence may still join the first segment after a longer one has
    /// begun the second, so that text stands out of its order; here everything after the first
    /// sentence of the second segment belongs to it.
    fn second_segment(&self, chunk: &Chunk, rng: &mut Rng) -> usize {
        let sentences = &chunk.sentences;
        if rng.chance(SINGLE_SEGMENT) {
            return sentences.end;
        }
        let aim = (chunk.target - TWO_SEGMENT_TOKENS as usize) / 2;
        let mut tokens = 0;
        for sentence in sentences.clone() {
            let len = self.documents.corpus().sentence_len(sentence);
            let joins = sentence == sentences.start
                || tokens + len < aim
                || (tokens < aim && rng.chance(CROSSING));
            if !joins {
                return sentence;
            }
            tokens += len;
        }
        sentences.end
    }

    /// The tokens of both segments, cut to what fits; the second may be empty.
    fn segments(&self, chunk: &Chunk, rng: &mut Rng) -> (Range<u64>, Range<u64>) {
        let second = self.second_segment(chunk, rng);
        let first = self.documents.tokens(chunk.sentences.start..second);
        let room = self.seq_len as u64;
        let first = first.start..first.end.min(first.start + room - ONE_SEGMENT_TOKENS);
        if second == chunk.sentences.end {
            return (first, 0..0);
        }
        let left = room.saturating_sub(first.end - first.start + TWO_SEGMENT_TOKENS);
        let second = self.documents.tokens(second..chunk.sentences.end);
        (first, second.start..second.end.min(second.start + left))
    }
}

impl Examples for ContinuousSegments {
    fn seq_len(&self) -> usize {
        self.seq_len
    }

    fn per_epoch(&self) -> u64 {
        self.per_epoch
    }

    fn has_next_sentence(&self) -> bool {
        false
    }

    fn vocab_size(&self) -> u32 {
        self.documents.corpus().vocab_size()
    }

    fn build(&self, epoch: u64, place: u64, into: &mut Example) -> Result<(), TextError> {
        let (part, nth) = self.with_epoch(epoch, |index| index.find(place));
        let chunk = self.chunk(epoch, part, nth);
        let mut rng = Rng::at(chunk.detail, Purpose::Examples, epoch, part as u64);
        let (first, second) = self.segments(&chunk, &mut rng);

        into.clear();
        into.input_ids.push(self.cls);
        self.documents.corpus().read(first, &mut into.input_ids)?;
        into.input_ids.push(self.sep);
        into.first_segment = into.input_ids.len();
        if second.start < second.end {
            self.documents.corpus().read(second, &mut into.input_ids)?;
            into.input_ids.push(self.sep);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
