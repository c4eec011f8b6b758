//! Numbers as people read them.

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A value to four significant digits, e.g. `2.314`, `12,480` or `1.25e-4`.
pub(crate) fn significant(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        "not finite".to_owned()
    } else if size == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e9).contains(&size) {
        trimmed_exponent(value, 2)
    } else if size >= 1000.0 {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", grouped(size.round() as u64))
    } else {
        let decimals = (3 - size.log10().floor() as i32).max(0) as usize;
        format!("{value:.decimals$}")
    }
}

/// A score, a loss or a probability to four decimals, as the commands print them; per cent to two.
pub(crate) fn score(value: f64) -> String {
    match value.abs() {
        size if size == 0.0 || (1e-3..10.0).contains(&size) => format!("{value:.4}"),
        size if (10.0..1000.0).contains(&size) => format!("{value:.2}"),
        _ => significant(value),
    }
}

/// A count to three or four digits with its unit, e.g. `110.1 M`.
pub(crate) fn compact(count: f64) -> String {
    if !count.is_finite() {
        return "not finite".to_owned();
    }
    for (unit, sign) in [(1e12, "T"), (1e9, "B"), (1e6, "M")] {
        if count >= unit {
            let value = count / unit;
            return format!("{value:.*} {sign}", if value < 10.0 { 2 } else { 1 });
        }
    }
    grouped(count.max(0.0).round() as u64)
}

/// Seconds as `1 h 02 min`, `3 min 20 s` or `4.2 s`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    if days > 0 {
        format!("{days} d {hours:02} h")
    } else if hours > 0 {
        format!("{hours} h {minutes:02} min")
    } else {
        format!("{minutes} min {:02} s", whole % 60)
    }
}

/// The mark at `value` on an axis whose marks lie `step` apart and whose largest is `largest`.
pub(crate) fn tick(value: f64, step: f64, largest: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-2..1e12).contains(&largest) {
        return trimmed_exponent(value, 3);
    }
    for (unit, sign) in [(1e9, "G"), (1e6, "M"), (1e4, "k")] {
        if largest >= unit {
            let unit = if sign == "k" { 1e3 } else { unit };
            return format!("{:.*}{sign}", decimals(step / unit), value / unit);
        }
    }
    if value.abs() >= 1000.0 {
        return significant(value);
    }
    format!("{value:.*}", decimals(step))
}

/// The mark at `value` on a logarithmic axis.
pub(crate) fn log_tick(value: f64) -> String {
    if !(1e-3..1e6).contains(&value) {
        trimmed_exponent(value, 0)
    } else if value >= 1e4 {
        format!("{}k", grouped((value / 1e3).round() as u64))
    } else if value >= 1.0 {
        grouped(value.round() as u64)
    } else {
        format!("{value}")
    }
}

/// Decimals that tell multiples of `step` apart.
fn decimals(step: f64) -> usize {
    (0..9)
        .find(|&n| {
            let scaled = step * 10f64.powi(n as i32);
            (scaled - scaled.round()).abs() < 1e-6 * scaled
        })
        .unwrap_or(9)
}

/// `1.50e-4` as `1.5e-4`.
fn trimmed_exponent(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => {
            format!(
                "{}e{exponent}",
                mantissa.trim_end_matches('0').trim_end_matches('.')
            )
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits_whatever_their_size() {
        let shown = [0.0, 2.31449, 12_480.4, 0.000_125, 0.5, 99.999, f64::NAN].map(significant);
        assert_eq!(
            shown,
            [
                "0",
                "2.314",
                "12,480",
                "1.25e-4",
                "0.5000",
                "100.00",
                "not finite"
            ]
        );
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(compact(110_104_890.0), "110.1 M");
        assert_eq!(compact(512.0), "512");
    }

    #[test]
    fn scores_of_a_column_have_the_same_decimals() {
        let shown = [0.0, 0.05, -0.5, 1.0, 87.309_9, 1.2e-6, 31_234.5].map(score);
        assert_eq!(
            shown,
            [
                "0.0000", "0.0500", "-0.5000", "1.0000", "87.31", "1.2e-6", "31,235"
            ]
        );
    }

    #[test]
    fn durations_change_their_unit_with_their_length() {
        let shown = [4.21, 200.0, 3725.0, 90_000.0].map(duration);
        assert_eq!(shown, ["4.2 s", "3 min 20 s", "1 h 02 min", "1 d 01 h"]);
    }

    #[test]
    fn marks_of_one_axis_have_the_same_decimals() {
        assert_eq!([1.0, 2.5].map(|v| tick(v, 0.5, 2.5)), ["1.0", "2.5"]);
        assert_eq!(tick(2.5e-5, 2.5e-5, 1e-4), "2.5e-5");
        assert_eq!(tick(50_000.0, 25_000.0, 100_000.0), "50k");
        assert_eq!(
            [0.01, 0.5, 1.0, 20_000.0].map(log_tick),
            ["0.01", "0.5", "1", "20k"]
        );
    }
}
