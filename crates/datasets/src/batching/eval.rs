//! The batches of an evaluation: every row once, rows of about one length together.

use kiln_text::{BatchSource, HostBatch, TextError};

use super::batch::Batcher;
use super::rows::Rows;
use super::train::failed;
use crate::{DataError, Feature};

/// Batches `0..num_batches` of a store's rows, sorted by length. All have as many rows: the last one is
/// filled up with rows that weigh nothing. The order takes 4 bytes a row.
pub struct EvalSource {
    rows: Rows,
    batcher: Batcher,
    batch_size: usize,
    order: Vec<u32>,
}

impl EvalSource {
    /// Evaluates on these rows.
    ///
    /// # Errors
    /// If there is none, or `batch_size` is 0.
    pub fn new(rows: Rows, batcher: Batcher, batch_size: usize) -> Result<Self, DataError> {
        if rows.is_empty() {
            return Err(DataError::Settings(
                "no examples to evaluate on; pass a file that has some".into(),
            ));
        }
        if batch_size == 0 {
            return Err(DataError::Settings(
                "batch_size = 0: nothing would be evaluated; choose 1 at least".into(),
            ));
        }
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        order.sort_by_cached_key(|&row| rows.shape(row as usize));
        Ok(Self {
            rows,
            batcher,
            batch_size,
            order,
        })
    }

    /// How many batches there are.
    pub fn num_batches(&self) -> u64 {
        self.order.len().div_ceil(self.batch_size) as u64
    }
}

impl BatchSource for EvalSource {
    /// # Errors
    /// For an index that is no batch's, too.
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let rows = usize::try_from(index)
            .ok()
            .and_then(|index| self.order.chunks(self.batch_size).nth(index));
        let rows = rows.ok_or_else(|| TextError::Source {
            index,
            reason: format!("the evaluation has {} batches", self.num_batches()),
        })?;
        let rows: Result<Vec<Feature>, DataError> = rows
            .iter()
            .map(|&row| self.rows.get(row as usize))
            .collect();
        let batch = rows.and_then(|rows| self.batcher.labelled(&rows, self.batch_size));
        batch.map_err(|error| failed(index, error))
    }
}
