//! Several labels an example.

use crate::labels::LabelCounts;
use crate::rows::Row;
use crate::sample::{Details, Sample};
use crate::scores::{ClassScores, ScoreOptions};

use super::names::Names;

/// Targets and predictions of an example.
type Sets = (Vec<usize>, Vec<usize>);

pub(crate) struct LabelSets {
    names: Vec<String>,
    pairs: Vec<Sets>,
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
        let of_rows = rows.first().into_iter().flat_map(|row| &row.probabilities);
        let mut names = match options.labels.is_empty() {
            true => Names::new(of_rows.map(|(name, _)| name.as_str())),
            false => Names::new(options.labels.iter().map(String::as_str)),
        };
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

    fn counts(&self, weights: Option<&[u32]>) -> LabelCounts {
        let mut counts = LabelCounts::new(self.names.len());
        for (index, (targets, predictions)) in self.pairs.iter().enumerate() {
            let times = weights.map_or(1, |w| w.get(index).copied().unwrap_or(0));
            counts.add(targets, predictions, u64::from(times));
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

    fn values(&self, weights: Option<&[u32]>) -> Vec<Option<f64>> {
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
        let counts = self.counts(None);
        let first = self.pairs.first();
        let several = |side: fn(&Sets) -> &Vec<usize>| {
            self.pairs
                .iter()
                .any(|pair| Some(side(pair)) != first.map(side))
        };
        Details {
            per_class: self
                .names
                .iter()
                .enumerate()
                .map(|(label, name)| ClassScores {
                    name: name.clone(),
                    precision: counts.precision(label),
                    recall: counts.recall(label),
                    f1: counts.f1(label),
                    actual: counts.actual(label),
                    predicted: counts.predicted(label),
                })
                .collect(),
            collapsed: several(|pair| &pair.0) && !several(|pair| &pair.1),
            notes: self.note.iter().cloned().collect(),
            ..Details::default()
        }
    }
}
