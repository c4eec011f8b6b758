//! Numbers an example.

use crate::MetricsError;
use crate::numbers::{
    Ranking, constant_mean_absolute_error, constant_mean_squared_error, deviation,
    mean_absolute_error, mean_squared_error, over_targets, pearson, r2,
};
use crate::rows::Row;
use crate::sample::{Details, Sample};
use crate::scores::{GlueTask, ScoreOptions};
use crate::weights::Weights;

/// Each target's scores, in their order.
const NAMES: [&str; 5] = ["pearson", "spearman", "mse", "mae", "r2"];

/// Predictions that spread by less than this share of the targets' spread count as one and the same: a model
/// that ignores its input still has the noise of its rounding.
const COLLAPSED: f64 = 0.01;

pub(crate) struct Numbers {
    targets: Vec<Target>,
    examples: usize,
    combined: bool,
}

struct Target {
    name: String,
    actual: Vec<f64>,
    predicted: Vec<f64>,
    ranking: Ranking,
}

impl Numbers {
    pub(crate) fn new(rows: &[&Row], options: &ScoreOptions) -> Result<Self, MetricsError> {
        let mut columns: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let Row::Numbers(row) = row else { continue };
            let Some(targets) = &row.targets else {
                continue;
            };
            if index == 0 {
                columns = vec![(Vec::new(), Vec::new()); targets.len()];
            }
            if columns.len() != targets.len() || targets.is_empty() {
                return Err(MetricsError::Row {
                    id: row.id.clone(),
                    problem: format!(
                        "{} numbers, the first example has {}; all must have as many, at least one",
                        targets.len(),
                        columns.len()
                    ),
                });
            }
            let pairs = targets.iter().zip(&row.predictions);
            for (column, (target, prediction)) in columns.iter_mut().zip(pairs) {
                column.0.push(*target);
                column.1.push(*prediction);
            }
        }
        let combined = options.glue == Some(GlueTask::Stsb);
        let named = options.labels.len() == columns.len();
        let targets = columns
            .into_iter()
            .enumerate()
            .map(|(place, (actual, predicted))| Target {
                name: match options.labels.get(place).filter(|_| named) {
                    Some(name) => name.clone(),
                    None => (place + 1).to_string(),
                },
                ranking: Ranking::new(&actual, &predicted),
                actual,
                predicted,
            })
            .collect();
        Ok(Self {
            targets,
            examples: rows.len(),
            combined,
        })
    }

    /// Means over the targets, the combined one, then each target by itself where there are several.
    fn gathered(&self, of_target: impl Fn(&Target) -> [Option<f64>; 5]) -> Vec<Option<f64>> {
        let by_target: Vec<[Option<f64>; 5]> = self.targets.iter().map(of_target).collect();
        let mut values: Vec<Option<f64>> = (0..NAMES.len())
            .map(|place| {
                let column: Vec<Option<f64>> = by_target
                    .iter()
                    .map(|values| values.get(place).copied().flatten())
                    .collect();
                over_targets(&column)
            })
            .collect();
        if self.combined {
            let first = |place: usize| values.get(place).copied().flatten();
            values.push(combined(first(0), first(1)));
        }
        if by_target.len() > 1 {
            values.extend(by_target.into_iter().flatten());
        }
        values
    }
}

/// The mean of both correlations.
fn combined(pearson: Option<f64>, spearman: Option<f64>) -> Option<f64> {
    let both = pearson.zip(spearman);
    both.map(|(pearson, spearman)| (pearson + spearman) / 2.0)
}

impl Target {
    fn scores(&self, weights: Weights<'_>) -> [Option<f64>; 5] {
        std::array::from_fn(|place| self.score(place, weights))
    }

    /// The score with this place among [`NAMES`].
    fn score(&self, place: usize, weights: Weights<'_>) -> Option<f64> {
        let (actual, predicted) = (&self.actual, &self.predicted);
        match place {
            0 => pearson(actual, predicted, weights),
            1 => self.ranking.spearman(weights),
            2 => mean_squared_error(actual, predicted, weights),
            3 => mean_absolute_error(actual, predicted, weights),
            4 => r2(actual, predicted, weights),
            _ => None,
        }
    }

    /// Of the best constant: it correlates with nothing, its R² is 0 where there is one.
    fn constant(&self) -> [Option<f64>; 5] {
        let r2 = r2(&self.actual, &self.actual, None).map(|_| 0.0);
        [
            None,
            None,
            constant_mean_squared_error(&self.actual, None),
            constant_mean_absolute_error(&self.actual),
            r2,
        ]
    }

    fn collapsed(&self) -> bool {
        let spreads = deviation(&self.actual).zip(deviation(&self.predicted));
        spreads.is_some_and(|(actual, predicted)| predicted < COLLAPSED * actual)
    }
}

impl Sample for Numbers {
    fn examples(&self) -> usize {
        self.examples
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = NAMES.map(str::to_owned).to_vec();
        names.extend(self.combined.then(|| "combined".to_owned()));
        if self.targets.len() > 1 {
            for target in &self.targets {
                names.extend(NAMES.map(|name| format!("{name}_{}", target.name)));
            }
        }
        names
    }

    fn main(&self) -> &'static str {
        if self.combined { "combined" } else { "pearson" }
    }

    fn values(&self, weights: Weights<'_>) -> Vec<Option<f64>> {
        self.gathered(|target| target.scores(weights))
    }

    fn value(&self, place: usize, weights: Weights<'_>) -> Option<f64> {
        let means = NAMES.len() + usize::from(self.combined);
        if let Some(own) = place.checked_sub(means) {
            let target = self.targets.get(own / NAMES.len())?;
            return target.score(own % NAMES.len(), weights);
        }
        if place == NAMES.len() {
            return combined(self.value(0, weights), self.value(1, weights));
        }
        let targets = self.targets.iter();
        let column: Vec<Option<f64>> = targets.map(|it| it.score(place, weights)).collect();
        over_targets(&column)
    }

    fn baselines(&self) -> Vec<Option<f64>> {
        self.gathered(Target::constant)
    }

    fn right(&self) -> Option<Vec<bool>> {
        None
    }

    fn details(&self) -> Details {
        Details {
            collapsed: self.targets.iter().all(Target::collapsed),
            ..Details::default()
        }
    }
}
