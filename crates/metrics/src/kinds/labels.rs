//! Several labels an example.

use crate::labels::LabelCounts;
use crate::rows::Row;
use crate::sample::{Details, Sample, collapsed};
use crate::scores::ScoreOptions;
use crate::tally::by_name;
use crate::weights::{Weights, times};

use super::names::Names;

pub(crate) struct LabelSets {
    names: Vec<String>,
    /// Targets and predictions of each example.
    pairs: Vec<(Vec<usize>, Vec<usize>)>,
    note: Option<String>,
}

impl LabelSets {
    pub(crate) fn new(rows: &[&Row], options: &ScoreOptions) -> Self {
        let rows: Vec<_> = rows
            .iter()
            .filter_map(|row| match row {
                Row::Labels(row) => Some(row),
                _ => None,
            })
            .collect();
        let of_row = rows.first().map(|row| row.probabilities.as_slice());
        let mut names = Names::chosen(options, of_row);
        let mut pairs = Vec::with_capacity(rows.len());
        for row in rows {
            if let Some(labels) = &row.labels {
                pairs.push((names.set(labels), names.set(&row.predictions)));
            }
        }
        Self {
            note: names.note(),
            names: names.owned(),
            pairs,
        }
    }

    fn counts(&self, weights: Weights<'_>) -> LabelCounts {
        let mut counts = LabelCounts::new(self.names.len());
        for (index, (targets, predictions)) in self.pairs.iter().enumerate() {
            counts.add(targets, predictions, u64::from(times(weights, index)));
        }
        counts
    }
}

impl Sample for LabelSets {
    fn examples(&self) -> usize {
        self.pairs.len()
    }

    fn names(&self) -> Vec<String> {
        ["f1_micro", "f1_macro", "exact_match"]
            .map(str::to_owned)
            .to_vec()
    }

    fn main(&self) -> &'static str {
        "f1_micro"
    }

    fn values(&self, weights: Weights<'_>) -> Vec<Option<f64>> {
        let counts = self.counts(weights);
        vec![
            Some(counts.micro_f1()),
            counts.macro_f1(),
            counts.exact_match(),
        ]
    }

    fn baselines(&self) -> Vec<Option<f64>> {
        let counts = self.counts(None);
        let mut sets: Vec<&Vec<usize>> = self.pairs.iter().map(|pair| &pair.0).collect();
        sets.sort_unstable();
        let most = sets.chunk_by(|a, b| a == b).map(<[_]>::len).max();
        vec![
            Some(counts.best_constant_micro_f1()),
            counts.best_constant_macro_f1(),
            most.map(|most| most as f64 / sets.len() as f64),
        ]
    }

    fn right(&self) -> Option<Vec<bool>> {
        Some(self.pairs.iter().map(|(a, b)| a == b).collect())
    }

    fn details(&self) -> Details {
        let pairs = || self.pairs.iter();
        Details {
            per_class: by_name(&self.names, self.counts(None).labels()),
            collapsed: collapsed(pairs().map(|pair| &pair.0), pairs().map(|pair| &pair.1)),
            notes: self.note.iter().cloned().collect(),
            ..Details::default()
        }
    }
}
