//! Batches of features that predictions are asked for.

use kiln_text::HostBatch;

use super::batch::Batcher;
use crate::{DataError, Feature};

/// Features that are sorted by length together: enough for batches with little padding, and what of a
/// file is in memory at once.
pub const PREDICT_WINDOW: usize = 2048;

/// A batch, and what its rows are.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictBatch {
    /// The rows, padded.
    pub batch: HostBatch,
    /// The place of each row's feature in the window.
    pub features: Vec<usize>,
    /// The position of each row's first token: more than 0 where padding stands on the left.
    pub first_tokens: Vec<usize>,
    /// To what length rows are padded.
    pub seq_len: usize,
}

/// Makes batches of windows of features.
#[derive(Debug, Clone)]
pub struct PredictBatches {
    batcher: Batcher,
    batch_size: usize,
}

impl PredictBatches {
    /// Batches of so many rows at most.
    ///
    /// # Errors
    /// If that is 0.
    pub fn new(batcher: Batcher, batch_size: usize) -> Result<Self, DataError> {
        if batch_size == 0 {
            return Err(DataError::Settings(
                "batch_size = 0: nothing would be predicted; choose 1 at least".into(),
            ));
        }
        Ok(Self {
            batcher,
            batch_size,
        })
    }

    /// Every feature of a window in one batch, the longest first: if memory is short, that is known at
    /// once. None is filled up. Features with other numbers of continuations are in other batches.
    pub fn batches<'a>(
        &'a self,
        window: &'a [Feature],
    ) -> impl Iterator<Item = Result<PredictBatch, DataError>> + 'a {
        let shape = |feature: &Feature| (feature.ids.len(), feature.longest());
        let mut order: Vec<(usize, &Feature)> = window.iter().enumerate().collect();
        order.sort_by_key(|(_, feature)| std::cmp::Reverse(shape(feature)));
        let mut batches: Vec<Vec<(usize, &Feature)>> = Vec::new();
        for row in order {
            let goes_in = |batch: &&mut Vec<(usize, &Feature)>| {
                let first = batch.first().map(|(_, first)| first.ids.len());
                batch.len() < self.batch_size && first == Some(row.1.ids.len())
            };
            match batches.last_mut().filter(goes_in) {
                Some(batch) => batch.push(row),
                None => batches.push(vec![row]),
            }
        }
        batches.into_iter().map(|rows| {
            let features = rows.iter().map(|(place, _)| *place).collect();
            let rows: Vec<Feature> = rows.into_iter().map(|(_, row)| row.clone()).collect();
            let batch = self.batcher.batch(&rows, rows.len())?;
            let seq_len = batch.ints.get("input_ids").and_then(|ids| ids.shape.last());
            let seq_len = seq_len.copied().unwrap_or(0);
            let first_tokens = rows
                .iter()
                .map(|row| {
                    let tokens = row.ids.first().map_or(0, Vec::len);
                    self.batcher.first_token(seq_len, tokens)
                })
                .collect();
            Ok(PredictBatch {
                batch,
                features,
                first_tokens,
                seq_len,
            })
        })
    }
}
