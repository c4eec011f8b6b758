//! JSON as Python's `json` writes and reads it.
//!
//! Its numbers may be `NaN`, `Infinity` or `-Infinity`, which JSON does not have. They are read as
//! strings of the same letters: in a field that nobody reads they do no harm, and a field that is
//! read says by its name that it holds no number. A byte order mark is left out.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// What Python writes for numbers that are not finite.
const NOT_FINITE: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// A value from a JSON text.
///
/// # Errors
/// If the text is not JSON, or not of that type.
pub fn parse_json<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    match std::str::from_utf8(text) {
        Ok(text) => serde_json::from_str(&quoted(text)),
        // The parser's own words for it.
        Err(_) => serde_json::from_slice(text),
    }
}

/// `text` with numbers that are not finite in quotes.
fn quoted(text: &str) -> Cow<'_, str> {
    if !text.contains("NaN") && !text.contains("Infinity") {
        return text.into();
    }
    let mut result = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if first == '"' {
            string_length(rest)
        } else if let Some(word) = NOT_FINITE.iter().find(|word| rest.starts_with(**word)) {
            result.push('"');
            result.push_str(word);
            result.push('"');
            rest = rest.get(word.len()..).unwrap_or_default();
            continue;
        } else {
            first.len_utf8()
        };
        let (taken, left) = rest.split_at_checked(length).unwrap_or((rest, ""));
        result.push_str(taken);
        rest = left;
    }
    result.into()
}

/// Bytes of the string that `text` begins with, both quotes included; all of `text` if it never
/// ends.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parse(text: &str) -> Value {
        parse_json(text.as_bytes()).unwrap()
    }

    #[test]
    fn numbers_that_are_not_finite_are_strings_of_the_same_letters() {
        assert_eq!(
            parse(r#"{"a": NaN, "b": [Infinity, -Infinity, -1], "c": "NaN"}"#),
            json!({"a": "NaN", "b": ["Infinity", "-Infinity", -1], "c": "NaN"})
        );
    }

    #[test]
    fn strings_stay_as_they_are() {
        for text in [
            r#"["x NaN y", "\" NaN", "\\", "é NaN \u00e9"]"#,
            r#"{"NaN": "Infinity"}"#,
        ] {
            let expected: Value = serde_json::from_str(text).unwrap();
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_fault_and_other_faults_keep_their_lines() {
        assert_eq!(parse("\u{feff}{}"), json!({}));
        let error = parse_json::<Value>(b"{\n \"a\": NaN,\n}").unwrap_err();
        assert_eq!(error.line(), 3, "{error}");
        for text in ["NaN NaN", "\"NaN", "{\"a\": NaN", "\u{0}"] {
            assert!(parse_json::<Value>(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse_json::<Value>(b"\"\xff\"").is_err());
    }
}
