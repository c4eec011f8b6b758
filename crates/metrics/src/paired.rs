//! Two runs on the same examples: does one do better, or is it chance?

use kiln_text::rng::{Purpose, Rng};
use serde::{Deserialize, Serialize};

use crate::MetricsError;
use crate::kinds;
use crate::rows::Row;
use crate::sample::{Sample, draw, higher_is_better, percentiles};
use crate::scores::ScoreOptions;

/// What rounding may add to a difference of sums in another order: differences closer than this are equal.
const ROUNDING: f64 = 1e-9;

/// Examples that one run has right and the other wrong, and whether they are even (McNemar 1947).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Right in the first run alone.
    pub only_first: u64,
    /// Right in the second run alone.
    pub only_second: u64,
    /// The exact two-sided probability, by the binomial distribution, of as uneven a division by chance.
    pub p_value: f64,
}

/// Two runs on the same examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// How many examples.
    pub examples: usize,
    /// The score that is compared.
    pub main: String,
    /// Whether more of it is better.
    pub higher_is_better: bool,
    /// The score in the first run.
    pub first: Option<f64>,
    /// The score in the second run.
    pub second: Option<f64>,
    /// Second less first.
    pub difference: Option<f64>,
    /// The 95 % percentile interval of the difference over resampled examples.
    pub interval: Option<(f64, f64)>,
    /// The share of random exchanges between the runs' predictions that make a difference as large or
    /// larger (approximate randomisation, two-sided; Noreen 1989). None: no resamples, or undefined.
    pub p_value: Option<f64>,
    /// Right and wrong; none for numbers. An example is right as a whole: all labels, all words of a
    /// sentence, the exact answer.
    pub mcnemar: Option<McNemar>,
}

/// Compares two runs by the main score, and by what they have right.
///
/// # Errors
/// Runs with other examples or other targets, or in another order; what [`crate::score`] refuses.
pub fn compare(
    first: &[Row],
    second: &[Row],
    options: &ScoreOptions,
) -> Result<Paired, MetricsError> {
    same_examples(first, second)?;
    // Both in one sample: a weight of 0 leaves a run's prediction out.
    let rows: Vec<&Row> = first.iter().chain(second).collect();
    let both = kinds::prepare(&rows, options)?;
    let main = kinds::main(both.as_ref(), options)?;
    let place = both.names().iter().position(|name| *name == main);
    let mut pair = Pair {
        sample: both.as_ref(),
        place: place.unwrap_or(0),
        examples: first.len(),
        weights: vec![0; rows.len()],
    };
    let ones = vec![1; first.len()];
    let (of_first, of_second) = pair.scores(&ones, |_| false);
    let difference = of_second.zip(of_first).map(|(b, a)| b - a);
    let (interval, p_value) = match (difference, options.resamples) {
        (None, _) | (_, 0) => (None, None),
        (Some(difference), resamples) => (
            pair.interval(resamples, options.seed),
            pair.exchanged(difference, resamples, options.seed),
        ),
    };
    Ok(Paired {
        examples: first.len(),
        higher_is_better: higher_is_better(&main),
        main,
        first: of_first,
        second: of_second,
        difference,
        interval,
        p_value,
        mcnemar: both.right().map(|right| mcnemar(&right)),
    })
}

struct Pair<'a> {
    /// The first run's examples, then the second's.
    sample: &'a dyn Sample,
    /// Of the main score among the scores.
    place: usize,
    examples: usize,
    /// Of the sample's examples, used again for each score.
    weights: Vec<u32>,
}

impl Pair<'_> {
    /// The score of both runs in a sample; where `exchange` holds, each has the other's prediction.
    fn scores(
        &mut self,
        times: &[u32],
        exchange: impl Fn(usize) -> bool,
    ) -> (Option<f64>, Option<f64>) {
        let mut side = |second: bool| {
            let (of_first, of_second) = self.weights.split_at_mut(self.examples);
            let places = of_first.iter_mut().zip(of_second);
            for (index, ((first_run, second_run), &times)) in places.zip(times).enumerate() {
                (*first_run, *second_run) = if second != exchange(index) {
                    (0, times)
                } else {
                    (times, 0)
                };
            }
            self.sample.value(self.place, Some(&self.weights))
        };
        (side(false), side(true))
    }

    fn interval(&mut self, resamples: usize, seed: u64) -> Option<(f64, f64)> {
        let mut times = vec![0; self.examples];
        let mut differences = Vec::with_capacity(resamples);
        for resample in 0..resamples {
            draw(&mut times, seed, resample as u64);
            let (a, b) = self.scores(&times, |_| false);
            differences.extend(b.zip(a).map(|(b, a)| b - a));
        }
        percentiles(differences, resamples)
    }

    fn exchanged(&mut self, difference: f64, resamples: usize, seed: u64) -> Option<f64> {
        let ones = vec![1; self.examples];
        let mut exchange = vec![false; self.examples];
        let (mut as_large, mut defined) = (0u64, 0u64);
        for resample in 0..resamples {
            let mut rng = Rng::at(seed, Purpose::Resample, resample as u64, 1);
            exchange.fill_with(|| rng.next_u64() & 1 == 1);
            let (a, b) = self.scores(&ones, |index| exchange.get(index) == Some(&true));
            if let Some((a, b)) = a.zip(b) {
                defined += 1;
                as_large += u64::from((b - a).abs() >= difference.abs() - ROUNDING);
            }
        }
        // What was seen is one of the exchanges: a probability of 0 can't be found by drawing.
        (defined > 0).then(|| (as_large + 1) as f64 / (defined + 1) as f64)
    }
}

fn same_examples(first: &[Row], second: &[Row]) -> Result<(), MetricsError> {
    if first.len() != second.len() {
        return Err(MetricsError::Compare(format!(
            "one run has {} examples, the other {}; compare predictions of the same file",
            first.len(),
            second.len()
        )));
    }
    for (place, (a, b)) in first.iter().zip(second).enumerate() {
        let what = if a.id() != b.id() {
            format!("example {} in one run, {} in the other", a.id(), b.id())
        } else if !a.same_target(b) {
            format!("example {} has another target in each run", a.id())
        } else {
            continue;
        };
        return Err(MetricsError::Compare(format!(
            "row {}: {what}; compare predictions of the same file in the same order",
            place + 1
        )));
    }
    Ok(())
}

/// `right`: of the first run, then of the second.
fn mcnemar(right: &[bool]) -> McNemar {
    let (first, second) = right.split_at(right.len() / 2);
    let only = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| **a && !**b).count() as u64;
    let (only_first, only_second) = (only(first, second), only(second, first));
    McNemar {
        only_first,
        only_second,
        p_value: even_division(only_first, only_second),
    }
}

/// The two-sided probability that as few as the fewer of both fall on one side of a fair coin.
pub(crate) fn even_division(a: u64, b: u64) -> f64 {
    let (fewer, all) = (a.min(b), a + b);
    // Logarithms: 2^-n is no number for large n.
    let mut term = -(all as f64) * std::f64::consts::LN_2;
    let mut sum = 0.0;
    for count in 0..=fewer {
        sum += term.exp();
        term += ((all - count) as f64).ln() - ((count + 1) as f64).ln();
    }
    (2.0 * sum).min(1.0)
}

#[cfg(test)]
mod tests;
