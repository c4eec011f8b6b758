//! One of several continuations.

use crate::choices::chance;
use crate::rows::Row;
use crate::sample::{Details, Sample, collapsed};
use crate::tally::ratio;
use crate::weights::{Weights, times};

pub(crate) struct Choices {
    /// Target, prediction, how many continuations.
    examples: Vec<(usize, usize, usize)>,
}

impl Choices {
    pub(crate) fn new(rows: &[&Row]) -> Self {
        let example = |row: &&Row| match row {
            Row::Choice(row) => Some((row.label?, row.prediction, row.probabilities.len())),
            _ => None,
        };
        Self {
            examples: rows.iter().filter_map(example).collect(),
        }
    }
}

impl Sample for Choices {
    fn examples(&self) -> usize {
        self.examples.len()
    }

    fn names(&self) -> Vec<String> {
        vec!["accuracy".to_owned()]
    }

    fn main(&self) -> &'static str {
        "accuracy"
    }

    fn values(&self, weights: Weights<'_>) -> Vec<Option<f64>> {
        let (mut right, mut total) = (0, 0);
        for (index, (target, prediction, _)) in self.examples.iter().enumerate() {
            let times = u64::from(times(weights, index));
            total += times;
            right += times * u64::from(target == prediction);
        }
        vec![ratio(right, total)]
    }

    fn baselines(&self) -> Vec<Option<f64>> {
        vec![chance(self.examples.iter().map(|example| example.2))]
    }

    fn right(&self) -> Option<Vec<bool>> {
        Some(self.examples.iter().map(|e| e.0 == e.1).collect())
    }

    fn details(&self) -> Details {
        let examples = || self.examples.iter();
        Details {
            collapsed: collapsed(examples().map(|e| e.0), examples().map(|e| e.1)),
            ..Details::default()
        }
    }
}
