//! Several runs of one task: what differs by the seed alone.

use serde::{Deserialize, Serialize};

use crate::MetricsError;
use crate::numbers::{constant_mean_squared_error, median};
use crate::scores::Scores;

/// A score over several runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The score's name.
    pub name: String,
    /// The score in each run, in the runs' order; none where it is undefined.
    pub values: Vec<Option<f64>>,
    /// In how many runs it is undefined. They are left out of what follows.
    pub undefined: usize,
    /// The mean.
    pub mean: Option<f64>,
    /// The standard deviation of a sample (divided by n − 1); none of fewer than two.
    pub deviation: Option<f64>,
    /// The middle one, or the mean of both.
    pub median: Option<f64>,
    /// The least.
    pub min: Option<f64>,
    /// The greatest.
    pub max: Option<f64>,
}

/// Several runs of one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The runs' names.
    pub runs: Vec<String>,
    /// The name of the score that model selection uses.
    pub main: String,
    /// Each score.
    pub scores: Vec<Spread>,
    /// The names of the runs whose predictions are all one and the same.
    pub collapsed: Vec<String>,
}

impl Summary {
    /// The spread of the score that model selection uses.
    pub fn main(&self) -> Option<&Spread> {
        self.get(&self.main)
    }

    /// The spread of the score called `name`.
    pub fn get(&self, name: &str) -> Option<&Spread> {
        self.scores.iter().find(|spread| spread.name == name)
    }
}

/// Brings runs together, each with its name. A score that only some runs have is undefined in the others.
///
/// # Errors
/// No run; runs with different main scores.
pub fn over_runs(runs: &[(String, Scores)]) -> Result<Summary, MetricsError> {
    let Some((first_name, first)) = runs.first() else {
        return Err(MetricsError::Compare(
            "no runs to bring together; pass at least one".to_owned(),
        ));
    };
    if let Some((name, other)) = runs.iter().find(|run| run.1.main != first.main) {
        return Err(MetricsError::Compare(format!(
            "run {name} is judged by {}, run {first_name} by {}; bring runs of one task together",
            other.main, first.main
        )));
    }
    let mut names: Vec<&str> = Vec::new();
    for score in runs.iter().flat_map(|run| &run.1.scores) {
        if !names.contains(&score.name.as_str()) {
            names.push(&score.name);
        }
    }
    let spread = |name: &str| {
        let value = |run: &(String, Scores)| run.1.get(name).and_then(|score| score.value);
        Spread::new(name, runs.iter().map(value).collect())
    };
    Ok(Summary {
        runs: runs.iter().map(|run| run.0.clone()).collect(),
        main: first.main.clone(),
        scores: names.into_iter().map(spread).collect(),
        collapsed: runs
            .iter()
            .filter(|run| run.1.collapsed)
            .map(|run| run.0.clone())
            .collect(),
    })
}

impl Spread {
    fn new(name: &str, values: Vec<Option<f64>>) -> Self {
        let defined: Vec<f64> = values.iter().copied().flatten().collect();
        let count = defined.len() as f64;
        let mean = (count > 0.0).then(|| defined.iter().sum::<f64>() / count);
        let deviation = constant_mean_squared_error(&defined, None)
            .filter(|_| count > 1.0)
            .map(|variance| (variance * count / (count - 1.0)).sqrt());
        Self {
            name: name.to_owned(),
            undefined: values.len() - defined.len(),
            mean,
            deviation,
            median: median(&defined),
            min: defined.iter().copied().reduce(f64::min),
            max: defined.iter().copied().reduce(f64::max),
            values,
        }
    }
}

#[cfg(test)]
mod tests;
