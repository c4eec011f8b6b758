//! A record of a file, whatever the file's format, and what stands in its fields.

use std::borrow::Cow;

use serde_json::Value;

/// A record longer than this is refused: a quote or a bracket was left open, most likely.
pub(super) const MAX_RECORD_BYTES: usize = 64 << 20;

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    /// The line that it begins in, from 1; a row where there are no lines.
    pub(super) line: u64,
    pub(super) content: Content,
}

/// What a record holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// The cells of a row.
    Cells(Vec<String>),
    /// An object.
    Json(Value),
    /// The words of a sentence, a line each, and their tags.
    Sentence {
        words: Vec<String>,
        tags: Option<Vec<String>>,
        /// The line of each word: comments can stand between them.
        lines: Vec<u64>,
    },
}

/// A field of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// As messages call it.
    pub(super) name: String,
    pub(super) key: Key,
}

/// How a field is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// The place of a cell.
    Cell(usize),
    /// A key, or keys with dots between them.
    Path(String),
}

/// What stands in a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'a> {
    /// Nothing: no such field, or null.
    Nothing,
    /// A cell of a table.
    Text(&'a str),
    /// A value that is not null.
    Json(&'a Value),
}

impl Record {
    /// What stands in a field.
    pub(super) fn cell(&self, field: &Field) -> Cell<'_> {
        match (&self.content, &field.key) {
            (Content::Cells(cells), Key::Cell(index)) => cells
                .get(*index)
                .map_or(Cell::Nothing, |cell| Cell::Text(cell)),
            (Content::Json(record), Key::Path(path)) => match find(record, path) {
                None | Some(Value::Null) => Cell::Nothing,
                Some(value) => Cell::Json(value),
            },
            _ => Cell::Nothing,
        }
    }
}

/// A key that has dots itself comes before keys with dots between them.
pub(super) fn find<'a>(record: &'a Value, path: &str) -> Option<&'a Value> {
    if let Some(value) = record.get(path) {
        return Some(value);
    }
    let dots = path.match_indices('.');
    dots.filter_map(|(dot, _)| {
        let (key, rest) = (path.get(..dot)?, path.get(dot + 1..)?);
        find(record.get(key)?, rest)
    })
    .next()
}

impl<'a> Cell<'a> {
    /// As text; nothing where there is none.
    pub(super) fn text(self) -> Result<Option<&'a str>, String> {
        match self {
            Self::Nothing => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::Json(Value::String(text)) => Ok(Some(text)),
            Self::Json(value) => Err(format!("{} in the place of a text", kind(value))),
        }
    }

    /// As the name of a label, without spaces around it; nothing where it is empty.
    pub(super) fn name(self) -> Result<Option<Cow<'a, str>>, String> {
        let name = match self {
            Self::Nothing => return Ok(None),
            Self::Text(text) => Cow::Borrowed(text.trim()),
            Self::Json(value) => {
                scalar(value).ok_or_else(|| format!("{} in the place of a label", kind(value)))?
            }
        };
        Ok((!name.is_empty()).then_some(name))
    }

    /// As a list of names: one in JSON, or those between separators in a cell.
    pub(super) fn names(self, separator: &str) -> Result<Option<Vec<String>>, String> {
        let names: Option<Vec<String>> = match self {
            Self::Nothing => return Ok(None),
            Self::Text(text) => {
                let names = text.split(separator).map(str::trim);
                Some(
                    names
                        .filter(|it| !it.is_empty())
                        .map(str::to_owned)
                        .collect(),
                )
            }
            Self::Json(Value::Array(values)) => values
                .iter()
                .map(|value| {
                    scalar(value)
                        .filter(|it| !it.is_empty())
                        .map(Cow::into_owned)
                })
                .collect(),
            Self::Json(_) => None,
        };
        let names = names.ok_or("something else than a list of labels; write [\"a\", \"b\"]")?;
        Ok(Some(names))
    }

    /// As words, or as their tags: a list in JSON, or those between blanks in a cell; nothing where there
    /// is none. `list` reads a list.
    pub(super) fn words(
        self,
        list: impl FnOnce(Self) -> Result<Option<Vec<String>>, String>,
    ) -> Result<Option<Vec<String>>, String> {
        let text = match self {
            Self::Text(text) => text,
            Self::Json(Value::String(text)) => text,
            Self::Nothing | Self::Json(_) => return list(self),
        };
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Ok((!words.is_empty()).then_some(words))
    }

    /// As texts: a list in JSON.
    pub(super) fn texts(self) -> Result<Option<Vec<String>>, String> {
        match self {
            Self::Nothing => Ok(None),
            Self::Json(Value::Array(values)) => values
                .iter()
                .map(|value| value.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .map(Some)
                .ok_or_else(|| "a list that holds something else than texts".to_owned()),
            Self::Json(value) => Err(format!("{} in the place of a list of texts", kind(value))),
            Self::Text(_) => Err(
                "a cell of a table in the place of a list; write JSON Lines, or columns".to_owned(),
            ),
        }
    }
}

/// A string, number or truth value as the name that it is as a label.
pub(super) fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text.trim())),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What a value is, for a message.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
