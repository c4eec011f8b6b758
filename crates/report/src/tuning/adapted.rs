//! What adapting a model to text was worth: runs from the model as it was beside those from the adapted one.

use kiln_tasks::labelled::{ADAPTED, AdaptedScores, Comparison};

use super::files::{Group, Together};
use super::pairs::{probability, signed};
use crate::card::Card;
use crate::figures::title;
use crate::number::{grouped, score};
use crate::table::{Cell, NONE, Table, UNDEFINED};

/// The difference of the score that counts most, a card for each value of a grid.
pub(super) fn cards(group: &Group) -> Vec<Card> {
    let Together::Adapted(scores) = &group.scores else {
        return Vec::new();
    };
    scores.comparisons.iter().filter_map(card).collect()
}

fn card(comparison: &Comparison) -> Option<Card> {
    let main = comparison.scores.first()?;
    let shown = |value: Option<f64>| value.map_or_else(|| UNDEFINED.to_owned(), score);
    let mut label = format!("{} by adapting", title(&main.name));
    if !comparison.name.is_empty() {
        label = format!("{label}, {}", comparison.name);
    }
    let value = main.difference.map_or_else(|| UNDEFINED.to_owned(), signed);
    let p = main.p_value.map_or_else(|| NONE.to_owned(), probability);
    let detail = format!(
        "{} before, {} after; p {p}",
        shown(main.before),
        shown(main.after)
    );
    let mut card = Card::new(label, value, detail);
    card.alert = main.difference.is_none();
    Some(card)
}

/// The tables of all scores before and after; nothing while runs are missing.
pub(super) fn render(group: &Group) -> String {
    let Together::Adapted(scores) = &group.scores else {
        return String::new();
    };
    let tables = scores.comparisons.iter().map(table);
    let tables: String = tables.collect();
    let page = group.folder.path().join(ADAPTED).join("report.html");
    let link = if page.is_file() {
        let step = grouped(scores.adapted.step);
        format!(
            "<p>The model was adapted in {step} steps: <a href=\"./{ADAPTED}/report.html\">the page of that \
             run</a>.</p>\n"
        )
    } else {
        String::new()
    };
    format!("{tables}{}{link}", note(scores))
}

fn table(comparison: &Comparison) -> String {
    let mut table = Table::new(&comparison.name)
        .texts("score")
        .numbers("before")
        .numbers("after")
        .numbers("difference")
        .numbers("p of the difference");
    for found in &comparison.scores {
        let value = |value| Cell::value(value, UNDEFINED);
        let difference = found.difference;
        let row = vec![
            Cell::text(&found.name),
            value(found.before),
            value(found.after),
            Cell::number(difference.map_or_else(|| UNDEFINED.to_owned(), signed)),
            Cell::number(found.p_value.map_or_else(|| NONE.to_owned(), probability)),
        ];
        let is_main = found.name == comparison.main;
        table.push(match is_main {
            true => row.into_iter().map(Cell::strong).collect(),
            false => row,
        });
    }
    table.render()
}

/// What the numbers are.
fn note(scores: &AdaptedScores) -> String {
    let first = scores.comparisons.first();
    let pairs = first.map_or(0, |comparison| comparison.pairs.len());
    let test = first.and_then(|comparison| comparison.pairs.first()?.tests.first());
    let examples = test.map_or(0, |test| test.examples as u64);
    let several = match pairs {
        0 | 1 => String::new(),
        pairs => format!("; the means of {pairs} seeds, and twice the mean of their p"),
    };
    format!(
        "<p>Fine-tuned from the model as it was, and from the adapted one, on {} examples{several}. p: how \
         often runs whose predictions are exchanged by chance differ as much.</p>\n",
        grouped(examples)
    )
}
