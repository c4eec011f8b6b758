//! ELECTRA's sequences: one segment of text, or two that follow each other.
//!
//! Clark et al. 2020, appendix A; the procedure is that of the original's
//! `build_pretraining_dataset.py`. There it runs once over all documents into a file; here each
//! document of each epoch is a pure function of (seed, epoch, document), so that any example is
//! found by walking one document and no file is made.

use std::iter;
use std::ops::Range;

use super::epochs::WalkedEpochs;
use super::{Documents, Example, Examples, require_probability};
use crate::rng::{Purpose, Rng};
use crate::{TextError, Vocabulary};

/// Share of examples that are cut shorter than they might be (the original's `_create_example`).
pub const SEGMENT_SHORT_SEQ_PROB: f64 = 0.05;

/// Share of examples that are a single segment, as in classification tasks (`_create_example`).
const SINGLE_SEGMENT: f64 = 0.1;

/// How often a sentence that crosses the middle still goes to the first segment
/// (`_create_example`).
const CROSSING: f64 = 0.5;

/// The shortest example aimed at (`_create_example`'s `randint(5, max_length)`).
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
    epochs: WalkedEpochs,
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
        require_probability(short_seq_prob)?;
        let epochs = WalkedEpochs::new(seed, documents.len());
        let mut segments = Self {
            documents,
            cls: vocabulary.cls,
            sep: vocabulary.sep,
            seq_len,
            short_seq_prob,
            seed,
            per_epoch: 0,
            epochs,
        };
        segments.per_epoch = segments.epochs.count(0, |part| segments.walk(0, part));
        Ok(segments)
    }

    /// The chunks of a part, in order.
    ///
    /// In the original the length aimed at is drawn when an example is done, for the next one, which
    /// may be another document's; here for each example when it begins, which has the same
    /// distribution.
    fn walk(&self, epoch: u64, part: usize) -> impl Iterator<Item = Chunk> {
        let sentences = self.documents.part(part);
        let corpus = self.documents.corpus();
        let mut rng = Rng::at(self.seed, Purpose::Examples, epoch, part as u64);
        let mut first = sentences.start;
        iter::from_fn(move || {
            if first >= sentences.end {
                return None;
            }
            let target = if rng.chance(self.short_seq_prob) {
                SHORTEST + rng.below((self.seq_len - SHORTEST + 1) as u64) as usize
            } else {
                self.seq_len
            };
            let (mut end, mut tokens) = (first, 0);
            while end < sentences.end && tokens < target {
                tokens += corpus.sentence_len(end);
                end += 1;
            }
            let chunk = Chunk {
                sentences: first..end,
                target,
                detail: rng.next_u64(),
            };
            first = end;
            Some(chunk)
        })
    }

    /// The first sentence of the second segment; the chunk's end if there is none.
    ///
    /// In the original a short sentence may still join the first segment after a longer one has
    /// begun the second, so that text stands out of its order; here everything after the first
    /// sentence of the second segment belongs to it, so that both are stretches of text (held by
    /// the test `the_second_segment_takes_everything_after_its_first_sentence`).
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
        let (part, chunk) = self
            .epochs
            .find(epoch, place, |part| self.walk(epoch, part));
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
