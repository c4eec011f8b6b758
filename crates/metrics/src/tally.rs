//! Counts of one class, one label or one type of entity, and what follows from them.

use crate::scores::ClassScores;

/// How often something is true, predicted, and both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Those both true and predicted.
    pub(crate) correct: u64,
    /// True ones.
    pub(crate) actual: u64,
    /// Predicted ones.
    pub(crate) predicted: u64,
}

impl Tally {
    /// Adds `other` `times` times.
    pub(crate) fn add(&mut self, other: Self, times: u64) {
        self.correct += times * other.correct;
        self.actual += times * other.actual;
        self.predicted += times * other.predicted;
    }

    /// All counts together.
    pub(crate) fn sum<'a>(tallies: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        for tally in tallies {
            all.add(*tally, 1);
        }
        all
    }

    /// |true ∩ predicted| / |predicted|; undefined where nothing is predicted.
    pub(crate) fn precision(self) -> Option<f64> {
        ratio(self.correct, self.predicted)
    }

    /// |true ∩ predicted| / |true|; undefined where there is nothing.
    pub(crate) fn recall(self) -> Option<f64> {
        ratio(self.correct, self.actual)
    }

    /// 2TP / (2TP + FP + FN), the harmonic mean of both; 0 where there is nothing.
    pub(crate) fn f1(self) -> f64 {
        ratio(2 * self.correct, self.actual + self.predicted).unwrap_or(0.0)
    }

    /// Whether it occurs or is predicted.
    pub(crate) fn is_present(self) -> bool {
        self.actual + self.predicted > 0
    }

    /// The scores of what is called so.
    pub(crate) fn named(self, name: &str) -> ClassScores {
        ClassScores {
            name: name.to_owned(),
            precision: self.precision(),
            recall: self.recall(),
            f1: self.f1(),
            actual: self.actual,
            predicted: self.predicted,
        }
    }
}

/// The scores of each by its name, in the order of the names.
pub(crate) fn by_name(names: &[String], tallies: &[Tally]) -> Vec<ClassScores> {
    let pairs = names.iter().zip(tallies);
    pairs.map(|(name, tally)| tally.named(name)).collect()
}

/// The unweighted mean; none of nothing.
pub(crate) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values
        .into_iter()
        .fold((0.0, 0u64), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

/// A share; none of nothing.
pub(crate) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
