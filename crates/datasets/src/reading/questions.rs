//! Questions on texts: SQuAD's articles, and records of a question each.
//!
//! An answer has to stand where its file says, counted in characters (Unicode scalar values), as
//! SQuAD's makers count.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::columns::Fields;
use super::raw::{Raw, RawTarget, at};
use super::record::{Cell, Record, kind, scalar};
use crate::{Answer, Input};

#[derive(Deserialize)]
struct Article {
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    context: String,
    qas: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    id: Value,
    question: String,
    #[serde(default)]
    answers: Option<Vec<Told>>,
    #[serde(default)]
    is_impossible: bool,
}

/// An answer as the file has it.
#[derive(Deserialize)]
struct Told {
    text: String,
    answer_start: i64,
}

/// The questions of an article.
pub(super) fn article(record: Value, line: u64, needs_labels: bool) -> Result<Vec<Raw>, String> {
    let article: Article = serde_json::from_value(record)
        .map_err(|error| format!("no article of SQuAD ({error}); mend it"))?;
    let mut examples = Vec::new();
    for paragraph in article.paragraphs {
        let context: Arc<str> = Arc::from(paragraph.context);
        for question in paragraph.qas {
            let Some(id) = scalar(&question.id).filter(|id| !id.is_empty()) else {
                return Err(format!(
                    "question \"{}\": {} in the place of its id",
                    question.question,
                    kind(&question.id)
                ));
            };
            let target = match question.answers {
                _ if question.is_impossible => Some(RawTarget::Answers(Vec::new(), None)),
                Some(answers) => Some(placed(answers, &context)),
                None => None,
            };
            if needs_labels {
                let wrong = |what: &str| Err(format!("question {id}: {what}"));
                if target.is_none() {
                    return wrong("no answers; give them, an empty list where there is none");
                }
                if question.question.trim().is_empty() {
                    return wrong("its text is empty");
                }
            }
            examples.push(Raw {
                id: Some(id.into_owned()),
                line,
                word_lines: Vec::new(),
                input: Input::Question {
                    question: question.question,
                    context: Arc::clone(&context),
                },
                target,
            });
        }
    }
    Ok(examples)
}

/// The question of a record: a row of Hugging Face's data, or of a table.
pub(super) fn flat(fields: &Fields, record: &Record) -> Result<(Input, Option<RawTarget>), String> {
    let text = |field: &Option<_>, what: &str| {
        let Some(field) = field else {
            return Err(format!("no column for the {what}"));
        };
        let text = record.cell(field).text().map_err(at(field))?;
        text.ok_or_else(|| format!("column {}: missing; give the {what}", field.name))
    };
    let question = text(&fields.text, "question")?.to_owned();
    let context: Arc<str> = Arc::from(text(&fields.second, "text that may answer it")?);
    let target = answers(fields, record)?.map(|answers| placed(answers, &context));
    Ok((Input::Question { question, context }, target))
}

fn answers(fields: &Fields, record: &Record) -> Result<Option<Vec<Told>>, String> {
    let Some(field) = fields.labels.first() else {
        return Ok(None);
    };
    let shape = || {
        format!(
            "column {}: no answers; write {{\"text\": [\"…\"], \"answer_start\": [0]}}",
            field.name
        )
    };
    match (record.cell(field), fields.labels.get(1)) {
        (Cell::Nothing, _) => Ok(None),
        (Cell::Json(Value::Array(answers)), _) => answers
            .iter()
            .map(|answer| Told::deserialize(answer).ok())
            .collect::<Option<_>>()
            .map(Some)
            .ok_or_else(shape),
        (Cell::Json(Value::Object(lists)), _) => {
            let list = |key| lists.get(key).and_then(Value::as_array);
            let (Some(texts), Some(starts)) = (list("text"), list("answer_start")) else {
                return Err(shape());
            };
            if texts.len() != starts.len() {
                return Err(shape());
            }
            let told = |(text, start): (&Value, &Value)| {
                Some(Told {
                    text: text.as_str()?.to_owned(),
                    answer_start: start.as_i64()?,
                })
            };
            let told: Option<Vec<Told>> = texts.iter().zip(starts).map(told).collect();
            told.map(Some).ok_or_else(shape)
        }
        (cell, Some(start)) => {
            let text = cell.text().map_err(at(field))?.unwrap_or_default();
            let place = record.cell(start).name().map_err(at(start))?;
            match place.as_deref() {
                // A row of its own for each question: an empty answer is none.
                _ if text.is_empty() => Ok(Some(Vec::new())),
                None => Err(format!(
                    "column {}: missing; give the answer's start",
                    start.name
                )),
                Some(place) => {
                    let answer_start = place.parse().map_err(|_| {
                        format!(
                            "column {}: \"{place}\" in the place of a number",
                            start.name
                        )
                    })?;
                    let text = text.to_owned();
                    Ok(Some(vec![Told { text, answer_start }]))
                }
            }
        }
        (_, None) => Err(shape()),
    }
}

/// The answers that stand where they should. One without text says that there is none.
fn placed(told: Vec<Told>, context: &str) -> RawTarget {
    let mut wrong = None;
    let mut answers = Vec::new();
    for Told { text, answer_start } in told {
        if text.is_empty() {
            continue;
        }
        let start = usize::try_from(answer_start).ok();
        let from = start.and_then(|start| behind(context, start));
        match (start, from) {
            (Some(start), Some(from)) if from.starts_with(&text) => {
                answers.push(Answer { text, start });
            }
            _ => {
                wrong.get_or_insert_with(|| misplaced(&text, answer_start, context));
            }
        }
    }
    RawTarget::Answers(answers, wrong)
}

fn misplaced(text: &str, start: i64, context: &str) -> String {
    let shown: String = text.chars().take(60).collect();
    let found = match context.find(text) {
        Some(byte) => {
            let before = context.get(..byte).unwrap_or_default();
            format!("but at {}", before.chars().count())
        }
        None => "nor anywhere in its context".to_owned(),
    };
    format!(
        "its answer \"{shown}\" does not stand at character {start}, {found}; mend it, or leave such \
         questions out with --skip-misplaced"
    )
}

/// The text behind so many characters.
fn behind(context: &str, characters: usize) -> Option<&str> {
    let mut places = context.char_indices().map(|(byte, _)| byte);
    let byte = places.nth(characters)?;
    context.get(byte..)
}
