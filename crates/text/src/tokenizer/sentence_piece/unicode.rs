//! Unicode's normalisations of many short texts.

use tokenizers::{NormalizedString, Normalizer};

/// Stands between the texts, and stays there: a noncharacter, which no normalisation touches.
const BETWEEN: char = '\u{fdd1}';

/// Each text normalised. In one go: one by one takes some ten times longer.
///
/// # Errors
/// If the normaliser fails.
pub(super) fn apply_all<T: AsRef<str>>(
    normalizer: &impl Normalizer,
    texts: impl IntoIterator<Item = T>,
) -> Result<Vec<String>, String> {
    let mut joined = String::new();
    let mut count = 0;
    for text in texts {
        joined.push_str(text.as_ref());
        joined.push(BETWEEN);
        count += 1;
    }
    let mut normalized = NormalizedString::from(joined);
    normalizer
        .normalize(&mut normalized)
        .map_err(|reason| reason.to_string())?;
    let all: Vec<String> = normalized
        .get()
        .split_terminator(BETWEEN)
        .map(str::to_string)
        .collect();
    if all.len() == count {
        Ok(all)
    } else {
        Err("a text holds U+FDD1, which is no character".to_string())
    }
}
