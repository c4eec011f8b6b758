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

/// What accuracy, F1 and Matthews' correlation are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassCounts {
    total: u64,
    correct: Vec<u64>,
    actual: Vec<u64>,
    predicted: Vec<u64>,
}

impl ClassCounts {
    /// Nothing counted yet.
    pub fn new(classes: usize) -> Self {
        Self {
            total: 0,
            correct: vec![0; classes],
            actual: vec![0; classes],
            predicted: vec![0; classes],
        }
    }

    /// The counts of pairs of target and prediction, each below `classes`.
    ///
    /// # Panics
    /// If a class is not below `classes`: the caller's mistake.
    pub fn of(pairs: impl IntoIterator<Item = (usize, usize)>, classes: usize) -> Self {
        let mut counts = Self::new(classes);
        for (target, prediction) in pairs {
            counts.add(target, prediction, 1);
        }
        counts
    }

    /// Counts an example `times` times.
    ///
    /// # Panics
    /// If a class is not below the number of classes: the caller's mistake.
    pub fn add(&mut self, target: usize, prediction: usize, times: u64) {
        self.total += times;
        self.actual[target] += times;
        self.predicted[prediction] += times;
        if target == prediction {
            self.correct[target] += times;
        }
    }

    /// What the counts would be if every prediction were `class`.
    ///
    /// # Panics
    /// If `class` is not below the number of classes: the caller's mistake.
    pub fn constant(&self, class: usize) -> Self {
        let classes = self.actual.len();
        let mut counts = Self::new(classes);
        counts.total = self.total;
        counts.actual.clone_from(&self.actual);
        counts.predicted[class] = self.total;
        counts.correct[class] = self.actual[class];
        counts
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.actual.len()
    }

    /// How many examples were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many examples have `class` as target.
    pub fn actual(&self, class: usize) -> u64 {
        self.actual.get(class).copied().unwrap_or(0)
    }

    /// How many examples have `class` as prediction.
    pub fn predicted(&self, class: usize) -> u64 {
        self.predicted.get(class).copied().unwrap_or(0)
    }

    fn correct(&self, class: usize) -> u64 {
        self.correct.get(class).copied().unwrap_or(0)
    }

    /// The class that most targets have, the first of equals; none without examples.
    pub fn majority(&self) -> Option<usize> {
        let most = self.actual.iter().copied().max().filter(|&most| most > 0)?;
        self.actual.iter().position(|&count| count == most)
    }

    /// The share of right predictions.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.correct.iter().sum(), self.total)
    }

    /// Of the predictions of `class`, the share that is right.
    pub fn precision(&self, class: usize) -> Option<f64> {
        ratio(self.correct(class), self.predicted(class))
    }

    /// Of the targets of `class`, the share that was found.
    pub fn recall(&self, class: usize) -> Option<f64> {
        ratio(self.correct(class), self.actual(class))
    }

    /// 2TP / (2TP + FP + FN) of `class`; 0 where it neither occurs nor is predicted.
    pub fn f1(&self, class: usize) -> f64 {
        f1(
            self.correct(class),
            self.actual(class),
            self.predicted(class),
        )
    }

    /// The unweighted mean of F1 over the classes that occur or are predicted.
    pub fn macro_f1(&self) -> Option<f64> {
        let present = (0..self.classes())
            .filter(|&class| self.actual(class) + self.predicted(class) > 0)
            .map(|class| self.f1(class));
        mean(present)
    }

    /// F1 of all classes' counts together: the accuracy, where every example has one class.
    pub fn micro_f1(&self) -> Option<f64> {
        self.accuracy()
    }

    /// Matthews' correlation for any number of classes (Gorodkin 2004); 0 where a factor is 0.
    ///
    /// (c·s − Σ pₖtₖ) / √((s² − Σ pₖ²)(s² − Σ tₖ²)): c correct, s samples, pₖ predicted and tₖ true.
    pub fn mcc(&self) -> Option<f64> {
        if self.total == 0 {
            return None;
        }
        // Products of counts are whole numbers: 128 bits hold them exactly, also their sums.
        let whole = |a: &[u64], b: &[u64]| -> i128 {
            a.iter()
                .zip(b)
                .map(|(&a, &b)| i128::from(a) * i128::from(b))
                .sum()
        };
        let samples = i128::from(self.total);
        let correct: u64 = self.correct.iter().sum();
        let covariance = i128::from(correct) * samples - whole(&self.predicted, &self.actual);
        let of_predictions = samples * samples - whole(&self.predicted, &self.predicted);
        let of_targets = samples * samples - whole(&self.actual, &self.actual);
        if of_predictions == 0 || of_targets == 0 {
            return Some(0.0);
        }
        let root = (of_predictions as f64).sqrt() * (of_targets as f64).sqrt();
        Some((covariance as f64 / root).clamp(-1.0, 1.0))
    }
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

/// 2TP / (2TP + FP + FN) from the right, the true and the predicted ones; 0 where there are none.
pub(crate) fn f1(correct: u64, actual: u64, predicted: u64) -> f64 {
    ratio(2 * correct, actual + predicted).unwrap_or(0.0)
}

/// How often each target (row) got each prediction (column).
///
/// # Panics
/// If a class is not below `classes`: the caller's mistake.
pub fn confusion(pairs: impl IntoIterator<Item = (usize, usize)>, classes: usize) -> Vec<Vec<u64>> {
    let mut table = vec![vec![0; classes]; classes];
    for (target, prediction) in pairs {
        table[target][prediction] += 1;
    }
    table
}

#[cfg(test)]
mod tests;
