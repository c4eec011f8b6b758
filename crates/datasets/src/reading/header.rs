//! Whether the first line of a table names its columns.

use std::collections::BTreeSet;

use super::columns::is_known;
use super::spec::{Column, DatasetSpec};
use crate::Task;

/// A label that many rows share is one; with fewer rows nothing is told by them.
const ROWS_THAT_TELL: usize = 10;

/// Whether `first` is a header, above rows of which `rest` are some, and why.
pub(super) fn is_header(
    spec: &DatasetSpec,
    first: &[String],
    rest: &[&[String]],
) -> (bool, &'static str) {
    if let Some(header) = spec.header {
        return (header, "as given");
    }
    let columns = &spec.columns;
    let mut given = columns.labels.iter().chain(&columns.endings).chain(
        [&columns.text, &columns.second, &columns.id]
            .into_iter()
            .flatten(),
    );
    if given.any(|column| matches!(column, Column::Name(_))) {
        return (true, "columns are given by name");
    }
    let column = |index: usize| rest.iter().filter_map(move |row| row.get(index));
    let is_name = |(index, cell): (usize, &String)| {
        is_known(cell, spec.glue) && column(index).all(|other| other != cell)
    };
    if first.iter().enumerate().any(is_name) {
        return (true, "it has names that columns have");
    }
    let label = match columns.labels.first() {
        Some(Column::Number(number)) => number.checked_sub(1),
        _ if first.len() == 2 => Some(1),
        _ => None,
    };
    let Some((index, cell)) = label.and_then(|index| Some((index, first.get(index)?))) else {
        return (false, "it has no names that columns have");
    };
    let cell = cell.trim();
    let labels: BTreeSet<&str> = column(index).map(|label| label.trim()).collect();
    if labels.contains(cell) {
        return (false, "its label is that of other lines");
    }
    let is_number = |text: &str| text.parse::<f64>().is_ok();
    if !labels.is_empty() && labels.iter().all(|it| is_number(it)) {
        let why = "the labels are numbers below it";
        return if is_number(cell) {
            (false, "its label is a number")
        } else {
            (true, why)
        };
    }
    // A rare label can stand first: all cells have to look like names, and every text not.
    let repeats = rest.len() >= ROWS_THAT_TELL && labels.len() * 2 <= rest.len();
    let others_are_texts = first.iter().enumerate().all(|(cell, _)| {
        cell == index || column(cell).filter(|it| is_short(it)).count() * 10 <= rest.len()
    });
    let looks_so = first.iter().all(|cell| is_short(cell)) && others_are_texts;
    if spec.task == Task::Classify && repeats && looks_so {
        return (
            true,
            "its label is of no other line, and its cells look like names",
        );
    }
    (false, "it has no names that columns have")
}

/// A word or two without punctuation.
fn is_short(cell: &str) -> bool {
    let cell = cell.trim();
    let is_word = |char: char| char.is_alphanumeric() || "_#- ".contains(char);
    !cell.is_empty() && cell.split_whitespace().count() <= 2 && cell.chars().all(is_word)
}
