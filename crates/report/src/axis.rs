//! Axes: which stretch of numbers a chart shows, and where its marks stand.

use crate::number;

/// One axis.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    log: bool,
    /// Places and words of the marks, lowest first.
    pub(crate) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// The axis of steps, from 0 to `last`, which need not be a mark.
    pub(crate) fn steps(last: u64) -> Self {
        let high = last.max(1) as f64;
        let step = nice_step(high, 5).max(1.0);
        let ticks = multiples(0.0, high, step)
            .map(|value| (value, number::tick(value, step, high)))
            .collect();
        Self {
            low: 0.0,
            high,
            log: false,
            ticks,
        }
    }

    /// A linear axis that starts and ends at a mark and holds all `values` but far outliers.
    pub(crate) fn linear(values: &[f64], from_zero: bool) -> Self {
        let (mut low, mut high) = limits(values, false).unwrap_or((0.0, 1.0));
        if from_zero {
            low = low.min(0.0);
            high = high.max(0.0);
        }
        if high - low <= 1e-9 * high.abs().max(low.abs()) {
            // A constant: in the middle, or above the zero line.
            let margin = if high == 0.0 { 1.0 } else { 0.1 * high.abs() };
            high += margin;
            if !from_zero {
                low -= margin;
            }
        }
        let step = nice_step(high - low, 5);
        // A value that is a mark but for its rounding doesn't get another mark beyond.
        let (low, high) = (
            (low / step + 1e-9).floor() * step,
            (high / step - 1e-9).ceil() * step,
        );
        let largest = high.abs().max(low.abs());
        let ticks = multiples(low, high, step)
            .map(|value| (value, number::tick(value, step, largest)))
            .collect();
        Self {
            low,
            high,
            log: false,
            ticks,
        }
    }

    /// A logarithmic axis that holds all positive `values` but far outliers.
    pub(crate) fn logarithmic(values: &[f64]) -> Self {
        let (low, high) = limits(values, true).unwrap_or((1.0, 10.0));
        // Half a bel of room where the values do not fill more than that.
        let (low, high) = if high / low < 1.2 {
            (low / 1.5, high * 1.5)
        } else {
            (low, high)
        };
        let candidates: Vec<f64> = ((low.log10().floor() as i32)..=(high.log10().ceil() as i32))
            .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)))
            .collect();
        let low = candidates
            .iter()
            .copied()
            .rfind(|&c| c <= low * 1.0001)
            .unwrap_or(low);
        let high = candidates
            .iter()
            .copied()
            .find(|&c| c >= high * 0.9999)
            .unwrap_or(high);
        let decades = (high / low).log10();
        let ticks = candidates
            .into_iter()
            .filter(|&c| (low..=high).contains(&c))
            .filter(|&c| decades < 2.2 || is_power(c, if decades < 7.0 { 1 } else { 3 }))
            .map(|value| (value, number::log_tick(value)))
            .collect();
        Self {
            low,
            high,
            log: true,
            ticks,
        }
    }

    /// Where `value` lies, 0 at the low end and 1 at the high end, or beyond them.
    pub(crate) fn place(&self, value: f64) -> f64 {
        if self.log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    /// Whether `value` is on the axis.
    pub(crate) fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// The lowest and highest of `values`, without what lies so far out that the rest would be a line:
/// one broken step must not hide a hundred thousand good ones.
fn limits(values: &[f64], log: bool) -> Option<(f64, f64)> {
    // Beyond 1e±300 the axis' own arithmetic would leave the range of numbers.
    let usable = |value: f64| value.abs() < 1e300 && (!log || value > 1e-300);
    let mut sorted: Vec<f64> = values
        .iter()
        .filter(|&&value| usable(value))
        .map(|&value| if log { value.ln() } else { value })
        .collect();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| {
        sorted
            .get(((sorted.len().max(1) - 1) as f64 * share).round() as usize)
            .copied()
    };
    let (low, high, inner_low, inner_high) = (at(0.0)?, at(1.0)?, at(0.02)?, at(0.98)?);
    let spread = inner_high - inner_low;
    let (mut low, mut high) = (low, high);
    if spread > 0.0 {
        if high > inner_high + 8.0 * spread {
            high = inner_high + spread;
        }
        if low < inner_low - 8.0 * spread {
            low = inner_low - spread;
        }
    }
    Some(if log {
        (low.exp(), high.exp())
    } else {
        (low, high)
    })
}

/// The distance 1, 2, 2.5 or 5 times a power of ten that gives about `count` marks over `span`.
fn nice_step(span: f64, count: usize) -> f64 {
    let rough = span / count as f64;
    let power = 10f64.powf(rough.log10().floor());
    let digit = rough / power;
    let nice = [1.0, 2.0, 2.5, 5.0]
        .into_iter()
        .find(|&nice| digit <= nice * 1.0001);
    nice.unwrap_or(10.0) * power
}

/// The multiples of `step` from `low` to `high`.
fn multiples(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (low / step - 1e-9).ceil();
    let count = ((high / step + 1e-9).floor() - first).clamp(0.0, 20.0) as u32;
    (0..=count).map(move |index| (first + f64::from(index)) * step)
}

/// Whether `value` is ten to a multiple of `every`.
fn is_power(value: f64, every: i32) -> bool {
    let power = value.log10();
    (power - power.round()).abs() < 1e-9 && (power.round() as i32) % every == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, word)| word.as_str()).collect()
    }

    #[test]
    fn marks_are_round_and_few() {
        assert_eq!(
            words(&Axis::linear(&[2.1, 10.4], false)),
            ["2", "4", "6", "8", "10", "12"]
        );
        assert_eq!(
            words(&Axis::linear(&[0.0, 1e-4], true)),
            ["0", "2e-5", "4e-5", "6e-5", "8e-5", "1e-4"]
        );
        assert_eq!(
            words(&Axis::steps(2000)),
            ["0", "500", "1,000", "1,500", "2,000"]
        );
        assert_eq!(words(&Axis::steps(1)), ["0", "1"]);
        assert_eq!(
            words(&Axis::logarithmic(&[3.0, 40_000.0])),
            ["10", "100", "1,000", "10k"]
        );
    }

    #[test]
    fn one_far_outlier_leaves_the_others_readable() {
        let mut values: Vec<f64> = (0..1000).map(|i| 2.0 + f64::from(i % 10) / 10.0).collect();
        values.push(1e12);
        let axis = Axis::linear(&values, false);
        assert!(axis.holds(2.9) && !axis.holds(1e12));
        assert!(axis.place(2.9) - axis.place(2.0) > 0.3, "{axis:?}");
    }

    #[test]
    fn constants_and_nothing_make_an_axis_that_holds_them() {
        for value in [0.0, 5.0, -3.0, 1e-30, 1e30] {
            let axis = Axis::linear(&[value], false);
            assert!(
                axis.holds(value) && axis.place(value).is_finite(),
                "{value}: {axis:?}"
            );
        }
        assert!(Axis::linear(&[f64::NAN], true).ticks.len() > 1);
        assert!(Axis::logarithmic(&[0.0, -1.0]).ticks.len() > 1);
        assert!(Axis::logarithmic(&[5.0, 5.0]).holds(5.0));
    }
}
