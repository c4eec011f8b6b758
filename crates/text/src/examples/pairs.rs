//! BERT's segment pairs with next sentence prediction.
//!
//! Devlin et al. 2019, section 3.1, task 2; the procedure is that of the original's
//! `create_pretraining_data.py`. There it runs once over all documents into a file; here each
//! document of each epoch is a pure function of (seed, epoch, document), so that any example is
//! found by walking one document and no file is made.

use std::iter;
use std::ops::Range;

use super::epochs::WalkedEpochs;
use super::{Documents, Example, Examples, require_probability, shared_room};
use crate::rng::{Purpose, Rng};
use crate::{TextError, Vocabulary};

/// Share of documents cut into shorter sequences (the original's default).
pub const SHORT_SEQ_PROB: f64 = 0.1;

/// `[CLS]` and two `[SEP]`.
const SPECIAL_TOKENS: usize = 3;

/// One token for each segment.
const MIN_ROOM: usize = 2;

/// How often another document is drawn for a random B. The original takes A's own document if the
/// tenth draw is that again; here the next draw is among the others alone, so that a B labelled as
/// random never belongs to A's document while there is another.
const TRIES: usize = 10;

/// Pairs of segments, half of them (and all one-sentence chunks) with a random second one.
///
/// # The length of an epoch
/// Where chunks end depends on draws, so passes over the documents differ by a few examples. An
/// epoch is fixed to the count of pass 0: place p of epoch e is found at once, however large e is,
/// at the price of one counting pass, and a resumed run starts like a fresh one. A later pass that
/// has more examples leaves the surplus out, one with fewer repeats its first ones (under other
/// masks). Both are random choices from that pass, and few: on large corpora the counts differ by
/// about the root of their number.
///
/// Memory: 8 bytes per document part for each of the last two epochs.
pub struct SentencePairs {
    documents: Documents,
    cls: u32,
    sep: u32,
    seq_len: usize,
    short_seq_prob: f64,
    seed: u64,
    per_epoch: u64,
    epochs: WalkedEpochs,
    from_parts: bool,
}

/// A run of sentences that becomes one example.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Chunk {
    /// The sentences of A.
    a: Range<usize>,
    /// End of the chunk: `a.end..end` is B if that is the actual next.
    end: usize,
    /// Tokens aimed at, both segments together.
    target: usize,
    /// Whether B comes from another document.
    is_random: bool,
    /// Seeds the draws that decide what the example holds, but not where the next chunk begins.
    /// Apart from the walk's own draws, so that counting does without them.
    detail: u64,
}

impl SentencePairs {
    /// Counts the first pass over `documents`: time in proportion to the number of sentences.
    ///
    /// # Errors
    /// If `documents` is empty, `seq_len` below 5 (two tokens and three special ones) or
    /// `short_seq_prob` not in `0..=1`.
    pub fn new(
        documents: Documents,
        vocabulary: &Vocabulary,
        seq_len: usize,
        short_seq_prob: f64,
        seed: u64,
    ) -> Result<Self, TextError> {
        documents.require_some()?;
        if seq_len < SPECIAL_TOKENS + MIN_ROOM {
            return Err(TextError::Setting {
                field: "seq_len",
                value: seq_len.to_string(),
                remedy: format!(
                    "sentence pairs need at least {} tokens: three special ones and one for each \
                     segment",
                    SPECIAL_TOKENS + MIN_ROOM
                ),
            });
        }
        require_probability(short_seq_prob)?;
        let epochs = WalkedEpochs::new(seed, documents.len());
        let mut pairs = Self {
            documents,
            cls: vocabulary.cls,
            sep: vocabulary.sep,
            seq_len,
            short_seq_prob,
            seed,
            per_epoch: 0,
            epochs,
            from_parts: false,
        };
        pairs.per_epoch = pairs.epochs.count(0, |part| pairs.walk(0, part));
        Ok(pairs)
    }

    /// Draws a random B as runs did that were started before it was kept out of A's document: from
    /// another part, which may be one of the same long document, and from A's own if the tenth draw
    /// is that again. For such runs to go on as they began.
    #[must_use]
    pub fn from_parts(mut self) -> Self {
        self.from_parts = true;
        self
    }

    fn room(&self) -> usize {
        self.seq_len - SPECIAL_TOKENS
    }

    /// The chunks of a part, in order.
    fn walk(&self, epoch: u64, part: usize) -> impl Iterator<Item = Chunk> {
        let sentences = self.documents.part(part);
        let corpus = self.documents.corpus();
        let mut rng = Rng::at(self.seed, Purpose::Examples, epoch, part as u64);
        // Once per document and pass, not per example.
        let target = if rng.chance(self.short_seq_prob) {
            MIN_ROOM + rng.below((self.room() - MIN_ROOM + 1) as u64) as usize
        } else {
            self.room()
        };
        let mut first = sentences.start;
        iter::from_fn(move || {
            if first >= sentences.end {
                return None;
            }
            let (mut end, mut tokens) = (first, 0);
            while end < sentences.end && tokens < target {
                tokens += corpus.sentence_len(end);
                end += 1;
            }
            let (a_end, is_random) = if end - first == 1 {
                (end, true)
            } else {
                let a_end = first + 1 + rng.below((end - first - 1) as u64) as usize;
                (a_end, rng.chance(0.5))
            };
            let chunk = Chunk {
                a: first..a_end,
                end,
                target,
                is_random,
                detail: rng.next_u64(),
            };
            // With a random B the sentences after A were not used: they are put back.
            first = if is_random { a_end } else { end };
            Some(chunk)
        })
    }

    /// Sentences of another document: from a random one on until there are `want` tokens or the
    /// document ends, and at least one.
    fn random_next(&self, part: usize, want: u64, rng: &mut Rng) -> Range<usize> {
        let sentences = self.documents.part(self.other_part(part, rng));
        let first = sentences.start + rng.below(sentences.len() as u64) as usize;
        let (mut end, mut tokens) = (first, 0);
        while end == first || (end < sentences.end && tokens < want) {
            tokens += self.documents.corpus().sentence_len(end) as u64;
            end += 1;
        }
        first..end
    }

    /// A part of another document, each as likely; where all parts are of one document, another
    /// part; where there is one part, that.
    fn other_part(&self, part: usize, rng: &mut Rng) -> usize {
        let count = self.documents.len();
        let own = if self.from_parts {
            part..part + 1
        } else {
            let of_document = self.documents.parts_of_same_document(part);
            if of_document.len() < count {
                of_document
            } else {
                part..part + 1
            }
        };
        let mut other = part;
        for _ in 0..TRIES {
            other = rng.below(count as u64) as usize;
            if !own.contains(&other) {
                return other;
            }
        }
        let others = count - own.len();
        if self.from_parts || others == 0 {
            return other;
        }
        let other = rng.below(others as u64) as usize;
        if other < own.start {
            other
        } else {
            other + own.len()
        }
    }
}

impl Examples for SentencePairs {
    fn seq_len(&self) -> usize {
        self.seq_len
    }

    fn per_epoch(&self) -> u64 {
        self.per_epoch
    }

    fn has_next_sentence(&self) -> bool {
        true
    }

    fn vocab_size(&self) -> u32 {
        self.documents.corpus().vocab_size()
    }

    fn build(&self, epoch: u64, place: u64, into: &mut Example) -> Result<(), TextError> {
        let (part, chunk) = self
            .epochs
            .find(epoch, place, |part| self.walk(epoch, part));
        let mut rng = Rng::at(chunk.detail, Purpose::Examples, epoch, part as u64);

        let a = self.documents.tokens(chunk.a.clone());
        let b = if chunk.is_random {
            let want = (chunk.target as u64).saturating_sub(a.end - a.start);
            self.documents
                .tokens(self.random_next(part, want, &mut rng))
        } else {
            self.documents.tokens(chunk.a.end..chunk.end)
        };
        let (a, b) = truncate(a, b, self.room() as u64, &mut rng);

        into.clear();
        into.input_ids.push(self.cls);
        self.documents.corpus().read(a, &mut into.input_ids)?;
        into.input_ids.push(self.sep);
        into.first_segment = into.input_ids.len();
        self.documents.corpus().read(b, &mut into.input_ids)?;
        into.input_ids.push(self.sep);
        into.next_sentence_label = i32::from(chunk.is_random);
        Ok(())
    }
}

/// Shortens A and B until they have `room` tokens together: each time one token from the longer (B
/// when equal), from the front or the back by a coin of its own.
///
/// How many tokens each loses follows from the lengths, so only the coins are drawn, 64 at a time:
/// a sentence of a million tokens costs nothing.
fn truncate(a: Range<u64>, b: Range<u64>, room: u64, rng: &mut Rng) -> (Range<u64>, Range<u64>) {
    let (left_a, left_b) = shared_room(a.end - a.start, b.end - b.start, room);
    (shorten(a, left_a, rng), shorten(b, left_b, rng))
}

/// `tokens` without all but `left`: each lost token is the first or the last by a fair coin.
fn shorten(tokens: Range<u64>, left: u64, rng: &mut Rng) -> Range<u64> {
    let mut coins = tokens.end - tokens.start - left;
    let mut from_front = 0;
    while coins > 0 {
        let now = coins.min(64);
        from_front += u64::from((rng.next_u64() >> (64 - now)).count_ones());
        coins -= now;
    }
    let start = tokens.start + from_front;
    start..start + left
}

#[cfg(test)]
mod tests;
