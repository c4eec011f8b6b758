//! By what evaluations are compared: which checkpoint is the best, and when a run no longer improves.

use serde::{Deserialize, Serialize};

use crate::record::Record;

/// What one evaluation gave, as far as it is compared with others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evaluation {
    pub(crate) step: u64,
    pub(crate) loss: f64,
    /// The value that decides, where it is not the loss; none where it was undefined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) score: Option<f64>,
}

/// The value of an evaluation that decides, by its key in `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// The key, e.g. `loss` or `accuracy`.
    pub value: String,
    /// Whether more is better.
    pub higher_is_better: bool,
}

impl Default for Selection {
    /// The lowest loss.
    fn default() -> Self {
        Self {
            value: "loss".to_owned(),
            higher_is_better: false,
        }
    }
}

impl Selection {
    /// Whether it is the lowest loss, as where nothing else was said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What an evaluation leaves for later comparisons; none: its loss is not finite, and so it is no
    /// candidate for the best.
    pub(crate) fn remembered(&self, record: &Record) -> Option<Evaluation> {
        let finite = |name: &str| record.get(name).filter(|value| value.is_finite());
        Some(Evaluation {
            step: record.step,
            loss: finite("loss")?,
            score: if self.is_default() {
                None
            } else {
                finite(&self.value)
            },
        })
    }

    /// What of a record is still known by what [`Self::remembered`] left of it.
    pub(crate) fn known_of(&self, evaluation: &Evaluation) -> Vec<(String, f64)> {
        let score = evaluation.score.map(|score| (self.value.clone(), score));
        let loss = ("loss".to_owned(), evaluation.loss);
        [loss].into_iter().chain(score).collect()
    }

    /// The value that decides.
    pub(crate) fn value_of(&self, evaluation: &Evaluation) -> Option<f64> {
        if self.is_default() {
            Some(evaluation.loss)
        } else {
            evaluation.score
        }
    }

    /// A number that is lower for the better evaluation. One whose value is undefined is the worst.
    pub(crate) fn badness(&self, evaluation: &Evaluation) -> f64 {
        match self.value_of(evaluation) {
            Some(value) if self.higher_is_better => -value,
            Some(value) => value,
            None => f64::INFINITY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RecordKind;

    fn evaluation(values: &[(&str, f64)], selection: &Selection) -> Option<Evaluation> {
        let values = values.iter().map(|&(name, value)| (name.to_owned(), value));
        selection.remembered(&Record {
            kind: RecordKind::Eval,
            step: 7,
            values: values.collect(),
        })
    }

    fn f1() -> Selection {
        Selection {
            value: "f1".to_owned(),
            higher_is_better: true,
        }
    }

    #[test]
    fn what_is_remembered_of_an_evaluation_is_remembered_of_what_is_known_of_it() {
        for (selection, values) in [
            (f1(), vec![("loss", 2.0), ("f1", 0.8)]),
            (f1(), vec![("loss", 2.0)]),
            (Selection::default(), vec![("loss", 2.0)]),
        ] {
            let first = evaluation(&values, &selection).unwrap();
            let known = selection.known_of(&first);
            let known: Vec<_> = known.iter().map(|(key, value)| (&**key, *value)).collect();
            assert_eq!(known, values);
            assert_eq!(evaluation(&known, &selection), Some(first));
        }
    }

    #[test]
    fn the_higher_score_is_better_and_an_undefined_one_the_worst() {
        let f1 = f1();
        let of = |values: &[(&str, f64)]| f1.badness(&evaluation(values, &f1).unwrap());
        assert!(of(&[("loss", 2.0), ("f1", 0.8)]) < of(&[("loss", 1.0), ("f1", 0.7)]));
        assert!(of(&[("loss", 2.0), ("f1", 0.0)]) < of(&[("loss", 1.0), ("f1", f64::NAN)]));
        assert!(of(&[("loss", 2.0), ("f1", 0.0)]) < of(&[("loss", 1.0)]));
    }

    #[test]
    fn without_a_choice_the_lowest_finite_loss_decides() {
        let loss = Selection::default();
        let of = |value| evaluation(&[("loss", value)], &loss);
        assert!(loss.badness(&of(1.0).unwrap()) < loss.badness(&of(1.5).unwrap()));
        assert_eq!(of(f64::NAN), None);
    }
}
