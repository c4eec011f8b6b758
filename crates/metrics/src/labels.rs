//! Several labels an example: F1 over all of them, exact match.
//!
//! F1 of a label that neither occurs nor is predicted is 0, as is micro F1 without any label; both means
//! run over all labels of the model, as scikit-learn's over the columns of an indicator matrix. Exact
//! match is undefined without examples, macro F1 without labels.

use crate::classes::{f1, mean, ratio};

/// What the scores of several labels are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelCounts {
    total: u64,
    exact: u64,
    correct: Vec<u64>,
    actual: Vec<u64>,
    predicted: Vec<u64>,
}

impl LabelCounts {
    /// Nothing counted yet.
    pub fn new(labels: usize) -> Self {
        Self {
            total: 0,
            exact: 0,
            correct: vec![0; labels],
            actual: vec![0; labels],
            predicted: vec![0; labels],
        }
    }

    /// Counts an example `times` times. Both lists rise, none of their labels stands twice.
    ///
    /// # Panics
    /// If a label is not below the number of labels: the caller's mistake.
    pub fn add(&mut self, targets: &[usize], predictions: &[usize], times: u64) {
        self.total += times;
        if targets == predictions {
            self.exact += times;
        }
        for &target in targets {
            self.actual[target] += times;
            if predictions.binary_search(&target).is_ok() {
                self.correct[target] += times;
            }
        }
        for &prediction in predictions {
            self.predicted[prediction] += times;
        }
    }

    /// How many labels there are.
    pub fn labels(&self) -> usize {
        self.actual.len()
    }

    /// How many examples were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many examples have `label`.
    pub fn actual(&self, label: usize) -> u64 {
        self.actual.get(label).copied().unwrap_or(0)
    }

    /// How many examples have `label` by prediction.
    pub fn predicted(&self, label: usize) -> u64 {
        self.predicted.get(label).copied().unwrap_or(0)
    }

    fn correct(&self, label: usize) -> u64 {
        self.correct.get(label).copied().unwrap_or(0)
    }

    /// Of the predictions of `label`, the share that is right; undefined where it is never predicted.
    pub fn precision(&self, label: usize) -> Option<f64> {
        ratio(self.correct(label), self.predicted(label))
    }

    /// Of the examples with `label`, the share that was found; undefined where there is none.
    pub fn recall(&self, label: usize) -> Option<f64> {
        ratio(self.correct(label), self.actual(label))
    }

    /// 2TP / (2TP + FP + FN) of `label`; 0 where it neither occurs nor is predicted.
    pub fn f1(&self, label: usize) -> f64 {
        f1(
            self.correct(label),
            self.actual(label),
            self.predicted(label),
        )
    }

    /// F1 of all labels' counts together; 0 where no label occurs or is predicted.
    pub fn micro_f1(&self) -> f64 {
        f1(
            self.correct.iter().sum(),
            self.actual.iter().sum(),
            self.predicted.iter().sum(),
        )
    }

    /// The unweighted mean of F1 over all labels.
    pub fn macro_f1(&self) -> Option<f64> {
        mean((0..self.labels()).map(|label| self.f1(label)))
    }

    /// The share of examples whose labels are all right and complete (subset accuracy).
    pub fn exact_match(&self) -> Option<f64> {
        ratio(self.exact, self.total)
    }

    /// The best micro F1 that one set of labels for all examples reaches: of any size the most frequent
    /// labels.
    pub fn best_constant_micro_f1(&self) -> f64 {
        let mut counts = self.actual.clone();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let all: u64 = counts.iter().sum();
        let mut correct = 0;
        let mut best = 0.0_f64;
        for (size, count) in counts.iter().enumerate() {
            correct += count;
            best = best.max(f1(correct, all, self.total * (size as u64 + 1)));
        }
        best
    }

    /// The best macro F1 that one set of labels for all examples reaches: that of all labels.
    pub fn best_constant_macro_f1(&self) -> Option<f64> {
        mean((0..self.labels()).map(|label| f1(self.actual(label), self.actual(label), self.total)))
    }
}

#[cfg(test)]
mod tests;
