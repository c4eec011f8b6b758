//! Scores as tables: each beside its interval and what it is held against; classes by themselves.

use kiln_datasets::Problem;
use kiln_metrics::scores::ClassScores;
use kiln_metrics::{Score, Scores};

use crate::html::escape;
use crate::number::{self, grouped, significant};
use crate::page::side_by_side;
use crate::table::{Cell, NONE, Table, UNDEFINED};

/// Classes shown; a page of ten thousand labels is not read.
const CLASSES: usize = 200;

/// The tables of all scores and of counts, and what a reader must know.
pub(super) fn render(scores: &Scores, problem: Problem) -> String {
    let mut table = Table::new("Scores")
        .texts("score")
        .numbers("value")
        .numbers("95 % interval")
        .numbers("best single answer for all");
    for score in &scores.scores {
        let mut name = Cell::text(name(score));
        let mut value = Cell::value(score.value, UNDEFINED);
        if score.name == scores.main {
            (name, value) = (name.strong(), value.strong());
        }
        let interval = Cell::number(interval(score).unwrap_or_else(|| NONE.to_owned()));
        let baseline = Cell::value(score.baseline, UNDEFINED);
        table.push(vec![name, value, interval, baseline]);
    }
    let unit = match problem {
        Problem::Span => " Scores are per cent.",
        _ => "",
    };
    let table = table.note(format!(
        "On {} examples.{unit} In bold what decides which checkpoint is the best. Intervals: over resampled \
         examples; chance in training is not in them.",
        grouped(scores.examples as u64)
    ));
    let mut facts = Table::new("Counts and thresholds")
        .texts("name")
        .numbers("value");
    for fact in &scores.facts {
        facts.push(vec![
            Cell::text(&fact.name),
            Cell::number(plain(fact.value)),
        ]);
    }
    let tables = format!("{}{}", table.render(), facts.render());
    format!("{}{}", notes(&scores.notes), side_by_side(&tables))
}

/// A score's name, and which way is better where that is not upwards.
fn name(score: &Score) -> String {
    if score.higher_is_better {
        score.name.clone()
    } else {
        format!("{} (lower is better)", score.name)
    }
}

/// `0.81 to 0.92`.
pub(super) fn interval(score: &Score) -> Option<String> {
    score.interval.map(between)
}

/// Both ends of an interval.
pub(super) fn between((low, high): (f64, f64)) -> String {
    format!("{} to {}", number::score(low), number::score(high))
}

/// Counts without decimals.
fn plain(value: f64) -> String {
    if value.fract() == 0.0 && (0.0..9e15).contains(&value) {
        grouped(value as u64)
    } else {
        significant(value)
    }
}

/// Sentences, one below the other.
pub(super) fn notes(notes: &[String]) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let items = notes
        .iter()
        .map(|note| format!("<li>{}</li>\n", escape(note)));
    format!("<ul class=\"notes\">\n{}</ul>\n", items.collect::<String>())
}

/// The table of classes, labels or types of entities.
pub(super) fn classes(classes: &[ClassScores]) -> String {
    let mut table = Table::new("By class")
        .texts("class")
        .numbers("precision")
        .numbers("recall")
        .numbers("F1")
        .numbers("there are")
        .numbers("predicted");
    for class in classes.iter().take(CLASSES) {
        table.push(vec![
            Cell::text(&class.name),
            Cell::value(class.precision, UNDEFINED),
            Cell::value(class.recall, UNDEFINED),
            Cell::value(Some(class.f1), UNDEFINED),
            Cell::number(grouped(class.actual)),
            Cell::number(grouped(class.predicted)),
        ]);
    }
    if classes.len() > CLASSES {
        let left_out = grouped((classes.len() - CLASSES) as u64);
        table = table.note(format!("and {left_out} more, in the run's scores.json"));
    }
    table.render()
}
