//! Several labels an example: F1 over all of them, exact match.
//!
//! F1 of a label that neither occurs nor is predicted is 0, as is micro F1 without any label; both means
//! run over all labels of the model, as scikit-learn's over the columns of an indicator matrix. Exact
//! match is undefined without examples, macro F1 without labels.

use crate::tally::{Tally, mean, ratio};

/// What the scores of several labels are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabelCounts {
    total: u64,
    exact: u64,
    labels: Vec<Tally>,
}

impl LabelCounts {
    /// Nothing counted yet.
    pub(crate) fn new(labels: usize) -> Self {
        Self {
            total: 0,
            exact: 0,
            labels: vec![Tally::default(); labels],
        }
    }

    /// Counts an example `times` times. Both lists rise, none of their labels stands twice.
    ///
    /// # Panics
    /// If a label is not below the number of labels: the caller's mistake.
    pub(crate) fn add(&mut self, targets: &[usize], predictions: &[usize], times: u64) {
        self.total += times;
        if targets == predictions {
            self.exact += times;
        }
        for &target in targets {
            self.labels[target].actual += times;
            if predictions.binary_search(&target).is_ok() {
                self.labels[target].correct += times;
            }
        }
        for &prediction in predictions {
            self.labels[prediction].predicted += times;
        }
    }

    /// The counts by label.
    pub(crate) fn labels(&self) -> &[Tally] {
        &self.labels
    }

    /// F1 of all labels' counts together; 0 where no label occurs or is predicted.
    pub(crate) fn micro_f1(&self) -> f64 {
        Tally::sum(&self.labels).f1()
    }

    /// The unweighted mean of F1 over all labels.
    pub(crate) fn macro_f1(&self) -> Option<f64> {
        mean(self.labels.iter().map(|label| label.f1()))
    }

    /// The share of examples whose labels are all right and complete (subset accuracy).
    pub(crate) fn exact_match(&self) -> Option<f64> {
        ratio(self.exact, self.total)
    }

    /// The best micro F1 that one set of labels for all examples reaches: of any size the most frequent
    /// labels.
    pub(crate) fn best_constant_micro_f1(&self) -> f64 {
        let mut counts: Vec<u64> = self.labels.iter().map(|label| label.actual).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let mut said = Tally {
            actual: counts.iter().sum(),
            ..Tally::default()
        };
        let mut best = 0.0_f64;
        for count in counts {
            said.correct += count;
            said.predicted += self.total;
            best = best.max(said.f1());
        }
        best
    }

    /// The best macro F1 that one set of labels for all examples reaches: that of all labels.
    pub(crate) fn best_constant_macro_f1(&self) -> Option<f64> {
        let said = |label: &Tally| Tally {
            correct: label.actual,
            actual: label.actual,
            predicted: self.total,
        };
        mean(self.labels.iter().map(|label| said(label).f1()))
    }
}

#[cfg(test)]
mod tests;
