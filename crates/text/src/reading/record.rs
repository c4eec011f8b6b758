//! The text in one record of JSON.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Keys of a record that a message names.
const KEYS_SHOWN: usize = 6;

/// The text of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) text: String,
    /// Halves of surrogate pairs that became U+FFFD, since they are no characters.
    pub(super) replaced: u64,
}

/// Why a record has no text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    /// Where in the record, from 1.
    pub(super) line: usize,
    /// Where in that line, in bytes from 1.
    pub(super) column: usize,
    pub(super) reason: String,
    pub(super) flaw: Flaw,
}

/// What a record without text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// No JSON, or too much of it.
    Broken,
    /// JSON without the field.
    NoField,
    /// A record with something else than a string in the field.
    NoString,
}

/// The text in the field `field` of a record: a key, or keys with dots between them for objects in
/// objects. A key that has such dots itself comes first.
///
/// NaN and infinities are tolerated, as Python writes them, and so are halves of surrogate pairs.
pub(super) fn text_of(record: &str, field: &str) -> Result<Text, Bad> {
    let record = record.trim_end();
    match parse(record, field) {
        Err(bad) if bad.flaw == Flaw::Broken => {
            // Once more: most records have no such words, and searching for them takes time.
            match without_bare_words(record) {
                Cow::Borrowed(_) => Err(bad),
                Cow::Owned(record) => parse(&record, field).map_err(|bad| Bad {
                    reason: bad
                        .reason
                        .replace("the number 0 in", "NaN or an infinity in"),
                    ..bad
                }),
            }
        }
        result => result,
    }
}

/// The text of a record that is nothing but a string.
pub(super) fn string_of(record: &str) -> Result<Text, Bad> {
    let mut deserializer = serde_json::Deserializer::from_str(record.trim_end());
    TextSeed
        .deserialize(&mut deserializer)
        .and_then(|text| deserializer.end().map(|()| text))
        .map_err(|error| bad(&error))
}

fn parse(record: &str, field: &str) -> Result<Text, Bad> {
    let mut deserializer = serde_json::Deserializer::from_str(record);
    let found = Seek { field }
        .deserialize(&mut deserializer)
        .and_then(|found| deserializer.end().map(|()| found))
        .map_err(|error| bad(&error))?;
    let lacks = |reason: String| Bad {
        line: record.lines().count().max(1),
        column: record.lines().last().map_or(1, |line| line.len().max(1)),
        reason,
        flaw: Flaw::NoField,
    };
    match found {
        Found::Text(text) => Ok(text),
        Found::Nothing(keys) if keys.is_empty() => Err(lacks(format!(
            "the record has no field \"{field}\": it is empty"
        ))),
        Found::Nothing(keys) => {
            let more = if keys.len() > KEYS_SHOWN { ", …" } else { "" };
            let shown = keys.get(..KEYS_SHOWN.min(keys.len())).unwrap_or_default();
            Err(lacks(format!(
                "the record has no field \"{field}\" (it has {}{more})",
                shown.join(", ")
            )))
        }
        Found::NoObject(kind) => Err(lacks(format!(
            "{kind} in the place of a record, which is an object"
        ))),
    }
}

fn bad(error: &serde_json::Error) -> Bad {
    let message = error.to_string();
    // The place stands at the end; it is told with the file's.
    let message = message
        .rsplit_once(" at line ")
        .map_or(&*message, |it| it.0);
    let reason = match message {
        "expected value" => "this is no JSON".to_owned(),
        "key must be a string" => "a key without double quotes".to_owned(),
        "trailing characters" => "something follows behind the record".to_owned(),
        _ => match (
            message.strip_prefix("EOF while parsing "),
            other_type(message),
        ) {
            (Some(what), _) => format!("the record ends inside of {what}"),
            (None, Some(what)) => format!("{what} in the place of a string"),
            (None, None) => message.to_owned(),
        },
    };
    Bad {
        line: error.line().max(1),
        column: error.column().max(1),
        reason,
        flaw: if error.is_data() {
            Flaw::NoString
        } else {
            Flaw::Broken
        },
    }
}

/// What stands where a string should, in words.
fn other_type(message: &str) -> Option<String> {
    let what = message.strip_prefix("invalid type: ")?;
    let what = what.strip_suffix(", expected a string")?;
    let (kind, value) = what.split_once(' ').unwrap_or((what, ""));
    let value = value.trim_start_matches("point ").trim_matches('`');
    Some(match kind {
        "integer" | "floating" => format!("the number {value}"),
        "boolean" => value.to_owned(),
        "map" => "an object".to_owned(),
        _ => what.to_owned(),
    })
}

/// What a record holds at a field.
enum Found {
    Text(Text),
    /// An object with these keys, and the field is not among them.
    Nothing(Vec<String>),
    NoObject(&'static str),
}

/// Looks for a field in a value.
struct Seek<'f> {
    field: &'f str,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Found;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut keys = Vec::new();
        let mut exact = None;
        let mut nested = None;
        while let Some(key) = map.next_key_seed(TextSeed)? {
            let key = key.text;
            let inner = self
                .field
                .strip_prefix(key.as_str())
                .and_then(|rest| rest.strip_prefix('.'));
            if key == self.field {
                exact = Some(map.next_value_seed(TextSeed)?);
                continue;
            }
            match inner {
                Some(field) => match map.next_value_seed(Seek { field })? {
                    Found::Text(text) => nested = Some(text),
                    Found::Nothing(inner) => {
                        keys.extend(inner.iter().map(|it| format!("{key}.{it}")));
                    }
                    Found::NoObject(_) => keys.push(key),
                },
                None => {
                    map.next_value::<IgnoredAny>()?;
                    if keys.len() <= KEYS_SHOWN {
                        keys.push(key);
                    }
                }
            }
        }
        Ok(match exact.or(nested) {
            Some(text) => Found::Text(text),
            None => Found::Nothing(keys),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::NoObject("a list"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Found, E> {
        Ok(Found::NoObject("a string"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found, E> {
        Ok(Found::NoObject("true or false"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Found, E> {
        Ok(Found::NoObject("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Found, E> {
        Ok(Found::NoObject("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found, E> {
        Ok(Found::NoObject("a number"))
    }

    fn visit_unit<E>(self) -> Result<Found, E> {
        Ok(Found::NoObject("null"))
    }
}

/// A string that has to be one, with halves of surrogate pairs in it or without.
struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Text;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text, D::Error> {
        // As bytes, since only these may have halves of surrogate pairs.
        deserializer.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Text;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text, E> {
        Ok(without_half_pairs(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Text, A::Error> {
        Err(A::Error::custom("a list in the place of a string"))
    }
}

/// Text of bytes that are UTF-8 but for surrogates.
fn without_half_pairs(bytes: &[u8]) -> Text {
    let mut text = String::with_capacity(bytes.len());
    let mut replaced = 0;
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return Text { text, replaced };
            }
            Err(error) => {
                let (valid, invalid) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(valid));
                text.push(char::REPLACEMENT_CHARACTER);
                replaced += 1;
                // A surrogate has three bytes; nothing else can be invalid here.
                rest = invalid.get(3..).unwrap_or_default();
            }
        }
    }
}

/// The text with `NaN`, `Infinity` and `-Infinity`, as Python writes them, made numbers; outside of
/// strings, and of the same length, so that places stay what they were.
pub(super) fn without_bare_words(text: &str) -> Cow<'_, str> {
    if !text.contains("NaN") && !text.contains("Infinity") {
        return Cow::Borrowed(text);
    }
    let mut bytes = text.as_bytes().to_vec();
    let mut is_changed = false;
    let mut is_string = false;
    let mut place = 0;
    while let Some(&byte) = bytes.get(place) {
        if is_string {
            match byte {
                b'\\' => place += 1,
                b'"' => is_string = false,
                _ => {}
            }
        } else if byte == b'"' {
            is_string = true;
        } else {
            let rest = bytes.get(place..).unwrap_or_default();
            let word = ["NaN", "-Infinity", "Infinity"]
                .into_iter()
                .find(|word| rest.starts_with(word.as_bytes()));
            if let Some(word) = word
                && let Some(found) = bytes.get_mut(place..place + word.len())
            {
                found.fill(b' ');
                if let Some(first) = found.first_mut() {
                    *first = b'0';
                }
                is_changed = true;
            }
        }
        place += 1;
    }
    match String::from_utf8(bytes) {
        Ok(changed) if is_changed => Cow::Owned(changed),
        _ => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(record: &str, field: &str) -> Result<String, String> {
        text_of(record, field)
            .map(|it| it.text)
            .map_err(|bad| format!("{}:{}: {}", bad.line, bad.column, bad.reason))
    }

    #[test]
    fn a_field_is_a_key_or_a_way_of_keys_and_a_key_with_dots_comes_first() {
        let cases = [
            ("{\"text\": \"a\"}", "text", "a"),
            ("{\"x\": {\"text\": \"b\"}, \"text\": \"a\"}", "text", "a"),
            (
                "{\"meta\": {\"body\": {\"en\": \"a\"}}}",
                "meta.body.en",
                "a",
            ),
            ("{\"a.b\": \"a\", \"a\": {\"b\": \"b\"}}", "a.b", "a"),
            ("{\"a\": {\"b\": \"b\"}, \"a.b\": \"a\"}", "a.b", "a"),
            ("{\"a.b\": {\"c\": \"a\"}}", "a.b.c", "a"),
            ("{\"a\": {\"b.c\": \"a\"}}", "a.b.c", "a"),
            ("{\"a\": {\"x\": 1}, \"a.b\": {\"c\": \"a\"}}", "a.b.c", "a"),
            // As Python's: the last of the same keys.
            ("{\"text\": \"b\", \"text\": \"a\"}", "text", "a"),
            ("{\"\": \"a\"}", "", "a"),
            ("{\"te\\u0078t\": \"\\u0061\"}", "text", "a"),
        ];
        for (record, field, expected) in cases {
            assert_eq!(text(record, field).as_deref(), Ok(expected), "{record}");
        }
    }

    #[test]
    fn what_python_writes_is_read() {
        let record = "{\"a\": NaN, \"b\": [-Infinity, Infinity], \"text\": \"NaN \\\" Infinity\"}";
        assert_eq!(text(record, "text").as_deref(), Ok("NaN \" Infinity"));

        let half = text_of("{\"text\": \"a \\ud83d b \\udc00\"}", "text").unwrap();
        assert_eq!(
            (half.text.as_str(), half.replaced),
            ("a \u{fffd} b \u{fffd}", 2)
        );
        let pair = text_of("{\"text\": \"\\ud83d\\ude00\"}", "text").unwrap();
        assert_eq!((pair.text.as_str(), pair.replaced), ("\u{1f600}", 0));
        let other = "{\"\\ud83d\": \"\\ud83d\", \"text\": \"a\"}";
        assert_eq!(
            text(other, "text").as_deref(),
            Ok("a"),
            "in others it is passed over"
        );
    }

    #[test]
    fn a_record_without_text_is_told_in_words_with_its_place() {
        let cases = [
            (
                "{\"title\": \"a\", \"id\": 3}",
                "1:23: the record has no field \"text\" (it has title, id)",
            ),
            ("{}", "1:2: the record has no field \"text\": it is empty"),
            ("{\"text\": null}", "1:13: null in the place of a string"),
            (
                "{\"text\": 3}",
                "1:10: the number 3 in the place of a string",
            ),
            (
                "{\"text\": [\"a\"]}",
                "1:10: a list in the place of a string",
            ),
            (
                "{\"text\": NaN}",
                "1:10: NaN or an infinity in the place of a string",
            ),
            ("{\"text\": {}}", "1:9: an object in the place of a string"),
            ("{\"text\": true}", "1:13: true in the place of a string"),
            (
                "{\"text\": 1.5}",
                "1:12: the number 1.5 in the place of a string",
            ),
            (
                "[\"a\"]",
                "1:5: a list in the place of a record, which is an object",
            ),
            (
                "\"a\"",
                "1:3: a string in the place of a record, which is an object",
            ),
            ("plain", "1:1: this is no JSON"),
            ("{'text': 'a'}", "1:2: a key without double quotes"),
            ("{\"text\": \"a", "1:11: the record ends inside of a string"),
            (
                "{\"text\": \"a\"\n",
                "1:12: the record ends inside of an object",
            ),
            (
                "{\"text\": \"a\"} b",
                "1:15: something follows behind the record",
            ),
            (
                "{\n \"text\": 3\n}",
                "2:10: the number 3 in the place of a string",
            ),
        ];
        for (record, expected) in cases {
            assert_eq!(text(record, "text"), Err(expected.to_owned()), "{record}");
        }
        let nested = text("{\"a\": {\"b\": \"x\"}}", "a.c").unwrap_err();
        assert!(nested.contains("no field \"a.c\" (it has a.b)"), "{nested}");
    }
}
