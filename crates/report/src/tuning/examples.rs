//! Rows of predictions as rows of a table: what is right, what was said, how sure the model was.

use kiln_metrics::rows::{AnswerRow, LabelsRow, NumbersRow, Row, TagsRow};

use super::wrong::{Judge, probability_of, wrong_labels};
use crate::html::escape;
use crate::number::significant;
use crate::table::{Cell, NONE, Table, cut};

/// Characters shown of a text.
const TEXT: usize = 300;
/// Words shown of a sentence, those before the first wrong one among them.
const WORDS: usize = 60;
const WORDS_BEFORE: usize = 10;
/// Right answers shown of a question.
const ANSWERS: usize = 4;

/// The columns for rows like `row`, behind those that `table` has.
pub(super) fn columns(table: Table, row: &Row) -> Table {
    match row {
        Row::Class(_) | Row::Choice(_) => table
            .texts("is")
            .texts("predicted")
            .numbers("probability")
            .numbers("probability of the right one"),
        Row::Labels(_) => table
            .texts("is")
            .texts("predicted")
            .texts("wrong, and how sure"),
        Row::Numbers(_) => table.numbers("is").numbers("predicted").numbers("error"),
        Row::Tags(_) => table.numbers("wrong words").texts("sentence"),
        Row::Answer(_) => table
            .texts("right answers")
            .texts("answered")
            .numbers("probability"),
    }
}

/// The cells of a row under [`columns`].
pub(super) fn cells(row: &Row, judge: Judge) -> Vec<Cell> {
    let probability = |value: Option<f64>| Cell::value(value, NONE);
    match row {
        Row::Class(row) => {
            let label = row.label.as_deref().unwrap_or(NONE);
            vec![
                text(label),
                text(&row.prediction),
                probability(probability_of(&row.probabilities, &row.prediction)),
                probability(probability_of(&row.probabilities, label)),
            ]
        }
        Row::Choice(row) => {
            let at = |place: usize| row.probabilities.get(place).copied();
            let number = |place: usize| format!("continuation {}", place + 1);
            vec![
                Cell::text(row.label.map_or_else(|| NONE.to_owned(), number)),
                Cell::text(number(row.prediction)),
                probability(at(row.prediction)),
                probability(row.label.and_then(at)),
            ]
        }
        Row::Labels(row) => labels(row),
        Row::Numbers(row) => numbers(row),
        Row::Tags(row) => tags(row),
        Row::Answer(row) => answer(row, judge),
    }
}

/// What was said about an example, in one cell, to hold it against another's.
pub(super) fn said(row: &Row, judge: Judge) -> Cell {
    match row {
        Row::Class(row) => text(&row.prediction),
        Row::Choice(row) => Cell::text(format!("continuation {}", row.prediction + 1)),
        Row::Labels(row) => text(&list(&row.predictions)),
        Row::Numbers(row) => Cell::text(joined(&row.predictions)),
        Row::Tags(row) => sentence(row),
        Row::Answer(row) => nothing_or(judge.given(row)),
    }
}

/// What is right about an example, in one cell.
pub(super) fn right(row: &Row) -> Cell {
    match row {
        Row::Class(row) => text(row.label.as_deref().unwrap_or(NONE)),
        Row::Choice(row) => {
            let number = |place: usize| format!("continuation {}", place + 1);
            Cell::text(row.label.map_or_else(|| NONE.to_owned(), number))
        }
        Row::Labels(row) => text(&row.labels.as_deref().map_or_else(|| NONE.to_owned(), list)),
        Row::Numbers(row) => Cell::text(
            row.targets
                .as_deref()
                .map_or_else(|| NONE.to_owned(), joined),
        ),
        Row::Tags(row) => text(&row.words.join(" ")),
        Row::Answer(row) => right_answers(row),
    }
}

fn text(text: &str) -> Cell {
    Cell::text(cut(text, TEXT))
}

/// Names one after the other, or that there are none.
fn list(names: &[impl AsRef<str>]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    names.join(", ")
}

fn joined(numbers: &[f64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(|number| significant(*number)).collect();
    numbers.join(", ")
}

fn labels(row: &LabelsRow) -> Vec<Cell> {
    let wrong = wrong_labels(row).unwrap_or_default();
    let wrong = wrong.iter().map(|wrong| {
        let what = if wrong.given { "" } else { "not " };
        format!("{what}{} ({})", wrong.name, significant(wrong.confidence))
    });
    let labels = row.labels.as_deref().map_or_else(|| NONE.to_owned(), list);
    vec![
        text(&labels),
        text(&list(&row.predictions)),
        text(&list(&wrong.collect::<Vec<_>>())),
    ]
}

fn numbers(row: &NumbersRow) -> Vec<Cell> {
    let targets = row.targets.as_deref().unwrap_or_default();
    let errors = targets.iter().zip(&row.predictions);
    let errors: Vec<f64> = errors
        .map(|(target, prediction)| prediction - target)
        .collect();
    [targets, &row.predictions, &errors]
        .map(|numbers| Cell::number(joined(numbers)))
        .to_vec()
}

fn tags(row: &TagsRow) -> Vec<Cell> {
    let tags = row.tags.as_deref().unwrap_or_default();
    let pairs = tags.iter().zip(&row.predictions);
    let wrong = pairs.filter(|(tag, prediction)| tag != prediction).count();
    vec![
        Cell::number(format!("{wrong} of {}", row.words.len())),
        sentence(row),
    ]
}

/// The words, the wrong ones marked with their tags.
fn sentence(row: &TagsRow) -> Cell {
    let tags = row.tags.as_deref().unwrap_or_default();
    let is_wrong = |place: usize| {
        tags.get(place)
            .is_some_and(|tag| row.predictions.get(place) != Some(tag))
    };
    let first = (0..row.words.len())
        .find(|&place| is_wrong(place))
        .unwrap_or(0);
    // A sentence that fits is shown from its start.
    let start = if row.words.len() <= WORDS {
        0
    } else {
        first
            .saturating_sub(WORDS_BEFORE)
            .min(row.words.len() - WORDS)
    };
    let mut out = String::new();
    if start > 0 {
        out.push_str("… ");
    }
    for (place, word) in row.words.iter().enumerate().skip(start).take(WORDS) {
        let word = escape(&cut(word, TEXT));
        let tag = |tags: &[String]| escape(tags.get(place).map_or(NONE, String::as_str));
        if is_wrong(place) {
            out.push_str(&format!(
                "<mark>{word} <small>{} → {}</small></mark> ",
                tag(tags),
                tag(&row.predictions)
            ));
        } else {
            out.push_str(&format!("{word} "));
        }
    }
    if start + WORDS < row.words.len() {
        out.push('…');
    }
    Cell::html(out.trim_end().to_owned())
}

fn answer(row: &AnswerRow, judge: Judge) -> Vec<Cell> {
    vec![
        right_answers(row),
        nothing_or(judge.given(row)),
        Cell::value(judge.probability(row), NONE),
    ]
}

/// The right answers, each once.
fn right_answers(row: &AnswerRow) -> Cell {
    let Some(answers) = &row.answers else {
        return Cell::text(NONE);
    };
    let mut different: Vec<&str> = Vec::new();
    for answer in answers {
        if !different.contains(&answer.as_str()) {
            different.push(answer);
        }
    }
    if different.is_empty() {
        return nothing_or("");
    }
    let more = if different.len() > ANSWERS {
        " / …"
    } else {
        ""
    };
    different.truncate(ANSWERS);
    text(&format!("{}{more}", different.join(" / ")))
}

/// An answer, or that there is none.
fn nothing_or(answer: &str) -> Cell {
    if answer.is_empty() {
        return Cell::html("<em>no answer</em>".to_owned());
    }
    text(answer)
}
