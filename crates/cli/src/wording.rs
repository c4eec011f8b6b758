//! Numbers, times and commands as a reader wants them.

use std::path::Path;
use std::time::Duration;

/// `12,345`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `4.2 s`, `3 min 12 s`, `2 h 05 min`
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `1.2 MB`
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
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

/// A path as a shell takes it.
pub(crate) fn shell(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || "/._-+=:,@%".contains(c))
        && !text.starts_with('-');
    if is_plain {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
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
    fn a_path_with_spaces_and_quotes_survives_a_shell() {
        assert_eq!(shell(Path::new("runs/bert-1")), "runs/bert-1");
        assert_eq!(shell(Path::new("my run's")), r"'my run'\''s'");
        assert_eq!(shell(Path::new("a;b")), "'a;b'");
    }
}
