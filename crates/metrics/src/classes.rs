//! One class an example: accuracy, F1, precision, recall, Matthews' correlation.
//!
//! All of them follow from four counts, so that a sample can be scored without its examples.
//!
//! | number | nothing to divide by |
//! | --- | --- |
//! | accuracy | undefined without examples |
//! | precision | undefined for a class that is never predicted |
//! | recall | undefined for a class that never occurs |
//! | F1 | 0 for a class that neither occurs nor is predicted |
//! | macro F1 | over the classes that occur or are predicted (scikit-learn's default); undefined without examples |
//! | MCC | 0 where a factor under the root is 0; undefined without examples |

use crate::tally::{Tally, mean, ratio};

/// What accuracy, F1 and Matthews' correlation are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClassCounts {
    total: u64,
    classes: Vec<Tally>,
}

impl ClassCounts {
    /// Nothing counted yet.
    pub(crate) fn new(classes: usize) -> Self {
        Self {
            total: 0,
            classes: vec![Tally::default(); classes],
        }
    }

    /// Counts an example `times` times.
    ///
    /// # Panics
    /// If a class is not below the number of classes: the caller's mistake.
    pub(crate) fn add(&mut self, target: usize, prediction: usize, times: u64) {
        self.total += times;
        self.classes[target].actual += times;
        self.classes[prediction].predicted += times;
        if target == prediction {
            self.classes[target].correct += times;
        }
    }

    /// What the counts would be if every prediction were `class`.
    ///
    /// # Panics
    /// If `class` is not below the number of classes: the caller's mistake.
    pub(crate) fn constant(&self, class: usize) -> Self {
        let mut counts = self.clone();
        for tally in &mut counts.classes {
            (tally.correct, tally.predicted) = (0, 0);
        }
        let said = &mut counts.classes[class];
        (said.correct, said.predicted) = (said.actual, self.total);
        counts
    }

    /// The counts by class.
    pub(crate) fn classes(&self) -> &[Tally] {
        &self.classes
    }

    /// The counts of a class; none of one that there is not.
    pub(crate) fn class(&self, class: usize) -> Tally {
        self.classes.get(class).copied().unwrap_or_default()
    }

    /// The class that most targets have, the first of equals; none without examples.
    pub(crate) fn majority(&self) -> Option<usize> {
        let actual = || self.classes.iter().map(|class| class.actual);
        let most = actual().max().filter(|&most| most > 0)?;
        actual().position(|count| count == most)
    }

    /// The share of right predictions.
    pub(crate) fn accuracy(&self) -> Option<f64> {
        ratio(Tally::sum(&self.classes).correct, self.total)
    }

    /// The unweighted mean of F1 over the classes that occur or are predicted.
    pub(crate) fn macro_f1(&self) -> Option<f64> {
        let present = self.classes.iter().filter(|class| class.is_present());
        mean(present.map(|class| class.f1()))
    }

    /// F1 of all classes' counts together: the accuracy, where every example has one class.
    pub(crate) fn micro_f1(&self) -> Option<f64> {
        self.accuracy()
    }

    /// Matthews' correlation for any number of classes (Gorodkin 2004); 0 where a factor is 0.
    ///
    /// (c·s − Σ pₖtₖ) / √((s² − Σ pₖ²)(s² − Σ tₖ²)): c correct, s samples, pₖ predicted and tₖ true.
    pub(crate) fn mcc(&self) -> Option<f64> {
        if self.total == 0 {
            return None;
        }
        // Products of counts are whole numbers: 128 bits hold them exactly, also their sums.
        let whole = |product: fn(i128, i128) -> i128| -> i128 {
            let classes = self.classes.iter();
            classes
                .map(|class| product(class.predicted.into(), class.actual.into()))
                .sum()
        };
        let samples = i128::from(self.total);
        let correct = Tally::sum(&self.classes).correct;
        let covariance =
            i128::from(correct) * samples - whole(|predicted, actual| predicted * actual);
        let of_predictions = samples * samples - whole(|predicted, _| predicted * predicted);
        let of_targets = samples * samples - whole(|_, actual| actual * actual);
        if of_predictions == 0 || of_targets == 0 {
            return Some(0.0);
        }
        let root = (of_predictions as f64).sqrt() * (of_targets as f64).sqrt();
        Some((covariance as f64 / root).clamp(-1.0, 1.0))
    }
}

#[cfg(test)]
mod tests;
