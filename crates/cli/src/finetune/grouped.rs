//! What several runs score together.

use std::path::Path;

use kiln_metrics::{Scores, Summary, over_runs, score};
use kiln_tasks::labelled::{CellScores, GroupScores, PREDICTIONS, Planned, SCORES, SplitScores};

use super::folds;
use super::training::{RESAMPLES, Show, write_page};
use crate::console::Console;
use crate::failure::Failure;
use crate::labelled::dev_scores::write_json;
use crate::labelled::showing;
use crate::wording::shell;

/// Brings the scores of `runs` in the group's `folder` together: `scored`, those that were evaluated.
///
/// # Errors
/// If predictions can't be read, or a file not be written.
pub(super) fn conclude(
    folder: &Path,
    runs: &[Planned],
    scored: &[(String, Scores)],
    show: Show,
) -> Result<(), Failure> {
    let console = show.console;
    if scored.is_empty() {
        let report = write_page(folder, console);
        console.out(format_args!(
            "done; nothing was evaluated: pass --dev F or --held-out 0.1 to see what the runs are worth"
        ))?;
        return tell_page(report.as_deref(), console);
    }
    let scores = GroupScores {
        cells: cells(folder, runs, scored, console)?,
        best: best(scored),
    };
    write_json(&folder.join(SCORES), &scores)?;
    let report = write_page(folder, console);
    if show.json {
        return console.json(&scores);
    }
    tell(&scores, scored, console)?;
    tell_best(folder, runs, &scores.best, (report.as_deref(), console))
}

/// Says where the page is, and how the best run is used.
///
/// # Errors
/// If stdout is closed.
pub(super) fn tell_best(
    folder: &Path,
    runs: &[Planned],
    best: &str,
    (report, console): (Option<&Path>, Console),
) -> Result<(), Failure> {
    console.out("")?;
    tell_page(report, console)?;
    let task = runs
        .first()
        .map_or("classify", |run| run.settings.fine_tune.name());
    console.out(format_args!(
        "use the best with  kiln predict {task} --model {}",
        shell(&folder.join(best))
    ))
}

fn tell_page(report: Option<&Path>, console: Console) -> Result<(), Failure> {
    match report {
        Some(report) => console.out(format_args!("report             {}", report.display())),
        None => Ok(()),
    }
}

/// What the runs of each setting scored.
fn cells(
    folder: &Path,
    runs: &[Planned],
    scored: &[(String, Scores)],
    console: Console,
) -> Result<Vec<CellScores>, Failure> {
    let splits = in_order_of_first(runs.iter().map(|run| run.pair().to_owned())).len();
    let mut cells = Vec::new();
    for name in in_order_of_first(runs.iter().map(|run| run.cell().to_owned())) {
        let runs: Vec<&Planned> = runs.iter().filter(|run| run.cell() == name).collect();
        let of_run = |run: &&Planned| scored.iter().find(|(name, _)| *name == run.name).cloned();
        let scored: Vec<(String, Scores)> = runs.iter().filter_map(of_run).collect();
        let splits = out_of_fold(folder, &runs, splits == 1, console)?;
        let of_splits = splits.iter();
        let of_splits = of_splits.map(|split| (split.name.clone(), split.scores.clone()));
        let of_splits: Vec<(String, Scores)> = of_splits.collect();
        cells.push(CellScores {
            name,
            summary: over_runs(&scored)?,
            out_of_fold: match of_splits.as_slice() {
                [] => None,
                splits => Some(over_runs(splits)?),
            },
            splits,
        });
    }
    Ok(cells)
}

/// Brings the predictions of all folds of each split into one file, in the order of the training files, and
/// scores them; nothing where runs are no folds. `is_only`: there is no other split in the group.
fn out_of_fold(
    folder: &Path,
    runs: &[&Planned],
    is_only: bool,
    console: Console,
) -> Result<Vec<SplitScores>, Failure> {
    let mut splits = Vec::new();
    let folds = runs.iter().filter(|run| run.is_fold());
    for name in in_order_of_first(folds.map(|run| run.pair().to_owned())) {
        let of_split = runs.iter().filter(|run| run.pair() == name);
        let of_split: Vec<&Planned> = of_split.copied().collect();
        let predictions = match is_only {
            true => PREDICTIONS.to_owned(),
            false => format!("{name}.{PREDICTIONS}"),
        };
        let rows = folds::joined(folder, &of_split, console)?;
        folds::write(&folder.join(&predictions), &rows)?;
        let options = of_split.first();
        let options = options.map(|run| run.settings.task.score_options(RESAMPLES));
        splits.push(SplitScores {
            name,
            predictions: predictions.into(),
            scores: score(&rows, &options.unwrap_or_default())?,
        });
    }
    Ok(splits)
}

/// Each once, where it first stands.
pub(super) fn in_order_of_first(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut found = Vec::new();
    for one in all {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

/// The name of the run with the best main score; the first of equals.
pub(super) fn best(scored: &[(String, Scores)]) -> String {
    let badness = |scores: &Scores| {
        let main = scores.main();
        main.map_or(f64::INFINITY, |score| score.badness(score.value))
    };
    let best = scored
        .iter()
        .min_by(|a, b| badness(&a.1).total_cmp(&badness(&b.1)));
    best.map(|(name, _)| name.clone()).unwrap_or_default()
}

fn tell(
    scores: &GroupScores,
    scored: &[(String, Scores)],
    console: Console,
) -> Result<(), Failure> {
    let main = scored.first().map_or("", |(_, scores)| &scores.main);
    let width = scored
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or(0)
        .max(8);
    for (name, of_run) in scored {
        let value = of_run.main().map(showing::describe).unwrap_or_default();
        let mark = if *name == scores.best { "  best" } else { "" };
        console.out(format_args!("{name:width$}  {main} {value}{mark}"))?;
    }
    let best = best_cell(&scores.cells, scored);
    for cell in &scores.cells {
        // One run of each setting: its line stands there already.
        if scores.cells.len() > 1 && cell.summary.runs.len() == 1 {
            continue;
        }
        if scores.cells.len() > 1 {
            let runs = cell.summary.runs.len();
            let mark = if best == Some(&cell.name) {
                ", best on average"
            } else {
                ""
            };
            console.out(format_args!("\n{}, {runs} runs{mark}", cell.name))?;
        }
        tell_spread(&cell.summary, width, console)?;
    }
    let summaries: Vec<&Summary> = scores.cells.iter().map(|cell| &cell.summary).collect();
    showing::warn_collapsed(&summaries, console);
    if let Some(all) = scores.out_of_fold() {
        console.out("\nall examples, each by the model that has not seen it")?;
        return showing::show(all, console);
    }
    for cell in &scores.cells {
        let Some(summary) = &cell.out_of_fold else {
            continue;
        };
        let of = match cell.name.as_str() {
            "" => String::new(),
            name => format!(", {name}"),
        };
        console.out(format_args!(
            "\nall examples{of}, each by the model that has not seen it"
        ))?;
        for split in &cell.splits {
            let value = split.scores.main().map(showing::describe);
            console.out(format_args!(
                "{:width$}  {main} {}  in {}",
                split.name,
                value.unwrap_or_default(),
                split.predictions.display()
            ))?;
        }
        if cell.splits.len() > 1 {
            tell_spread(summary, width, console)?;
        }
    }
    Ok(())
}

/// The name of the setting with the best mean; the first of equals.
fn best_cell<'a>(cells: &'a [CellScores], scored: &[(String, Scores)]) -> Option<&'a String> {
    let main = scored.first().and_then(|(_, scores)| scores.main());
    let badness = |cell: &CellScores| {
        let mean = cell.summary.main().and_then(|spread| spread.mean);
        main.map_or(f64::INFINITY, |score| score.badness(mean))
    };
    let best = cells
        .iter()
        .min_by(|a, b| badness(a).total_cmp(&badness(b)));
    best.map(|cell| &cell.name)
}

fn tell_spread(summary: &Summary, width: usize, console: Console) -> Result<(), Failure> {
    for spread in &summary.scores {
        console.out(format_args!(
            "{:width$}  mean {}  deviation {}  median {}",
            spread.name,
            showing::value(spread.mean),
            showing::value(spread.deviation),
            showing::value(spread.median)
        ))?;
    }
    Ok(())
}
