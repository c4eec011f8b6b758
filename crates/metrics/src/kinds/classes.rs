//! One class an example.

use crate::MetricsError;
use crate::classes::ClassCounts;
use crate::rows::Row;
use crate::sample::{Details, Sample, collapsed};
use crate::scores::{GlueTask, ScoreOptions};
use crate::tally::by_name;
use crate::weights::{Weights, times};

use super::names::{Names, best_of, confusion};

pub(crate) struct Classes {
    names: Vec<String>,
    /// Target and prediction.
    pairs: Vec<(usize, usize)>,
    positive: Option<usize>,
    glue: Option<GlueTask>,
    note: Option<String>,
}

impl Classes {
    pub(crate) fn new(rows: &[&Row], options: &ScoreOptions) -> Result<Self, MetricsError> {
        let rows: Vec<_> = rows
            .iter()
            .filter_map(|row| match row {
                Row::Class(row) => Some(row),
                _ => None,
            })
            .collect();
        let of_row = rows.first().map(|row| row.probabilities.as_slice());
        let mut names = Names::chosen(options, of_row);
        let mut pairs = Vec::with_capacity(rows.len());
        for row in rows {
            if let Some(label) = &row.label {
                pairs.push((names.number(label), names.number(&row.prediction)));
            }
        }
        let positive = positive(&names, options)?;
        Ok(Self {
            note: names.note(),
            names: names.owned(),
            pairs,
            positive,
            glue: options.glue,
        })
    }

    fn counts(&self, weights: Weights<'_>) -> ClassCounts {
        let mut counts = ClassCounts::new(self.names.len());
        for (index, &(target, prediction)) in self.pairs.iter().enumerate() {
            counts.add(target, prediction, u64::from(times(weights, index)));
        }
        counts
    }

    fn has_combined(&self) -> bool {
        matches!(self.glue, Some(GlueTask::Mrpc | GlueTask::Qqp))
    }

    /// In the order of the names.
    fn scores(&self, counts: &ClassCounts) -> Vec<Option<f64>> {
        let accuracy = counts.accuracy();
        let f1 = self
            .positive
            .map(|class| accuracy.map(|_| counts.class(class).f1()));
        let mut scores = vec![accuracy];
        scores.extend(f1);
        scores.extend([counts.macro_f1(), counts.micro_f1(), counts.mcc()]);
        if self.has_combined() {
            let both = accuracy.zip(f1.flatten());
            scores.push(both.map(|(accuracy, f1)| f64::midpoint(accuracy, f1)));
        }
        scores
    }
}

fn positive(names: &Names<'_>, options: &ScoreOptions) -> Result<Option<usize>, MetricsError> {
    if let Some(positive) = &options.positive {
        return match names.find(positive) {
            Some(class) => Ok(Some(class)),
            None => Err(MetricsError::Options(format!(
                "the positive label {positive} is none of {}; name one of them",
                names.owned().join(", ")
            ))),
        };
    }
    let of_two = (names.known() == 2).then_some(1);
    match options.glue {
        Some(task @ (GlueTask::Mrpc | GlueTask::Qqp)) if of_two.is_none() => {
            Err(MetricsError::Options(format!(
                "{task} is scored by the F1 of one of two labels, here are {}; name the positive label",
                names.known()
            )))
        }
        _ => Ok(of_two),
    }
}

impl Sample for Classes {
    fn examples(&self) -> usize {
        self.pairs.len()
    }

    fn names(&self) -> Vec<String> {
        let mut names = vec!["accuracy"];
        names.extend(self.positive.map(|_| "f1"));
        names.extend(["f1_macro", "f1_micro", "mcc"]);
        names.extend(self.has_combined().then_some("combined"));
        names.into_iter().map(str::to_owned).collect()
    }

    fn main(&self) -> &'static str {
        match self.glue {
            Some(GlueTask::Cola) => "mcc",
            Some(GlueTask::Mrpc | GlueTask::Qqp) => "combined",
            _ => "accuracy",
        }
    }

    fn values(&self, weights: Weights<'_>) -> Vec<Option<f64>> {
        self.scores(&self.counts(weights))
    }

    fn baselines(&self) -> Vec<Option<f64>> {
        // A constant's F1 is 0 for any class but the positive one. All else grows with how often the class
        // is right, or is 0 for every constant.
        let counts = self.counts(None);
        let constants = counts.majority().into_iter().chain(self.positive);
        let scores = constants.map(|class| self.scores(&counts.constant(class)));
        best_of(scores).unwrap_or_else(|| vec![None; self.names().len()])
    }

    fn right(&self) -> Option<Vec<bool>> {
        Some(self.pairs.iter().map(|(a, b)| a == b).collect())
    }

    fn details(&self) -> Details {
        let mut notes: Vec<String> = self.note.iter().cloned().collect();
        let pairs = || self.pairs.iter();
        let table = confusion(&self.names, pairs().map(|&(a, b)| (a, b, 1)));
        Details {
            per_class: by_name(&self.names, self.counts(None).classes()),
            confusion: table.map_err(|note| notes.push(note)).ok(),
            facts: Vec::new(),
            collapsed: collapsed(pairs().map(|pair| pair.0), pairs().map(|pair| pair.1)),
            notes,
        }
    }
}
