//! What several runs score together.

use std::path::Path;

use kiln_metrics::{Scores, over_runs, score};
use kiln_tasks::labelled::{Development, GroupScores, PREDICTIONS, Planned, SCORES};

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
        summary: over_runs(scored)?,
        out_of_fold: out_of_fold(folder, runs, console)?,
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

/// Brings the predictions of all folds into one file, in the order of the training files, and scores
/// them: where every run is another fold of one split.
fn out_of_fold(
    folder: &Path,
    runs: &[Planned],
    console: Console,
) -> Result<Option<Scores>, Failure> {
    let is_fold = |run: &Planned| {
        matches!(run.settings.data.development, Development::Fold { folds, .. }
            if folds as usize == runs.len())
    };
    let Some(first) = runs.first().filter(|_| runs.iter().all(is_fold)) else {
        return Ok(None);
    };
    let rows = folds::joined(folder, &runs.iter().collect::<Vec<_>>(), console)?;
    folds::write(&folder.join(PREDICTIONS), &rows)?;
    let options = first.settings.task.score_options(RESAMPLES);
    Ok(Some(score(&rows, &options)?))
}

/// The name of the run with the best main score; the first of equals.
pub(super) fn best(scored: &[(String, Scores)]) -> String {
    let badness = |scores: &Scores| {
        let main = scores.main();
        let value = main.and_then(|score| score.value);
        match (value, main.is_some_and(|score| score.higher_is_better)) {
            (Some(value), true) => -value,
            (Some(value), false) => value,
            (None, _) => f64::INFINITY,
        }
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
    let main = &scores.summary.main;
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
    for spread in &scores.summary.scores {
        console.out(format_args!(
            "{:width$}  mean {}  deviation {}  median {}",
            spread.name,
            showing::value(spread.mean),
            showing::value(spread.deviation),
            showing::value(spread.median)
        ))?;
    }
    showing::warn_collapsed(&[&scores.summary], console);
    if let Some(all) = &scores.out_of_fold {
        console.out("\nall examples, each by the model that has not seen it")?;
        showing::show(all, console)?;
    }
    Ok(())
}
