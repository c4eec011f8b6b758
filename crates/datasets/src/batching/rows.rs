//! The rows that are trained or evaluated on: all of a store, or those of some examples.

use std::sync::Arc;

use crate::{DataError, Feature, FeatureStore};

/// Rows of a store, numbered from 0. All of them take no memory; those of some examples, as a fold,
/// 4 bytes each.
#[derive(Debug, Clone)]
pub struct Rows {
    store: Arc<FeatureStore>,
    /// Features of the store, rising; none: all of them.
    chosen: Option<Arc<[u32]>>,
}

impl Rows {
    /// All of a store.
    ///
    /// # Errors
    /// If there are more than 2^32.
    pub fn all(store: Arc<FeatureStore>) -> Result<Self, DataError> {
        if u32::try_from(store.len()).is_err() {
            return Err(DataError::Settings(format!(
                "{} rows: 4294967295 at most can be used at once; train on a part of the examples",
                store.len()
            )));
        }
        Ok(Self {
            store,
            chosen: None,
        })
    }

    /// Those of the examples with these numbers, in any order.
    ///
    /// # Errors
    /// If the store has no row of one of them.
    pub fn of_examples(
        store: Arc<FeatureStore>,
        mut examples: Vec<u64>,
    ) -> Result<Self, DataError> {
        let all = Self::all(store)?;
        examples.sort_unstable();
        examples.dedup();
        let mut has_rows = vec![false; examples.len()];
        let mut chosen = Vec::new();
        for number in 0..all.store.len() {
            let example = all.store.example(number);
            let place = example.and_then(|example| examples.binary_search(&example).ok());
            if let Some(has_rows) = place.and_then(|place| has_rows.get_mut(place)) {
                *has_rows = true;
                chosen.push(number as u32);
            }
        }
        let mut known = examples.iter().zip(has_rows);
        if let Some((example, _)) = known.find(|(_, has_rows)| !has_rows) {
            return Err(DataError::Settings(format!(
                "example {}: there is no row of it; choose among the examples of the file",
                example + 1
            )));
        }
        Ok(Self {
            chosen: Some(chosen.into()),
            ..all
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.chosen {
            Some(chosen) => chosen.len(),
            None => self.store.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length of the longest row, and how many sequences the row with the most of them has.
    pub fn largest(&self) -> (usize, usize) {
        let features = (0..self.len()).map(|row| self.feature(row));
        features.fold((0, 0), |(longest, most), feature| {
            let (length, sequences) = (self.store.length(feature), self.store.sequences(feature));
            (longest.max(length), most.max(sequences))
        })
    }

    /// The feature's number in the store; one that is not there for a row that is not.
    pub fn feature(&self, row: usize) -> usize {
        match &self.chosen {
            Some(chosen) => chosen
                .get(row)
                .map_or(usize::MAX, |&number| number as usize),
            None => row,
        }
    }

    /// The length of a row.
    pub(super) fn length(&self, row: usize) -> usize {
        self.store.length(self.feature(row))
    }

    /// Reads a row.
    pub(super) fn get(&self, row: usize) -> Result<Feature, DataError> {
        self.store.get(self.feature(row))
    }
}
