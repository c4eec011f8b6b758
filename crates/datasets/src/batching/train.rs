//! The batches of training, without an end, each found by its index.

use kiln_text::{BatchSource, HostBatch, TextError};

use super::batch::Batcher;
use super::epochs::Epochs;
use super::rows::Rows;
use crate::{DataError, Feature};

/// In which order rows are trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainOrder {
    /// Decides all epochs' orders.
    pub seed: u64,
    /// Rows of a batch.
    pub batch_size: usize,
    /// Rows of an optimizer step, over all its batches: rows of about one length are put together step
    /// by step, so that a step has the same rows whatever the batch size.
    pub step_size: usize,
}

/// Batches of a store's rows, epoch after epoch. Batch `index` has the rows from `index * batch_size` on
/// of one stream, in which every row comes once an epoch and none is dropped.
pub struct TrainSource {
    rows: Rows,
    batcher: Batcher,
    batch_size: u64,
    epochs: Epochs,
}

impl TrainSource {
    /// Trains on these rows.
    ///
    /// # Errors
    /// If there is none, or a size is 0.
    pub fn new(rows: Rows, batcher: Batcher, order: TrainOrder) -> Result<Self, DataError> {
        if rows.is_empty() {
            return Err(DataError::Settings(
                "no examples to train on; pass a file that has some".into(),
            ));
        }
        let sizes = [
            ("batch_size", order.batch_size),
            ("step_size", order.step_size),
        ];
        if let Some((field, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(DataError::Settings(format!(
                "{field} = 0: nothing would be learned; choose 1 at least"
            )));
        }
        Ok(Self {
            epochs: Epochs::new(order.seed, rows.len() as u64, order.step_size as u64),
            rows,
            batcher,
            batch_size: order.batch_size as u64,
        })
    }

    /// Rows of an epoch.
    pub fn rows_per_epoch(&self) -> u64 {
        self.rows.len() as u64
    }

    /// The rows of batch `index` by their features' numbers in the store.
    pub fn features(&self, index: u64) -> Vec<usize> {
        self.chosen(index)
            .map(|row| self.rows.feature(row))
            .collect()
    }

    /// The rows of batch `index`.
    fn chosen(&self, index: u64) -> impl Iterator<Item = usize> {
        let first = index.saturating_mul(self.batch_size);
        let length = |row: u32| self.rows.length(row as usize);
        (first..first.saturating_add(self.batch_size))
            .map(move |place| self.epochs.row(place, &length) as usize)
    }
}

impl BatchSource for TrainSource {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let rows: Result<Vec<Feature>, DataError> =
            self.chosen(index).map(|row| self.rows.get(row)).collect();
        let batch = rows.and_then(|rows| self.batcher.labelled(&rows, rows.len()));
        batch.map_err(|error| failed(index, error))
    }
}

/// An error of a batch, as whoever takes batches expects it.
fn failed(index: u64, error: DataError) -> TextError {
    match error {
        DataError::Text(error) => error,
        error => TextError::Source {
            index,
            reason: error.to_string(),
        },
    }
}
