//! Scores over runs: what is left of a difference when the seed is another.

use kiln_metrics::Summary;

use super::differences::{Difference, differences};
use super::files::{Group, Side, TunedRun};
use crate::error::ReportError;
use crate::html::escape;
use crate::number::{grouped, score};
use crate::table::{Cell, NONE, Table, UNDEFINED};

/// Settings that differ between runs and have a column.
const SETTINGS: usize = 6;

/// The table of all scores over runs, called `title`.
pub(super) fn render(
    title: &str,
    summary: &Summary,
    baseline: impl Fn(&str) -> Option<f64>,
) -> String {
    let mut table = Table::new(title)
        .texts("score")
        .numbers("mean")
        .numbers("standard deviation")
        .numbers("median")
        .numbers("lowest")
        .numbers("highest")
        .numbers("undefined in")
        .numbers("best single answer for all");
    for spread in &summary.scores {
        let value = |value| Cell::value(value, UNDEFINED);
        let mut row = vec![
            Cell::text(&spread.name),
            value(spread.mean),
            Cell::value(spread.deviation, NONE),
            value(spread.median),
            value(spread.min),
            value(spread.max),
            Cell::number(match spread.undefined {
                0 => NONE.to_owned(),
                undefined => format!("{undefined} of {}", spread.values.len()),
            }),
            Cell::value(baseline(&spread.name), NONE),
        ];
        if spread.name == summary.main {
            row = row.into_iter().map(Cell::strong).collect();
        }
        table.push(row);
    }
    let note = format!(
        "Over {} runs; the standard deviation is that of a sample.",
        summary.runs.len()
    );
    table.note(note).render()
}

/// The sides that are shown with all of their scores: two stand beside each other, of more the foremost is
/// shown.
pub(super) fn shown<'a, 'b>(group: &Group, sides: &'a [Side<'b>]) -> Vec<&'a Side<'b>> {
    match sides {
        [_] | [_, _] => sides.iter().collect(),
        sides => group.foremost(sides).into_iter().collect(),
    }
}

/// The table of a grid's settings: the score that decides, over the runs of each. Empty where each setting has
/// one run, as these have a table.
pub(super) fn settings(group: &Group, sides: &[Side<'_>]) -> String {
    let best = group.foremost(sides).map(|side| &side.name);
    let summaries = sides
        .iter()
        .filter_map(|side| Some((side, side.summary.as_ref()?)));
    let summaries: Vec<(&Side<'_>, &Summary)> = summaries.collect();
    let has_several = summaries.iter().any(|(_, summary)| summary.runs.len() > 1);
    let Some((_, first)) = summaries.first().filter(|_| has_several) else {
        return String::new();
    };
    let mut table = Table::new("Settings")
        .texts("setting")
        .numbers("runs")
        .numbers(format!("mean {}", first.main))
        .numbers("standard deviation")
        .numbers("median")
        .numbers("lowest")
        .numbers("highest");
    for (side, summary) in &summaries {
        let Some(spread) = summary.main() else {
            continue;
        };
        let value = |value| Cell::value(value, UNDEFINED);
        let mut row = vec![
            Cell::text(&side.name),
            Cell::number(grouped(summary.runs.len() as u64)),
            value(spread.mean),
            Cell::value(spread.deviation, NONE),
            value(spread.median),
            value(spread.min),
            value(spread.max),
        ];
        if best == Some(&side.name) {
            row = row.into_iter().map(Cell::strong).collect();
        }
        table.push(row);
    }
    let note = "Over the runs of each setting, other seeds or folds; bold: the best on average.";
    table.note(note).render()
}

/// The table of runs: what differs in their settings, and how each of them ended.
///
/// # Errors
/// If settings can't be shown.
pub(super) fn runs(group: &Group, sides: &[Side<'_>]) -> Result<String, ReportError> {
    let settings: Vec<_> = group.runs.iter().map(|run| &run.settings).collect();
    let mut varied = differences(&settings)?;
    // A seed stands in several places, a fold has its name.
    varied.retain(|setting| !setting.name.starts_with("data.development"));
    // So has what starts from the adapted model.
    varied.retain(|setting| !group.has_sides() || setting.name != "from.folder");
    let left_out = varied.len().saturating_sub(SETTINGS);
    varied.truncate(SETTINGS);
    let summaries = sides.iter().filter_map(|side| side.summary.as_ref());
    let summaries: Vec<&Summary> = summaries.collect();
    let main = summaries.first();
    let main = main.map_or("score", |summary| summary.main.as_str());
    let mut table = Table::new("Runs").texts("run");
    for setting in &varied {
        table = table.numbers(last_word(&setting.name));
    }
    table = table
        .numbers(main)
        .numbers("best at step")
        .numbers("lowest development loss")
        .numbers("steps")
        .texts("state");
    for (place, run) in group.runs.iter().enumerate() {
        table.push(row(run, place, &varied, &summaries));
    }
    if left_out > 0 {
        table = table.note(format!(
            "{left_out} more settings differ; they stand in config.json"
        ));
    }
    Ok(table.render())
}

fn row(run: &TunedRun, place: usize, varied: &[Difference], summaries: &[&Summary]) -> Vec<Cell> {
    let mut row = vec![link(run)];
    row.extend(
        varied
            .iter()
            .map(|setting| Cell::number(setting.values.get(place).map_or(NONE, String::as_str))),
    );
    let lowest = run.history.best_evaluation.as_ref();
    let last = run.history.last_step;
    row.extend([
        match run.main() {
            Some(score) => Cell::value(score.value, UNDEFINED),
            None => Cell::number(NONE),
        },
        Cell::number(run.best_step().map_or_else(|| NONE.to_owned(), grouped)),
        Cell::value(lowest.and_then(|lowest| lowest.get("loss")), NONE),
        Cell::number(last.map_or_else(|| NONE.to_owned(), grouped)),
        Cell::text(state(run, summaries)),
    ]);
    row
}

fn state(run: &TunedRun, summaries: &[&Summary]) -> &'static str {
    let is_collapsed = |summary: &&Summary| summary.collapsed.contains(&run.name);
    if summaries.iter().any(is_collapsed) {
        "collapsed: one answer for all"
    } else if run.best_step().is_some() {
        "finished"
    } else if run.history.last_step.is_some() {
        "not finished"
    } else {
        "not begun"
    }
}

/// The run's name, which leads to its page where it has one.
fn link(run: &TunedRun) -> Cell {
    let name = escape(&run.name);
    if !run.folder.report().is_file() {
        return Cell::html(name);
    }
    // A name is that of a folder: what a URL reads otherwise is written as its bytes.
    let address: String = run
        .name
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect();
    Cell::html(format!("<a href=\"./{address}/report.html\">{name}</a>"))
}

/// `learning_rate` of `training.optimizer.learning_rate`.
fn last_word(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// `0.81 ± 0.02`, or why not.
pub(super) fn mean_and_deviation(mean: Option<f64>, deviation: Option<f64>) -> String {
    match (mean, deviation) {
        (None, _) => UNDEFINED.to_owned(),
        (Some(mean), None) => score(mean),
        (Some(mean), Some(deviation)) => {
            format!("{} ± {}", score(mean), score(deviation))
        }
    }
}
