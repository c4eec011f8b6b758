//! Batches for permutation language modelling, without end for training and finite for evaluation.

use std::sync::Arc;

use super::super::Documents;
use super::super::document_stream::DocumentStream;
use super::PermutedSettings;
use super::lanes::Lanes;
use super::rows::{PermutedRows, RowText};
use crate::{BatchSource, HostBatch, TextError, Vocabulary};

/// Batches without end, in which row r of a batch goes on where row r of the one before it ended.
///
/// The documents of an epoch are cut into [`PermutedSettings::lanes_per_batch`] lanes for each
/// micro-batch of a step, and all lanes advance together, by `reuse_len` tokens a step; behind their
/// end stands the next epoch. Batch `index` is number `index % micro_batches` of step
/// `index / micro_batches`, so a memory is carried from a batch to the one `micro_batches` later.
///
/// An example is `reuse_len` tokens of its lane, then A `<sep>` B `<sep>` `<cls>`, where A goes on
/// in the lane, and so does B in half of the examples. It is full, so nothing is padded, and its
/// tokens are never replaced: what may not be seen is hidden by rank. Each batch holds:
///
/// | name | shape | meaning |
/// | --- | --- | --- |
/// | `input_ids` | `[batch, seq_len]` | the tokens |
/// | `token_type_ids` | `[batch, seq_len]` | 0 = up to A's `<sep>`, 1 = B and its `<sep>`, 2 = `<cls>` |
/// | `query_ranks`, `key_ranks` | `[batch, seq_len]` | position i may not see position j where `query_ranks[i] <= key_ranks[j]` |
/// | `positions` | `[batch, num_predict]` | where the targets stand, ascending; 0 in empty slots |
/// | `labels` | `[batch, num_predict]` | what stands there; 0 in empty slots |
/// | `weights` (float) | `[batch, num_predict]` | 1 = a target, 0 = an empty slot |
///
/// With the same seed and without `bi_data`, batches 2k and 2k + 1 of size b, 2d a step, hold the
/// examples of batch k of size 2b, d a step; with it, they hold the same in another order.
pub struct PermutedSource {
    rows: PermutedRows,
}

impl PermutedSource {
    /// A source over `documents`: time in proportion to their number.
    ///
    /// # Errors
    /// If the settings can't work, `vocabulary` is not one for this corpus, or the documents have
    /// less than `seq_len` tokens for each lane.
    pub fn new(
        documents: Documents,
        vocabulary: Arc<Vocabulary>,
        settings: PermutedSettings,
    ) -> Result<Self, TextError> {
        let stream = checked(documents, &vocabulary, &settings)?;
        let lanes = settings.lanes_per_batch() as u64;
        let lanes = lanes.saturating_mul(settings.micro_batches as u64);
        let needed = lanes.saturating_mul(settings.seq_len as u64);
        if stream.len() < needed {
            return Err(TextError::Setting {
                field: "batch_size x micro_batches",
                value: format!("{} x {}", settings.batch_size, settings.micro_batches),
                remedy: format!(
                    "{lanes} lanes of at least {} tokens (seq_len) each need {needed}, the text has \
                     {}; choose a smaller batch or shorter sequences, or add text",
                    settings.seq_len,
                    stream.len()
                ),
            });
        }
        let rows = PermutedRows {
            lanes: Lanes::new(stream, lanes, settings.seed),
            vocabulary,
            settings,
        };
        Ok(Self { rows })
    }

    /// Steps in each epoch, after which every lane has been read: as many batches for each micro-batch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.rows.steps_per_epoch()
    }
}

impl BatchSource for PermutedSource {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let settings = &self.rows.settings;
        let micro_batches = settings.micro_batches as u64;
        let (step, micro_batch) = (index / micro_batches, index % micro_batches);
        let lanes = settings.lanes_per_batch();
        let per_epoch = self.rows.steps_per_epoch();
        self.rows.batch(step / per_epoch, step % per_epoch, |row| {
            Some(RowText {
                lane: micro_batch * lanes as u64 + (row % lanes) as u64,
                is_backward: row >= lanes,
            })
        })
    }
}

/// A fixed, finite row of batches for evaluation: the same text under the same masks each time.
///
/// Shapes and names are those of [`PermutedSource`]. Rows without a lane are `<pad>`, all of which
/// see each other, and have no targets.
pub struct PermutedEvaluation {
    rows: PermutedRows,
    num_batches: u64,
}

impl PermutedEvaluation {
    /// The first epoch of `documents` (held-out ones, as a rule), in as many lanes as a batch has
    /// and the text is long enough for; or its first `max_batches` steps. A step has one micro-batch,
    /// whatever the settings say.
    ///
    /// # Errors
    /// If the settings can't work, `vocabulary` is not one for this corpus, the documents have less
    /// than `seq_len` tokens, or `max_batches` is 0.
    pub fn new(
        documents: Documents,
        vocabulary: Arc<Vocabulary>,
        settings: PermutedSettings,
        max_batches: Option<u64>,
    ) -> Result<Self, TextError> {
        if max_batches == Some(0) {
            return Err(TextError::Setting {
                field: "max_batches",
                value: "0".to_owned(),
                remedy: "evaluate at least one batch, or leave it out to take them all".to_owned(),
            });
        }
        let stream = checked(documents, &vocabulary, &settings)?;
        let fitting = stream.len() / settings.seq_len as u64;
        if fitting == 0 {
            return Err(TextError::Setting {
                field: "tokens for evaluation",
                value: stream.len().to_string(),
                remedy: format!(
                    "one example needs {} (seq_len); hold out more text, or choose a shorter \
                     seq_len",
                    settings.seq_len
                ),
            });
        }
        let lanes = fitting.min(settings.lanes_per_batch() as u64);
        let rows = PermutedRows {
            lanes: Lanes::new(stream, lanes, settings.seed),
            vocabulary,
            settings,
        };
        Ok(Self {
            num_batches: max_batches.unwrap_or(u64::MAX).min(rows.steps_per_epoch()),
            rows,
        })
    }

    /// Number of batches that hold text; later ones are all filling.
    pub fn num_batches(&self) -> u64 {
        self.num_batches
    }

    /// Number of examples in all batches.
    pub fn num_examples(&self) -> u64 {
        let directions = 1 + u64::from(self.rows.settings.bi_data);
        self.num_batches * self.rows.lanes.count() * directions
    }
}

impl BatchSource for PermutedEvaluation {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let rows = self.rows.settings.lanes_per_batch();
        self.rows.batch(0, index, |row| {
            let lane = (row % rows) as u64;
            let has_text = index < self.num_batches && lane < self.rows.lanes.count();
            has_text.then_some(RowText {
                lane,
                is_backward: row >= rows,
            })
        })
    }
}

/// The stream of documents, if everything fits together.
fn checked(
    documents: Documents,
    vocabulary: &Vocabulary,
    settings: &PermutedSettings,
) -> Result<DocumentStream, TextError> {
    settings.validate()?;
    documents.require_some()?;
    vocabulary.check(documents.corpus().vocab_size())?;
    if let Some(id) = settings.end_of_document.filter(|&id| id >= vocabulary.size) {
        return Err(TextError::Setting {
            field: "end_of_document",
            value: id.to_string(),
            remedy: format!(
                "the vocabulary has {} ids; use the id of its <eod>, or none",
                vocabulary.size
            ),
        });
    }
    Ok(DocumentStream::new(documents, settings.end_of_document))
}
