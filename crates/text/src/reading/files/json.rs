//! Whether a file holds JSON, and how its records stand in it: by its first bytes, and by its name
//! where they leave a choice.

use serde::de::IgnoredAny;

use crate::reading::record;

/// How records stand in a file of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reading) enum JsonForm {
    /// One a line.
    Lines,
    /// All records stand in one list.
    List,
    /// One after the other, over any number of lines.
    Values,
}

/// Endings of names that promise JSON.
const NAMES: [&str; 5] = ["json", "jsonl", "ndjson", "jsonlines", "jl"];

/// Whether a name with that ending, in lower case, promises JSON.
pub(super) fn is_named(extension: &str) -> bool {
    NAMES.contains(&extension)
}

/// The form of what begins with `head`; nothing if it is prose. Prose may begin with a bracket as
/// well, so without a name that promises JSON it takes a whole record, or a start that goes on as one
/// to the end of `head`.
pub(super) fn form(head: &str, is_whole: bool, is_named: bool) -> Option<JsonForm> {
    let text = head.trim_start();
    let first = text.chars().next();
    if !matches!(first, Some('{' | '[')) {
        return is_named.then_some(JsonForm::Lines);
    }
    let inner = text.get(1..).unwrap_or_default().trim_start();
    let begins_as_record = match first {
        Some('{') => inner.starts_with('"'),
        _ => {
            let second = inner.strip_prefix('{').map(str::trim_start);
            inner.starts_with('"') || second.is_some_and(|it| it.starts_with('"'))
        }
    };
    if !is_named && !begins_as_record {
        return None;
    }
    let value = first_value(text);
    let length = match value {
        Value::Whole(length) => length,
        Value::Cut if !is_whole => text.len(),
        // Too damaged to tell: its name says that it is JSON, its first line how.
        Value::Cut | Value::None if is_named => {
            let line = text.lines().next().unwrap_or_default().trim_end();
            return Some(match line {
                "{" => JsonForm::Values,
                "[" => JsonForm::List,
                _ if line.starts_with('[') && !line.ends_with(']') => JsonForm::List,
                _ => JsonForm::Lines,
            });
        }
        Value::Cut | Value::None => return None,
    };
    let (value, rest) = text.split_at_checked(length)?;
    let after = rest.trim_start().chars().next();
    let rest_of_line = rest.find('\n').map_or(rest, |end| rest.split_at(end).0);
    let goes_on = matches!(after, Some('{' | '['));
    if !is_named && after.is_some() && !(first == Some('{') && after == first) {
        return None;
    }
    Some(if first == Some('[') {
        // A list on every line: no records, and told so by the line.
        if goes_on && !value.contains('\n') {
            JsonForm::Lines
        } else {
            JsonForm::List
        }
    } else if value.contains('\n') || (goes_on && !rest_of_line.trim().is_empty()) {
        JsonForm::Values
    } else {
        JsonForm::Lines
    })
}

enum Value {
    /// The value ends after so many bytes.
    Whole(usize),
    /// The text ends before it does.
    Cut,
    /// There is none.
    None,
}

fn first_value(text: &str) -> Value {
    let tolerant = record::without_bare_words(text);
    let mut values = serde_json::Deserializer::from_str(&tolerant).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => Value::Whole(values.byte_offset()),
        Some(Err(error)) if error.is_eof() => Value::Cut,
        _ => Value::None,
    }
}

/// The records in `head` that are whole.
pub(super) fn records(head: &str, form: JsonForm) -> impl Iterator<Item = &str> {
    let mut before = (form == JsonForm::List).then_some('[');
    let mut rest = head;
    std::iter::from_fn(move || {
        let text = rest.trim_start();
        let text = match before {
            Some(mark) => text.strip_prefix(mark)?.trim_start(),
            None => text,
        };
        before = before.and(Some(','));
        let Value::Whole(length) = first_value(text) else {
            return None;
        };
        let record;
        (record, rest) = text.split_at_checked(length)?;
        Some(record)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_its_first_record_and_prose_with_brackets_is_prose() {
        use JsonForm::{Lines, List, Values};
        let cases: [(&str, Option<JsonForm>, Option<JsonForm>); 22] = [
            // The text, its form under another name, and under one that promises JSON.
            (
                "{\"text\": \"a\"}\n{\"text\": \"b\"}\n",
                Some(Lines),
                Some(Lines),
            ),
            (" \n{\"text\": \"a\", \"x\": NaN}", Some(Lines), Some(Lines)),
            ("{\n  \"text\": \"a\"\n}\n{\n", Some(Values), Some(Values)),
            (
                "{\"text\": \"a\"} {\"text\": \"b\"}",
                Some(Values),
                Some(Values),
            ),
            ("[{\"text\": \"a\"}]", Some(List), Some(List)),
            ("[\n  {\"text\": \"a\"},", None, Some(List)),
            ("[\"a\", \"b\"]\n", Some(List), Some(List)),
            ("[]", None, Some(List)),
            ("", None, Some(Lines)),
            ("plain", None, Some(Lines)),
            ("\"a\" is a letter", None, Some(Lines)),
            ("{x} is a set", None, Some(Lines)),
            ("{} is empty", None, Some(Lines)),
            ("{\"a\"} is a set", None, Some(Lines)),
            ("{\"a\": 1} is a set", None, Some(Lines)),
            ("{\"a\":", None, Some(Lines)),
            ("{", None, Some(Values)),
            ("[1] Smith, J. (1990)", None, Some(List)),
            ("[citation needed]", None, Some(Lines)),
            ("[\"Sic\"] he wrote.", None, Some(List)),
            ("[\"a\"]\n[\"b\"]\n", None, Some(Lines)),
            ("{'text': 'a'}", None, Some(Lines)),
        ];
        for (text, other, named) in cases {
            assert_eq!(form(text, true, false), other, "{text:?}");
            assert_eq!(form(text, true, true), named, "{text:?}, named");
        }
        // A head that ends in the middle of a long record.
        let long = format!("{{\"text\": \"{}", "a ".repeat(4000));
        assert_eq!(form(&long, false, false), Some(Lines));
        let long = format!("[\n{{\"text\": \"{}", "a ".repeat(4000));
        assert_eq!(form(&long, false, false), Some(List));
    }
}
