//! Numbers, times and commands as a reader wants them.

use std::time::Duration;

pub(crate) use kiln_report::{grouped as count, shell};

/// From here on a number is written in powers of ten.
const LONGEST_PLAIN: f64 = 1e7;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Seconds from which a time is told in days.
const DAYS: u64 = 5 * DAY;

/// Seconds of a hundred years.
const CENTURY: u64 = 36_525 * DAY;

/// `43.144` with three decimals; what would be longer than a line is worth in powers of ten,
/// `1.00e30`.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    if value.is_nan() || value.abs() < LONGEST_PLAIN {
        format!("{value:.decimals$}")
    } else if value.is_finite() {
        format!("{value:.2e}")
    } else {
        format!("{value}")
    }
}

/// `4.2 s`, `3 min 12 s`, `2 h 05 min`, `12 d 03 h`
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..DAYS => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        DAYS..CENTURY => format!("{} d {:02} h", seconds / DAY, seconds % DAY / 3600),
        _ => "over 100 years".to_owned(),
    }
}

/// A duration in as few letters as can be: `4s`, `3m12s`, `2h05m`, `12d03h`.
pub(crate) fn brief_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..DAYS => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        DAYS..CENTURY => format!("{}d{:02}h", seconds / DAY, seconds % DAY / 3600),
        _ => ">100y".to_owned(),
    }
}

/// `1.2 MB`
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        1_000_000_000..1_000_000_000_000 => format!("{:.1} GB", bytes as f64 / 1e9),
        1_000_000_000_000..1_000_000_000_000_000 => format!("{:.1} TB", bytes as f64 / 1e12),
        _ => "over 1,000 TB".to_owned(),
    }
}

/// `12.34 %`, with as many digits as a small one needs
pub(crate) fn share(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        0.005.. => format!("{percent:.2} %"),
        _ => format!("{percent:.1e} %"),
    }
}

/// Whether a value between 0 and 1 tells how well a model does. Accuracy alone does not: a
/// discriminator that calls every token original is right nine times in ten.
pub(crate) fn is_quality(name: &str) -> bool {
    ["_accuracy", "_precision", "_recall", "_auc"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let texts = [0, 999, 1_000, 1_234_567].map(count);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_small_share_is_not_nothing() {
        assert_eq!(
            [0.2237, 0.0005, 0.000012].map(share),
            ["22.37 %", "0.05 %", "1.2e-3 %"]
        );
    }

    #[test]
    fn times_have_two_units_at_most() {
        let texts = [4.25, 59.9, 192.0, 7_500.0].map(|s| duration(Duration::from_secs_f64(s)));
        assert_eq!(texts, ["4.2 s", "59 s", "3 min 12 s", "2 h 05 min"]);
    }

    #[test]
    fn long_times_are_told_in_days_and_endless_ones_not_at_all() {
        let times = [359_940, 432_000, 1_000_000, 40_000_000_000].map(Duration::from_secs);
        let texts = times.map(duration);
        assert_eq!(
            texts,
            ["99 h 59 min", "5 d 00 h", "11 d 13 h", "over 100 years"]
        );
        assert_eq!(
            times.map(brief_duration),
            ["99h59m", "5d00h", "11d13h", ">100y"]
        );
        let short = [4, 192].map(|seconds| brief_duration(Duration::from_secs(seconds)));
        assert_eq!(short, ["4s", "3m12s"]);
    }

    #[test]
    fn numbers_that_overflow_stay_short() {
        let texts = [43.1442, -0.5, 9_999_999.0, 1e30, -2.5e9].map(|value| number(value, 3));
        assert_eq!(
            texts,
            ["43.144", "-0.500", "9999999.000", "1.00e30", "-2.50e9"]
        );
        let texts = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(|value| number(value, 1));
        assert_eq!(texts, ["NaN", "inf", "-inf"]);
    }
}
