//! How wrong an answer is, to show the worst first.

use std::cmp::Ordering;

use kiln_metrics::rows::{AnswerRow, LabelsRow, Row};
use kiln_metrics::squad::{Earned, Version, question};
use kiln_tasks::labelled::TaskSettings;

/// What decides about an answer beside its row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judge {
    version: Version,
    no_answer_threshold: Option<f64>,
}

impl Judge {
    /// As the scores of `task` are counted.
    pub(super) fn of(task: &TaskSettings) -> Self {
        let no_answer_threshold = task.score_options(0).no_answer_threshold;
        let version = match no_answer_threshold {
            Some(_) => Version::V2,
            None => Version::V1,
        };
        Self {
            version,
            no_answer_threshold,
        }
    }

    /// The answer that is scored: that of the row, or by the threshold.
    pub(super) fn given<'a>(&self, row: &'a AnswerRow) -> &'a str {
        match self.no_answer_threshold {
            None => &row.prediction,
            Some(threshold) if row.null_odds > threshold => "",
            Some(_) => &row.best_non_empty,
        }
    }

    /// The probability of the answer that is scored, where it is among the best candidates.
    pub(super) fn probability(&self, row: &AnswerRow) -> Option<f64> {
        let given = self.given(row);
        let found = row.n_best.iter().find(|candidate| candidate.text == given);
        found.map(|candidate| candidate.probability)
    }

    fn earned(&self, row: &AnswerRow, answers: &[String]) -> Earned {
        let threshold = self.no_answer_threshold;
        if threshold.is_some_and(|threshold| row.null_odds > threshold) {
            // As the scores have it: nothing said to a question whose answer is `the` is wrong.
            let right = f64::from(u8::from(answers.is_empty()));
            return Earned {
                exact: right,
                f1: right,
            };
        }
        // 1.1 knows no question without an answer.
        let version = if answers.is_empty() {
            Version::V2
        } else {
            self.version
        };
        question(self.given(row), answers, version)
    }

    /// How wrong the row is; none: it is right, or nobody knows.
    pub(super) fn wrong(&self, row: &Row) -> Option<Wrong> {
        let wrong = match row {
            Row::Class(row) => {
                let label = row.label.as_ref()?;
                let is_wrong = *label != row.prediction;
                is_wrong.then(|| probability_of(&row.probabilities, &row.prediction).unwrap_or(0.0))
            }
            Row::Labels(row) => {
                let wrong = wrong_labels(row)?;
                let confidence = wrong.iter().map(|wrong| wrong.confidence);
                confidence.reduce(f64::max)
            }
            Row::Numbers(row) => {
                let errors = row.targets.as_ref()?.iter().zip(&row.predictions);
                let errors = errors.map(|(target, prediction)| (target - prediction).abs());
                errors.reduce(f64::max).filter(|error| *error > 0.0)
            }
            Row::Tags(row) => {
                let pairs = row.tags.as_ref()?.iter().zip(&row.predictions);
                let words = pairs.filter(|(tag, prediction)| tag != prediction).count();
                (words > 0).then_some(words as f64)
            }
            Row::Answer(row) => {
                let answers = row.answers.as_ref()?;
                let earned = self.earned(row, answers);
                // An answer that overlaps with a right one is not what one looks for first.
                (earned.f1 == 0.0).then(|| self.probability(row).unwrap_or(0.0))
            }
            Row::Choice(row) => {
                let is_wrong = row.label? != row.prediction;
                is_wrong.then(|| {
                    row.probabilities
                        .get(row.prediction)
                        .copied()
                        .unwrap_or(0.0)
                })
            }
        };
        wrong.map(Wrong)
    }
}

/// Whether two rows of one task say the same; none: they are not of one task.
pub(super) fn say_the_same(a: &Row, b: &Row) -> Option<bool> {
    Some(match (a, b) {
        (Row::Class(a), Row::Class(b)) => a.prediction == b.prediction,
        (Row::Labels(a), Row::Labels(b)) => a.predictions == b.predictions,
        (Row::Numbers(a), Row::Numbers(b)) => a.predictions == b.predictions,
        (Row::Tags(a), Row::Tags(b)) => a.predictions == b.predictions,
        (Row::Answer(a), Row::Answer(b)) => a.prediction == b.prediction,
        (Row::Choice(a), Row::Choice(b)) => a.prediction == b.prediction,
        _ => return None,
    })
}

/// How wrong an answer is: the more, the worse. What is counted differs by the task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wrong(pub(super) f64);

impl Wrong {
    /// The worse one first.
    pub(super) fn worse_first(self, other: Self) -> Ordering {
        other.0.total_cmp(&self.0)
    }
}

/// What the order of the worst examples of a row's task is, in words.
pub(super) fn order_of(row: &Row) -> &'static str {
    match row {
        Row::Class(_) | Row::Choice(_) => "by the probability of the wrong answer",
        Row::Labels(_) => "by the confidence in the worst of the wrong labels",
        Row::Numbers(_) => "by the greatest error",
        Row::Tags(_) => "by the number of wrong words",
        Row::Answer(_) => "answers without a word in common with a right one, by their probability",
    }
}

/// A label that was given and is not there, or the other way round.
#[derive(Debug, PartialEq)]
pub(super) struct WrongLabel<'a> {
    pub(super) name: &'a str,
    /// Whether it was given.
    pub(super) given: bool,
    /// The probability of what was decided.
    pub(super) confidence: f64,
}

/// The labels that are wrong; none: nobody knows.
pub(super) fn wrong_labels(row: &LabelsRow) -> Option<Vec<WrongLabel<'_>>> {
    let labels = row.labels.as_ref()?;
    let probability = |name: &str| probability_of(&row.probabilities, name);
    let given = row.predictions.iter().filter(|name| !labels.contains(name));
    let given = given.map(|name| WrongLabel {
        name,
        given: true,
        confidence: probability(name).unwrap_or(0.0),
    });
    let missed = labels.iter().filter(|name| !row.predictions.contains(name));
    let missed = missed.map(|name| WrongLabel {
        name,
        given: false,
        confidence: probability(name).map_or(1.0, |probability| 1.0 - probability),
    });
    Some(given.chain(missed).collect())
}

/// The probability of a label.
pub(super) fn probability_of(probabilities: &[(String, f64)], name: &str) -> Option<f64> {
    let found = probabilities.iter().find(|(label, _)| label == name);
    found.map(|&(_, probability)| probability)
}
