//! Numbers: Pearson's and Spearman's correlation, squared and absolute error, R².
//!
//! | number | undefined |
//! | --- | --- |
//! | Pearson, Spearman | one side is constant (so also: fewer than two examples) |
//! | R² | the targets are constant |
//! | MSE, MAE | no example |
//!
//! Every function takes how often each example counts, so that a resample needs no copies; `None` weighs
//! all once. Sides of unequal length are cut to the shorter one. A result that is not finite is undefined.

use crate::weights::{Weights, times};

/// The covariance over both standard deviations, in [−1, 1].
pub(crate) fn pearson(x: &[f64], y: &[f64], weights: Weights<'_>) -> Option<f64> {
    // A mean is rounded, so deviations of a constant may differ from 0: look at the values.
    if is_constant(x, weights) || is_constant(y, weights) {
        return None;
    }
    let (mean_x, mean_y) = (mean(x, weights)?, mean(y, weights)?);
    // Divided by the largest one, no square overflows or vanishes.
    let (scale_x, scale_y) = (spread(x, mean_x, weights), spread(y, mean_y, weights));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (index, (x, y)) in x.iter().zip(y).enumerate() {
        let times = weight(weights, index);
        let (x, y) = ((x - mean_x) / scale_x, (y - mean_y) / scale_y);
        xx += times * x * x;
        yy += times * y * y;
        xy += times * x * y;
    }
    finite(xy / (xx.sqrt() * yy.sqrt())).map(|r| r.clamp(-1.0, 1.0))
}

/// Two sides in order, so that the ranks of any sample of them need no sorting.
#[derive(Debug, Clone)]
pub(crate) struct Ranking {
    x: Side,
    y: Side,
}

#[derive(Debug, Clone)]
struct Side {
    /// Places of equal numbers together, by rising numbers.
    groups: Vec<Vec<u32>>,
    len: usize,
}

impl Ranking {
    /// Sorts both sides.
    pub(crate) fn new(x: &[f64], y: &[f64]) -> Self {
        let len = x.len().min(y.len());
        Self {
            x: Side::new(x.get(..len).unwrap_or(x)),
            y: Side::new(y.get(..len).unwrap_or(y)),
        }
    }

    /// Spearman's correlation of a sample.
    pub(crate) fn spearman(&self, weights: Weights<'_>) -> Option<f64> {
        pearson(&self.x.ranks(weights), &self.y.ranks(weights), weights)
    }
}

impl Side {
    fn new(values: &[f64]) -> Self {
        let mut order: Vec<u32> = (0..values.len() as u32).collect();
        order.sort_by(|&a, &b| values[a as usize].total_cmp(&values[b as usize]));
        let groups = order
            // By `==`, for which 0 and −0 are equal; they lie side by side in the total order.
            .chunk_by(|&a, &b| values[a as usize] == values[b as usize])
            .map(<[u32]>::to_vec)
            .collect();
        Self {
            groups,
            len: values.len(),
        }
    }

    fn ranks(&self, weights: Weights<'_>) -> Vec<f64> {
        let mut ranks = vec![0.0; self.len];
        let mut before = 0.0;
        for group in &self.groups {
            let size: f64 = group.iter().map(|&i| weight(weights, i as usize)).sum();
            for &index in group {
                ranks[index as usize] = before + (size + 1.0) / 2.0;
            }
            before += size;
        }
        ranks
    }
}

/// The mean of the squared differences.
pub(crate) fn mean_squared_error(
    targets: &[f64],
    predictions: &[f64],
    weights: Weights<'_>,
) -> Option<f64> {
    let squares: Vec<f64> = differences(targets, predictions).map(|d| d * d).collect();
    mean(&squares, weights)
}

/// The mean of the absolute differences.
pub(crate) fn mean_absolute_error(
    targets: &[f64],
    predictions: &[f64],
    weights: Weights<'_>,
) -> Option<f64> {
    let sizes: Vec<f64> = differences(targets, predictions).map(f64::abs).collect();
    mean(&sizes, weights)
}

/// 1 − the squared error over that of the targets' mean.
pub(crate) fn r2(targets: &[f64], predictions: &[f64], weights: Weights<'_>) -> Option<f64> {
    if is_constant(targets, weights) {
        return None;
    }
    let error = mean_squared_error(targets, predictions, weights)?;
    finite(1.0 - error / constant_mean_squared_error(targets, weights)?)
}

/// The least squared error that one number for all reaches: their variance.
pub(crate) fn constant_mean_squared_error(targets: &[f64], weights: Weights<'_>) -> Option<f64> {
    let middle = mean(targets, weights)?;
    let squares: Vec<f64> = targets.iter().map(|t| (t - middle).powi(2)).collect();
    mean(&squares, weights)
}

/// The least absolute error that one number for all reaches: the distance from their median.
pub(crate) fn constant_mean_absolute_error(targets: &[f64]) -> Option<f64> {
    let middle = median(targets)?;
    mean_absolute_error(targets, &vec![middle; targets.len()], None)
}

/// The middle number, or the mean of both; none of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    finite(lower / 2.0 + upper / 2.0)
}

/// The mean over several targets: undefined where one of them is, rather than a mean of fewer.
pub(crate) fn over_targets(values: &[Option<f64>]) -> Option<f64> {
    let defined: Option<Vec<f64>> = values.iter().copied().collect();
    mean(&defined?, None)
}

/// The standard deviation over all (divided by n); none of nothing.
pub(crate) fn deviation(values: &[f64]) -> Option<f64> {
    constant_mean_squared_error(values, None).map(f64::sqrt)
}

fn differences<'a>(targets: &'a [f64], predictions: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
    targets.iter().zip(predictions).map(|(t, p)| t - p)
}

fn weight(weights: Weights<'_>, index: usize) -> f64 {
    f64::from(times(weights, index))
}

fn is_constant(values: &[f64], weights: Weights<'_>) -> bool {
    let mut counted = values
        .iter()
        .enumerate()
        .filter(|&(index, _)| weight(weights, index) > 0.0)
        .map(|(_, value)| value);
    match counted.next() {
        Some(first) => counted.all(|value| value == first),
        None => true,
    }
}

fn mean(values: &[f64], weights: Weights<'_>) -> Option<f64> {
    let (mut sum, mut total) = (0.0, 0.0);
    for (index, value) in values.iter().enumerate() {
        let times = weight(weights, index);
        sum += times * value;
        total += times;
    }
    finite(sum / total)
}

fn spread(values: &[f64], mean: f64, weights: Weights<'_>) -> f64 {
    let mut largest = 0.0_f64;
    for (index, value) in values.iter().enumerate() {
        if weight(weights, index) > 0.0 {
            largest = largest.max((value - mean).abs());
        }
    }
    largest
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests;
