//! An answer a question.

use crate::rows::Row;
use crate::sample::{Details, Sample, collapsed};
use crate::scores::{Fact, ScoreOptions};
use crate::squad::{Best, Earned, Version, best_threshold, order, question};
use crate::weights::{Weights, times};

pub(crate) struct Answers {
    version: Version,
    has_answer: Vec<bool>,
    /// As answered.
    earned: Vec<Earned>,
    /// Answering nothing at all.
    of_nothing: Vec<Earned>,
    null_odds: Vec<f64>,
    order: Vec<usize>,
    /// What the best answer that is not empty would add, for both scores.
    gains: [Vec<f64>; 2],
    collapsed: bool,
}

impl Answers {
    pub(crate) fn new(rows: &[&Row], options: &ScoreOptions) -> Self {
        let rows: Vec<_> = rows
            .iter()
            .filter_map(|row| match row {
                Row::Answer(row) => Some((row, row.answers.as_ref()?)),
                _ => None,
            })
            .collect();
        let all_answered = rows.iter().all(|(_, answers)| !answers.is_empty());
        let version = match options.no_answer_threshold {
            None if all_answered => Version::V1,
            _ => Version::V2,
        };
        let given: Vec<&str> = rows
            .iter()
            .map(|(row, _)| match options.no_answer_threshold {
                None => row.prediction.as_str(),
                Some(threshold) if row.null_odds > threshold => "",
                Some(_) => row.best_non_empty.as_str(),
            })
            .collect();
        let mut gains = [Vec::new(), Vec::new()];
        for (row, answers) in &rows {
            let [exact, f1] = &mut gains;
            if answers.is_empty() {
                let lost = if row.best_non_empty.is_empty() {
                    0.0
                } else {
                    -1.0
                };
                exact.push(lost);
                f1.push(lost);
            } else {
                let earned = question(&row.best_non_empty, answers, Version::V2);
                exact.push(earned.exact);
                f1.push(earned.f1);
            }
        }
        let null_odds: Vec<f64> = rows.iter().map(|(row, _)| row.null_odds).collect();
        Self {
            version,
            has_answer: rows
                .iter()
                .map(|(_, answers)| !answers.is_empty())
                .collect(),
            earned: rows
                .iter()
                .zip(&given)
                .map(
                    |((row, answers), given)| match options.no_answer_threshold {
                        // The official scorer asks the file here, not the normalised answers: nothing said
                        // to a question whose answer is `the` is wrong.
                        Some(threshold) if row.null_odds > threshold => {
                            let right = f64::from(u8::from(answers.is_empty()));
                            Earned {
                                exact: right,
                                f1: right,
                            }
                        }
                        _ => question(given, answers, version),
                    },
                )
                .collect(),
            of_nothing: rows
                .iter()
                .map(|(_, answers)| question("", answers, version))
                .collect(),
            order: order(&null_odds),
            null_odds,
            gains,
            collapsed: collapsed(rows.iter().map(|(_, answers)| *answers), &given),
        }
    }

    /// Exact match and F1, in per cent, of the questions with an answer, of those without, or of all.
    fn means(
        &self,
        earned: &[Earned],
        weights: Weights<'_>,
        wanted: Option<bool>,
    ) -> [Option<f64>; 2] {
        let (mut exact, mut f1, mut total) = (0.0, 0.0, 0.0);
        for (index, (earned, &has_answer)) in earned.iter().zip(&self.has_answer).enumerate() {
            if wanted.is_none_or(|wanted| wanted == has_answer) {
                let times = f64::from(times(weights, index));
                exact += times * earned.exact;
                f1 += times * earned.f1;
                total += times;
            }
        }
        let share = |sum: f64| (total > 0.0).then(|| 100.0 * sum / total);
        [share(exact), share(f1)]
    }

    /// Which questions have an exact match and an F1 of their own, in the order of the names.
    fn groups(&self) -> Vec<Option<bool>> {
        let mut groups = vec![None];
        if self.version == Version::V2 {
            let parts = [true, false].into_iter();
            groups.extend(parts.filter(|it| self.has_answer.contains(it)).map(Some));
        }
        groups
    }

    fn all_means(&self, earned: &[Earned], weights: Weights<'_>) -> Vec<Option<f64>> {
        let groups = self.groups().into_iter();
        groups
            .flat_map(|wanted| self.means(earned, weights, wanted))
            .collect()
    }

    fn best_of(&self, gains: &[f64], weights: Weights<'_>) -> Option<Best> {
        best_threshold(
            &self.order,
            &self.null_odds,
            gains,
            &self.has_answer,
            weights,
        )
    }

    fn best(&self, weights: Weights<'_>) -> [Option<Best>; 2] {
        self.gains
            .each_ref()
            .map(|gains| self.best_of(gains, weights))
    }
}

impl Sample for Answers {
    fn examples(&self) -> usize {
        self.earned.len()
    }

    fn names(&self) -> Vec<String> {
        let mut names = match self.version {
            Version::V1 => return ["exact_match", "f1"].map(str::to_owned).to_vec(),
            Version::V2 => vec!["exact", "f1"],
        };
        if self.has_answer.contains(&true) {
            names.extend(["HasAns_exact", "HasAns_f1"]);
        }
        if self.has_answer.contains(&false) {
            names.extend(["NoAns_exact", "NoAns_f1"]);
        }
        names.extend(["best_exact", "best_f1"]);
        names.into_iter().map(str::to_owned).collect()
    }

    fn main(&self) -> &'static str {
        "f1"
    }

    fn values(&self, weights: Weights<'_>) -> Vec<Option<f64>> {
        let mut values = self.all_means(&self.earned, weights);
        if self.version == Version::V2 {
            values.extend(self.best(weights).map(|best| best.map(|best| best.score)));
        }
        values
    }

    fn value(&self, place: usize, weights: Weights<'_>) -> Option<f64> {
        let groups = self.groups();
        if let Some(wanted) = groups.get(place / 2) {
            let [exact, f1] = self.means(&self.earned, weights, *wanted);
            return if place.is_multiple_of(2) { exact } else { f1 };
        }
        let gains = self.gains.get(place - 2 * groups.len())?;
        self.best_of(gains, weights).map(|best| best.score)
    }

    fn baselines(&self) -> Vec<Option<f64>> {
        let mut values = self.all_means(&self.of_nothing, None);
        if self.version == Version::V2 {
            values.extend(self.means(&self.of_nothing, None, None));
        }
        values
    }

    fn right(&self) -> Option<Vec<bool>> {
        Some(self.earned.iter().map(|e| e.exact > 0.0).collect())
    }

    fn details(&self) -> Details {
        let with = self.has_answer.iter().filter(|has| **has).count();
        let total = self.has_answer.len();
        let mut facts = vec![("total", total as f64)];
        if self.version == Version::V2 {
            if with > 0 {
                facts.push(("HasAns_total", with as f64));
            }
            if with < total {
                facts.push(("NoAns_total", (total - with) as f64));
            }
            let names = ["best_exact_thresh", "best_f1_thresh"];
            for (name, best) in names.into_iter().zip(self.best(None)) {
                facts.extend(best.map(|best| (name, best.threshold)));
            }
        }
        Details {
            facts: facts
                .into_iter()
                .map(|(name, value)| Fact {
                    name: name.to_owned(),
                    value,
                })
                .collect(),
            collapsed: self.collapsed,
            ..Details::default()
        }
    }
}
