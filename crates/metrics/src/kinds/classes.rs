//! One class an example.

use crate::MetricsError;
use crate::classes::{ClassCounts, confusion};
use crate::rows::Row;
use crate::sample::{Details, Sample};
use crate::scores::{ClassScores, Confusion, GlueTask, ScoreOptions};

use super::names::{Names, better, table_fits};

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
        let of_rows = rows.first().into_iter().flat_map(|row| &row.probabilities);
        let mut names = match options.labels.is_empty() {
            true => Names::new(of_rows.map(|(name, _)| name.as_str())),
            false => Names::new(options.labels.iter().map(String::as_str)),
        };
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

    fn counts(&self, weights: Option<&[u32]>) -> ClassCounts {
        let mut counts = ClassCounts::new(self.names.len());
        match weights {
            None => counts = ClassCounts::of(self.pairs.iter().copied(), self.names.len()),
            Some(weights) => {
                for (&(target, prediction), &times) in self.pairs.iter().zip(weights) {
                    counts.add(target, prediction, u64::from(times));
                }
            }
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
            .map(|class| accuracy.map(|_| counts.f1(class)));
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

    fn values(&self, weights: Option<&[u32]>) -> Vec<Option<f64>> {
        self.scores(&self.counts(weights))
    }

    fn baselines(&self) -> Vec<Option<f64>> {
        let counts = self.counts(None);
        let mut best = vec![None; self.names().len()];
        for class in 0..self.names.len() {
            for (best, value) in best.iter_mut().zip(self.scores(&counts.constant(class))) {
                *best = better(*best, value);
            }
        }
        best
    }

    fn right(&self) -> Option<Vec<bool>> {
        Some(self.pairs.iter().map(|(a, b)| a == b).collect())
    }

    fn details(&self) -> Details {
        let counts = self.counts(None);
        let per_class = self.names.iter().enumerate();
        let mut notes: Vec<String> = self.note.iter().cloned().collect();
        let table = match table_fits(self.names.len()) {
            Ok(()) => Some(Confusion {
                names: self.names.clone(),
                counts: confusion(self.pairs.iter().copied(), self.names.len()),
            }),
            Err(note) => {
                notes.push(note);
                None
            }
        };
        let several = |side: fn(&(usize, usize)) -> usize| {
            let mut values = self.pairs.iter().map(side);
            let first = values.next();
            values.any(|value| Some(value) != first)
        };
        Details {
            per_class: per_class
                .map(|(class, name)| ClassScores {
                    name: name.clone(),
                    precision: counts.precision(class),
                    recall: counts.recall(class),
                    f1: counts.f1(class),
                    actual: counts.actual(class),
                    predicted: counts.predicted(class),
                })
                .collect(),
            confusion: table,
            facts: Vec::new(),
            collapsed: several(|pair| pair.0) && !several(|pair| pair.1),
            notes,
        }
    }
}
