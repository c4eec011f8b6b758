//! From a corpus to training examples: which tokens stand together in one sequence.
//!
//! ```text
//! Corpus -> Documents (a view: training or held-out) -> Examples (pairs, segments or packed)
//!        -> Masking -> HostBatch
//! Corpus -> Documents -> permuted (lanes, spans, ranks) -> HostBatch
//! ```
//!
//! Every example is found by (epoch, place) alone. What an epoch needs to find its examples is one
//! number per document, made when the epoch is first asked for.

mod document_stream;
mod documents;
mod epochs;
mod masked_lm;
#[cfg(test)]
mod numbered;
mod packed;
mod pairs;
mod permuted;
mod segments;

pub use documents::{Documents, PART_SENTENCES};
pub use masked_lm::{MaskedLmEvaluation, MaskedLmSource};
pub use packed::PackedSequences;
pub use pairs::{SHORT_SEQ_PROB, SentencePairs};
pub use permuted::{PermutedEvaluation, PermutedSettings, PermutedSource};
pub use segments::{ContinuousSegments, SEGMENT_SHORT_SEQ_PROB};

use crate::TextError;

/// One sequence before masking and padding: special tokens in place, at most `seq_len` ids.
///
/// Kept and refilled from row to row, so that building a batch allocates once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Example {
    /// `[CLS]` A `[SEP]`, then, where there is a second segment, B `[SEP]`.
    pub input_ids: Vec<u32>,
    /// How many ids, from the first, have type 0; the others have type 1.
    pub first_segment: usize,
    /// 0 = B follows A in the corpus, 1 = B is random (Hugging Face `next_sentence_label`).
    /// Meaningless where [`Examples::has_next_sentence`] is false.
    pub next_sentence_label: i32,
}

impl Example {
    /// Forgets the last example and keeps the memory.
    pub fn clear(&mut self) {
        self.input_ids.clear();
        self.first_segment = 0;
        self.next_sentence_label = 0;
    }
}

/// A source of unmasked examples in epochs of fixed length.
pub trait Examples: Send + Sync {
    /// Ids per sequence, special tokens included; no example is longer.
    fn seq_len(&self) -> usize;

    /// Examples in every epoch; at least one.
    fn per_epoch(&self) -> u64;

    /// Whether examples have a next-sentence label.
    fn has_next_sentence(&self) -> bool;

    /// Number of ids the corpus was tokenised with; the model's vocabulary must hold them all.
    fn vocab_size(&self) -> u32;

    /// Writes the example at `place` (below [`Examples::per_epoch`]) of `epoch`: a pure function of
    /// both, in any order and from any thread.
    ///
    /// # Errors
    /// If the corpus can't be read.
    fn build(&self, epoch: u64, place: u64, into: &mut Example) -> Result<(), TextError>;
}

/// Fails with one line if `short_seq_prob` is no probability.
fn require_probability(short_seq_prob: f64) -> Result<(), TextError> {
    if !(0.0..=1.0).contains(&short_seq_prob) {
        return Err(TextError::Setting {
            field: "short_seq_prob",
            value: short_seq_prob.to_string(),
            remedy: "choose a probability from 0 to 1".to_owned(),
        });
    }
    Ok(())
}

/// What is left of two segments that lose tokens until they have `room` together: each time one from
/// the longer, from the second when they are equal.
fn shared_room(mut a: u64, mut b: u64, room: u64) -> (u64, u64) {
    let excess = (a + b).saturating_sub(room);
    let level = excess.min(a.abs_diff(b));
    if a > b {
        a -= level;
    } else {
        b -= level;
    }
    // From here on both are equal, and the second goes first.
    let alternating = excess - level;
    (a - alternating / 2, b - alternating.div_ceil(2))
}
