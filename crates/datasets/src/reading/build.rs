//! Records to examples whose labels are names still.

use serde_json::Value;

use super::columns::{Fields, partners};
use super::questions;
use super::raw::{Raw, RawTarget, at};
use super::record::{Cell, Content, Field, Key, Record};
use super::spec::DatasetSpec;
use crate::{Input, Task};

/// What a record is read by.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) spec: &'a DatasetSpec,
    pub(super) fields: &'a Fields,
    pub(super) class_names: Option<&'a [String]>,
    pub(super) needs_labels: bool,
}

impl Context<'_> {
    /// The example of a record.
    ///
    /// # Errors
    /// The line where it is not the record's, and what is wrong, column first.
    pub(super) fn example(&self, mut record: Record) -> Result<Raw, String> {
        let id = match &self.fields.id {
            Some(field) => record.cell(field).name().map_err(at(field))?,
            None => None,
        };
        let id = id.map(|id| id.into_owned());
        let line = record.line;
        let word_lines = match &mut record.content {
            Content::Sentence { lines, .. } => std::mem::take(lines),
            _ => Vec::new(),
        };
        let (input, target) = match self.spec.task {
            Task::Classify => (self.texts(&record)?, self.labels(&record)?),
            Task::Regress => (self.texts(&record)?, self.numbers(&record)?),
            Task::Tag => self.words(record)?,
            Task::Qa => questions::flat(self.fields, &record)?,
            Task::Choose => self.choices(&record)?,
        };
        let target = match target {
            None if self.needs_labels => return Err(self.unlabelled()),
            target => target,
        };
        Ok(Raw {
            id,
            line,
            word_lines,
            input,
            target,
        })
    }

    fn unlabelled(&self) -> String {
        let (what, remedy) = match self.spec.task {
            Task::Qa => ("no answers", "give them, an empty list where there is none"),
            Task::Tag => ("no tags", "give each word one"),
            _ => ("an empty label", "give it one, or leave the line out"),
        };
        match self.fields.labels.first() {
            Some(field) => format!("column {}: {what}; {remedy}", field.name),
            None => format!("{what}; {remedy}"),
        }
    }

    /// The text of a field; it can be empty where nothing is learned or scored.
    fn text(&self, record: &Record, field: &Option<Field>) -> Result<String, String> {
        let Some(field) = field else {
            return Err("no column for the text".to_owned());
        };
        let text = record.cell(field).text().map_err(at(field))?;
        match text {
            Some(text) => Ok(text.to_owned()),
            None if matches!(record.content, Content::Json(_)) => Err(format!(
                "column {}: missing; give the record a text",
                field.name
            )),
            None => Ok(String::new()),
        }
    }

    fn texts(&self, record: &Record) -> Result<Input, String> {
        let first = self.text(record, &self.fields.text)?;
        let second = match &self.fields.second {
            Some(_) => Some(self.text(record, &self.fields.second)?),
            None => {
                self.refuse_late_pair(record)?;
                None
            }
        };
        let is_empty = |text: &str| text.trim().is_empty();
        if self.needs_labels && is_empty(&first) && second.as_deref().is_none_or(is_empty) {
            let name = self.fields.text.as_ref().map_or("", |it| &it.name);
            return Err(format!(
                "column {name}: an empty text; give it one, or leave the line out"
            ));
        }
        Ok(Input::Text { first, second })
    }

    /// Records name their fields each by itself: half of a pair is not left unread because the first record
    /// is none.
    fn refuse_late_pair(&self, record: &Record) -> Result<(), String> {
        let (Content::Json(value), Some(Key::Path(first))) =
            (&record.content, self.fields.text.as_ref().map(|it| &it.key))
        else {
            return Ok(());
        };
        // Whoever names the text means it alone.
        if self.spec.columns.text.is_some() {
            return Ok(());
        }
        match partners(first).find(|second| value.get(second).is_some()) {
            None => Ok(()),
            Some(second) => Err(format!(
                "column \"{second}\": the first record lacks it, and so is no pair; name the text alone with \
                 --text {first}, or give all records both"
            )),
        }
    }

    /// The name of the label that a file numbers or names.
    fn class(&self, name: &str) -> Result<Option<String>, String> {
        let Some(names) = self.class_names.filter(|names| !names.is_empty()) else {
            return Ok(Some(name.to_owned()));
        };
        if names.iter().any(|known| known == name) {
            return Ok(Some(name.to_owned()));
        }
        match name.parse::<i64>() {
            // As the test sets of GLUE have it.
            Ok(-1) => Ok(None),
            Ok(id) => usize::try_from(id)
                .ok()
                .and_then(|id| names.get(id).cloned())
                .map(Some)
                .ok_or_else(|| format!("label {id}: the labels are 0 to {}", names.len() - 1)),
            Err(_) => Ok(Some(name.to_owned())),
        }
    }

    fn labels(&self, record: &Record) -> Result<Option<RawTarget>, String> {
        let fields = &self.fields.labels;
        if !self.spec.multi_label {
            let Some(field) = fields.first() else {
                return Ok(None);
            };
            let name = record.cell(field).name().map_err(at(field))?;
            let class = name
                .map(|name| self.class(&name))
                .transpose()
                .map_err(at(field))?;
            return Ok(class.flatten().map(RawTarget::Class));
        }
        if let [field] = fields.as_slice() {
            let separator = self.spec.separator.as_deref().unwrap_or(",");
            let names = record.cell(field).names(separator).map_err(at(field))?;
            let Some(names) = names else {
                return Ok(None);
            };
            let classes: Result<Vec<_>, _> = names.iter().map(|name| self.class(name)).collect();
            let classes = classes.map_err(at(field))?;
            return Ok(Some(RawTarget::Classes(
                classes.into_iter().flatten().collect(),
            )));
        }
        let mut classes = Vec::new();
        for field in fields {
            let name = record.cell(field).name().map_err(at(field))?;
            match name.as_deref() {
                Some("1" | "1.0" | "true" | "True") => {
                    classes.push(field.name.trim_matches('"').to_owned());
                }
                Some("0" | "0.0" | "false" | "False") => {}
                None => return Ok(None),
                Some(other) => {
                    return Err(format!(
                        "column {}: \"{other}\" in the place of 0 or 1",
                        field.name
                    ));
                }
            }
        }
        Ok((!fields.is_empty()).then_some(RawTarget::Classes(classes)))
    }

    fn numbers(&self, record: &Record) -> Result<Option<RawTarget>, String> {
        let mut numbers = Vec::new();
        for field in &self.fields.labels {
            let names = match record.cell(field) {
                Cell::Json(Value::Array(_)) => record.cell(field).names(""),
                Cell::Text(_) if self.spec.separator.is_some() => {
                    let separator = self.spec.separator.as_deref().unwrap_or(",");
                    record.cell(field).names(separator)
                }
                cell => cell.name().map(|name| name.map(|it| vec![it.into_owned()])),
            };
            let Some(names) = names.map_err(at(field))? else {
                return Ok(None);
            };
            for name in names {
                let number = name.parse().ok().filter(|number: &f32| number.is_finite());
                numbers.push(number.ok_or_else(|| {
                    let remedy = match self.spec.separator {
                        None if name.contains(|it: char| it.is_ascii_digit()) => {
                            "; where a cell holds several, --separator says what stands between them"
                        }
                        _ => "",
                    };
                    format!(
                        "column {}: \"{name}\" in the place of a number{remedy}",
                        field.name
                    )
                })?);
            }
        }
        Ok((!numbers.is_empty()).then_some(RawTarget::Numbers(numbers)))
    }

    fn words(&self, record: Record) -> Result<(Input, Option<RawTarget>), String> {
        let (words, tags) = match record.content {
            Content::Sentence { words, tags, .. } => (words, tags),
            Content::Json(_) | Content::Cells(_) => {
                let Some(field) = &self.fields.text else {
                    return Err("no column for the words".to_owned());
                };
                let words = record.cell(field).words(Cell::texts).map_err(at(field))?;
                let words = words.unwrap_or_default();
                let tags = match self.fields.labels.first() {
                    Some(field) => {
                        let tags = record.cell(field).words(|list| list.names(","));
                        tags.map_err(at(field))?
                    }
                    None => None,
                };
                (words, tags)
            }
        };
        if let Some(empty) = words.iter().position(|word| word.trim().is_empty()) {
            return Err(format!("word {}: it is empty; leave it out", empty + 1));
        }
        if self.needs_labels && words.is_empty() {
            return Err("a sentence without words; leave it out".to_owned());
        }
        let Some(tags) = tags else {
            return Ok((Input::Words(words), None));
        };
        if tags.len() != words.len() {
            return Err(format!(
                "{} words and {} tags; give each word one tag",
                words.len(),
                tags.len()
            ));
        }
        let mut named = Vec::with_capacity(tags.len());
        for tag in &tags {
            match self.class(tag)? {
                Some(tag) => named.push(tag),
                None => return Ok((Input::Words(words), None)),
            }
        }
        Ok((Input::Words(words), Some(RawTarget::Tags(named))))
    }

    fn choices(&self, record: &Record) -> Result<(Input, Option<RawTarget>), String> {
        let first = self.text(record, &self.fields.text)?;
        let mut endings = Vec::new();
        match self.fields.endings.as_slice() {
            [field] if matches!(record.content, Content::Json(_)) => {
                let texts = record.cell(field).texts().map_err(at(field))?;
                endings = texts.unwrap_or_default();
            }
            fields => {
                for field in fields {
                    let text = record.cell(field).text().map_err(at(field))?;
                    endings.push(text.unwrap_or_default().to_owned());
                }
            }
        }
        if let Some(empty) = endings.iter().position(|it| it.trim().is_empty()) {
            return Err(format!("continuation {}: it is empty", empty + 1));
        }
        if endings.len() < 2 {
            return Err(format!(
                "{} continuations; two at least are needed",
                endings.len()
            ));
        }
        if self.fields.second.is_some() {
            let begins = self.text(record, &self.fields.second)?;
            let begins = begins.trim_end();
            if !begins.is_empty() {
                endings = endings.iter().map(|it| format!("{begins} {it}")).collect();
            }
        }
        let target = match self.fields.labels.first() {
            Some(field) => match record.cell(field).name().map_err(at(field))?.as_deref() {
                None | Some("-1") => None,
                Some(name) => Some(RawTarget::Choice(choice(name, field, endings.len())?)),
            },
            None => None,
        };
        Ok((Input::Choices { first, endings }, target))
    }
}

/// A number from 0, or a letter from A.
fn choice(name: &str, field: &Field, len: usize) -> Result<usize, String> {
    let letter = match name.as_bytes() {
        [letter @ b'A'..=b'Z'] => Some(usize::from(letter - b'A')),
        _ => None,
    };
    letter
        .or_else(|| name.parse().ok())
        .filter(|choice| *choice < len)
        .ok_or_else(|| {
            format!(
                "column {}: \"{name}\" is none of the {len} continuations, which are numbered from 0",
                field.name
            )
        })
}
