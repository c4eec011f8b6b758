//! What all kinds of rows can do: give the scores of a sample of their examples.
//!
//! A sample is how often each example counts. What an example adds is found once, before the first
//! sample, so that a thousand resamples read no string again.

use kiln_text::rng::{Purpose, Rng};

use crate::scores::{ClassScores, Confusion, Fact};
use crate::weights::Weights;

/// The rows of one task, ready to be scored in any sample.
pub(crate) trait Sample {
    /// How many examples there are.
    fn examples(&self) -> usize;
    /// The scores' names.
    fn names(&self) -> Vec<String>;
    /// The name of the task's own score for model selection.
    fn main(&self) -> &'static str;
    /// The scores in the order of the names; none as weights: each example once.
    fn values(&self, weights: Weights<'_>) -> Vec<Option<f64>>;
    /// One of the scores, by its place among the names.
    fn value(&self, place: usize, weights: Weights<'_>) -> Option<f64> {
        self.values(weights).get(place).copied().flatten()
    }
    /// The best that one answer for all reaches, in the order of the names.
    fn baselines(&self) -> Vec<Option<f64>>;
    /// Which examples are right as a whole; none where there is no right and wrong.
    fn right(&self) -> Option<Vec<bool>>;
    /// What is said beside the scores.
    fn details(&self) -> Details;
}

/// What is said beside the scores; see [`crate::Scores`].
#[derive(Debug, Default)]
pub(crate) struct Details {
    pub(crate) per_class: Vec<ClassScores>,
    pub(crate) confusion: Option<Confusion>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) collapsed: bool,
    pub(crate) notes: Vec<String>,
}

/// Whether the targets differ from one example to another, and the predictions do not.
pub(crate) fn collapsed<T: PartialEq, P: PartialEq>(
    targets: impl IntoIterator<Item = T>,
    predictions: impl IntoIterator<Item = P>,
) -> bool {
    differ(targets) && !differ(predictions)
}

fn differ<T: PartialEq>(values: impl IntoIterator<Item = T>) -> bool {
    let mut values = values.into_iter();
    let first = values.next();
    values.any(|value| Some(value) != first)
}

/// Whether a score is better when it is higher: all but errors.
pub(crate) fn higher_is_better(name: &str) -> bool {
    let lower = |error: &str| {
        let rest = name.strip_prefix(error);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    !(lower("mse") || lower("mae"))
}

/// How often each of `examples` was drawn: as many draws as examples, with replacement.
pub(crate) fn draw(weights: &mut [u32], seed: u64, resample: u64) {
    weights.fill(0);
    let mut rng = Rng::at(seed, Purpose::Resample, resample, 0);
    for _ in 0..weights.len() {
        let drawn = rng.below(weights.len() as u64) as usize;
        if let Some(weight) = weights.get_mut(drawn) {
            *weight += 1;
        }
    }
}

/// The 95 % percentile interval (Efron and Tibshirani 1993) of each score.
pub(crate) fn intervals(
    sample: &dyn Sample,
    resamples: usize,
    seed: u64,
) -> Vec<Option<(f64, f64)>> {
    let mut weights = vec![0; sample.examples()];
    let mut drawn: Vec<Vec<f64>> = vec![Vec::new(); sample.names().len()];
    for resample in 0..resamples {
        draw(&mut weights, seed, resample as u64);
        for (values, value) in drawn.iter_mut().zip(sample.values(Some(&weights))) {
            values.extend(value);
        }
    }
    drawn
        .into_iter()
        .map(|values| percentiles(values, resamples))
        .collect()
}

/// The 2.5th and 97.5th percentile of what is defined in at least 95 % of the resamples.
pub(crate) fn percentiles(mut values: Vec<f64>, resamples: usize) -> Option<(f64, f64)> {
    if values.is_empty() || values.len() * 20 < resamples * 19 {
        return None;
    }
    values.sort_by(f64::total_cmp);
    // Between two neighbours in proportion, NumPy's default.
    let at = |share: f64| {
        let place = share * (values.len() - 1) as f64;
        let lower = *values.get(place.floor() as usize)?;
        let upper = *values.get(place.ceil() as usize)?;
        Some(lower + (upper - lower) * place.fract())
    };
    Some((at(0.025)?, at(0.975)?))
}
