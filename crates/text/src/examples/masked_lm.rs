//! Masked language modelling batches: examples, masked and padded to fixed shapes.
//!
//! BERT trains on them as they are; ELECTRA's generator too (with other shares), and what its
//! discriminator needs, the ids before masking, follows from `labels` and `positions`.

use std::sync::Arc;

use super::{Example, Examples};
use crate::masking::{Masking, Predictions};
use crate::rng::{Purpose, Rng};
use crate::{BatchSource, HostBatch, TextError, Vocabulary};

/// Masked batches without end, masked afresh at every epoch.
///
/// Example `index * batch_size + row` of the endless row of epochs stands in row `row` of batch
/// `index`. Each batch holds:
///
/// | name | shape | meaning |
/// | --- | --- | --- |
/// | `input_ids` | `[batch, seq_len]` | masked ids, padded with `[PAD]` |
/// | `attention_mask` | `[batch, seq_len]` | 1 = token, 0 = padding |
/// | `token_type_ids` | `[batch, seq_len]` | 0 = A, 1 = B, 0 for padding |
/// | `positions` | `[batch, num_predictions]` | where the chosen tokens stand, ascending; 0 in empty slots |
/// | `labels` | `[batch, num_predictions]` | what stood there; 0 in empty slots |
/// | `weights` (float) | `[batch, num_predictions]` | 1 = chosen, 0 = empty slot |
/// | `example_weight` (float) | `[batch]` | 1, or 0 for a row that fills up the last evaluation batch |
/// | `next_sentence_label` | `[batch]` | pairs only: 0 = B follows A, 1 = B is random |
pub struct MaskedLmSource {
    rows: MaskedRows,
    batch_size: usize,
}

impl MaskedLmSource {
    /// A source over `examples`; `seed` decides the masks (the examples have their own).
    ///
    /// # Errors
    /// If `batch_size` is 0, the masking's numbers lie outside their ranges, or `vocabulary` is not
    /// one for this corpus.
    pub fn new(
        examples: Arc<dyn Examples>,
        masking: Masking,
        vocabulary: Arc<Vocabulary>,
        batch_size: usize,
        seed: u64,
    ) -> Result<Self, TextError> {
        let rows = MaskedRows {
            examples,
            masking,
            vocabulary,
            seed,
        };
        rows.validate(batch_size)?;
        Ok(Self { rows, batch_size })
    }

    /// Examples in each epoch.
    pub fn examples_per_epoch(&self) -> u64 {
        self.rows.examples.per_epoch()
    }
}

impl BatchSource for MaskedLmSource {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let first = index * self.batch_size as u64;
        let per_epoch = self.examples_per_epoch();
        self.rows.batch(self.batch_size, |row| {
            let position = first + row as u64;
            Some((position / per_epoch, position % per_epoch))
        })
    }
}

/// A fixed, finite set of batches for evaluation: the same examples under the same masks each time.
///
/// Shapes and names are those of [`MaskedLmSource`]. Where examples run out, rows hold `[CLS]`
/// `[SEP]` with all weights 0, so that the last batch is as large as the others.
pub struct MaskedLmEvaluation {
    rows: MaskedRows,
    batch_size: usize,
    num_examples: u64,
}

impl MaskedLmEvaluation {
    /// The first epoch of `examples` (held-out ones, as a rule), or if `max_examples` is less, a
    /// random choice of so many from it.
    ///
    /// # Errors
    /// As [`MaskedLmSource::new`], and if `max_examples` is 0.
    pub fn new(
        examples: Arc<dyn Examples>,
        masking: Masking,
        vocabulary: Arc<Vocabulary>,
        batch_size: usize,
        seed: u64,
        max_examples: Option<u64>,
    ) -> Result<Self, TextError> {
        if max_examples == Some(0) {
            return Err(TextError::Setting {
                field: "max_examples",
                value: "0".to_owned(),
                remedy: "evaluate at least one example, or leave it out to take them all"
                    .to_owned(),
            });
        }
        let num_examples = max_examples.unwrap_or(u64::MAX).min(examples.per_epoch());
        let rows = MaskedRows {
            examples,
            masking,
            vocabulary,
            seed,
        };
        rows.validate(batch_size)?;
        Ok(Self {
            rows,
            batch_size,
            num_examples,
        })
    }

    /// Number of batches that hold examples; later ones are all filling.
    pub fn num_batches(&self) -> u64 {
        self.num_examples.div_ceil(self.batch_size as u64)
    }

    /// Number of examples in all batches.
    pub fn num_examples(&self) -> u64 {
        self.num_examples
    }
}

impl BatchSource for MaskedLmEvaluation {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let first = index * self.batch_size as u64;
        self.rows.batch(self.batch_size, |row| {
            let place = first + row as u64;
            (place < self.num_examples).then_some((0, place))
        })
    }
}

/// Builds rows, wherever they come from.
struct MaskedRows {
    examples: Arc<dyn Examples>,
    masking: Masking,
    vocabulary: Arc<Vocabulary>,
    seed: u64,
}

impl MaskedRows {
    fn validate(&self, batch_size: usize) -> Result<(), TextError> {
        self.masking.validate()?;
        if batch_size == 0 {
            return Err(TextError::Setting {
                field: "batch_size",
                value: "0".to_owned(),
                remedy: "choose at least 1".to_owned(),
            });
        }
        self.vocabulary.check(self.examples.vocab_size())
    }

    /// One batch; `address` gives each row's (epoch, place), or none for a row that is filling.
    fn batch(
        &self,
        batch_size: usize,
        address: impl Fn(usize) -> Option<(u64, u64)>,
    ) -> Result<HostBatch, TextError> {
        let (seq_len, slots) = (self.examples.seq_len(), self.masking.max_predictions);
        let all_tokens = batch_size * seq_len;
        let mut input_ids = vec![self.vocabulary.pad as i32; all_tokens];
        let mut attention_mask = vec![0; all_tokens];
        let mut token_type_ids = vec![0; all_tokens];
        let mut positions = vec![0; batch_size * slots];
        let mut labels = vec![0; batch_size * slots];
        let mut weights = vec![0.0; batch_size * slots];
        let mut next_sentence_label = vec![0; batch_size];
        let mut example_weight = vec![0.0; batch_size];
        let mut real_tokens = 0;

        let mut example = Example::default();
        let mut predictions = Predictions::default();
        for row in 0..batch_size {
            let start = row * seq_len;
            let Some((epoch, place)) = address(row) else {
                // Two tokens to attend to: over none, softmax has no meaning, and what comes out
                // would spoil the sums even at weight 0.
                input_ids[start] = self.vocabulary.cls as i32;
                input_ids[start + 1] = self.vocabulary.sep as i32;
                attention_mask[start..start + 2].fill(1);
                continue;
            };
            self.examples.build(epoch, place, &mut example)?;
            let mut rng = Rng::at(self.seed, Purpose::Masking, epoch, place);
            let ids = &mut example.input_ids;
            self.masking
                .apply(ids, &self.vocabulary, &mut rng, &mut predictions);

            let end = start + ids.len();
            for (slot, &id) in input_ids[start..end].iter_mut().zip(ids.iter()) {
                *slot = id as i32;
            }
            attention_mask[start..end].fill(1);
            token_type_ids[start + example.first_segment..end].fill(1);
            for (slot, prediction) in predictions.chosen().iter().enumerate() {
                let slot = row * slots + slot;
                positions[slot] = prediction.position as i32;
                labels[slot] = prediction.original as i32;
                weights[slot] = 1.0;
            }
            next_sentence_label[row] = example.next_sentence_label;
            example_weight[row] = 1.0;
            real_tokens += ids.len();
        }

        let mut batch = HostBatch {
            real_tokens,
            all_tokens,
            ..HostBatch::default()
        };
        batch.insert_ints("input_ids", input_ids, &[batch_size, seq_len]);
        batch.insert_ints("attention_mask", attention_mask, &[batch_size, seq_len]);
        batch.insert_ints("token_type_ids", token_type_ids, &[batch_size, seq_len]);
        batch.insert_ints("positions", positions, &[batch_size, slots]);
        batch.insert_ints("labels", labels, &[batch_size, slots]);
        batch.insert_floats("weights", weights, &[batch_size, slots]);
        batch.insert_floats("example_weight", example_weight, &[batch_size]);
        if self.examples.has_next_sentence() {
            batch.insert_ints("next_sentence_label", next_sentence_label, &[batch_size]);
        }
        Ok(batch)
    }
}
