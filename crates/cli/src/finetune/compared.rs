//! What adapting is worth: runs from the model as it was beside those from the adapted one.

use std::path::Path;

use kiln_metrics::rows::Row;
use kiln_metrics::{Paired, ScoreOptions, Scores, compare, over_runs, read_rows, score};
use kiln_tasks::labelled::{
    ADAPTED, AdaptedModel, AdaptedScores, ComparedPair, Comparison, Difference, PREDICTIONS,
    Planned, SCORES, SIDES,
};

use super::adapt::adapted;
use super::grouped::in_order_of_first;
use super::training::{RESAMPLES, Show, write_page};
use super::{folds, grouped};
use crate::console::Console;
use crate::failure::Failure;
use crate::labelled::dev_scores::write_json;
use crate::labelled::showing;
use crate::wording::count;

/// Brings scores and predictions of `runs` in the group's `folder` together.
///
/// # Errors
/// If predictions can't be read or compared, or a file not be written.
pub(super) fn conclude(
    folder: &Path,
    runs: &[Planned],
    scored: &[(String, Scores)],
    show: Show,
) -> Result<(), Failure> {
    let side = |is_adapted: bool| -> Vec<(String, Scores)> {
        let runs = runs.iter().filter(|run| run.adapted == is_adapted);
        let scores = |run: &Planned| scored.iter().find(|(name, _)| *name == run.name).cloned();
        runs.filter_map(scores).collect()
    };
    let cells = in_order_of_first(runs.iter().map(|run| run.cell().to_owned()));
    let (step, checkpoint) = adapted(folder)?;
    let scores = AdaptedScores {
        adapted: AdaptedModel {
            run: folder.join(ADAPTED),
            checkpoint,
            step,
        },
        before: over_runs(&side(false))?,
        after: over_runs(&side(true))?,
        comparisons: cells
            .iter()
            .map(|cell| compare_cell(folder, runs, cell, show.console))
            .collect::<Result<_, _>>()?,
        best: grouped::best(scored),
    };
    write_json(&folder.join(SCORES), &scores)?;
    let report = write_page(folder, show.console);
    if show.json {
        return show.console.json(&scores);
    }
    tell(&scores, show.console)?;
    let page = (report.as_deref(), show.console);
    grouped::tell_best(folder, runs, &scores.best, page)
}

/// Compares the runs of one cell of the grid, pair by pair.
fn compare_cell(
    folder: &Path,
    runs: &[Planned],
    cell: &str,
    console: Console,
) -> Result<Comparison, Failure> {
    let runs: Vec<&Planned> = runs.iter().filter(|run| run.cell() == cell).collect();
    let mut pairs = Vec::new();
    for name in in_order_of_first(runs.iter().map(|run| run.pair().to_owned())) {
        let of_pair = |is_adapted: bool| -> Result<Vec<Row>, Failure> {
            let of_side = |run: &&&Planned| run.pair() == name && run.adapted == is_adapted;
            let runs: Vec<&Planned> = runs.iter().filter(of_side).copied().collect();
            rows(folder, &runs, &name, console)
        };
        let (before, after) = (of_pair(false)?, of_pair(true)?);
        let options = runs
            .first()
            .map(|run| run.settings.task.score_options(RESAMPLES));
        let tests = tested(&before, &after, &options.unwrap_or_default())?;
        pairs.push(ComparedPair { name, tests });
    }
    let main = pairs.first().and_then(|pair| pair.tests.first());
    let names = pairs.iter().flat_map(|pair| &pair.tests);
    let names = in_order_of_first(names.map(|test| test.main.clone()));
    Ok(Comparison {
        name: cell.to_owned(),
        main: main.map(|test| test.main.clone()).unwrap_or_default(),
        scores: names.iter().map(|name| difference(name, &pairs)).collect(),
        pairs,
    })
}

/// What is predicted of all examples: by one run, or by all folds of one split, which is written beside
/// them as well.
fn rows(
    folder: &Path,
    runs: &[&Planned],
    pair: &str,
    console: Console,
) -> Result<Vec<Row>, Failure> {
    match runs {
        [run] if !run.is_fold() => Ok(read_rows(&folder.join(&run.name).join(PREDICTIONS))?),
        runs => {
            let rows = folds::joined(folder, runs, console)?;
            let is_adapted = runs.first().is_some_and(|run| run.adapted);
            let [before, after] = SIDES;
            let name = [if is_adapted { after } else { before }, pair].join("_");
            let name = format!("{}.{PREDICTIONS}", name.trim_end_matches('_'));
            folds::write(&folder.join(name), &rows)?;
            Ok(rows)
        }
    }
}

/// Every score of both, tested; the one that counts most first.
fn tested(before: &[Row], after: &[Row], options: &ScoreOptions) -> Result<Vec<Paired>, Failure> {
    let plain = ScoreOptions {
        resamples: 0,
        ..options.clone()
    };
    let scores = score(before, &plain)?;
    let others = scores.scores.iter().map(|score| &score.name);
    let others = others.filter(|name| **name != scores.main);
    let of = |name: &String| {
        let options = ScoreOptions {
            main: Some(name.clone()),
            ..options.clone()
        };
        Ok(compare(before, after, &options)?)
    };
    std::iter::once(&scores.main)
        .chain(others)
        .map(of)
        .collect()
}

/// A score over all pairs.
fn difference(name: &str, pairs: &[ComparedPair]) -> Difference {
    let tests = pairs.iter().flat_map(|pair| &pair.tests);
    let tests: Vec<&Paired> = tests.filter(|test| test.main == name).collect();
    let defined = tests.iter().filter_map(|test| test.first.zip(test.second));
    let (before, after): (Vec<f64>, Vec<f64>) = defined.unzip();
    let (before, after) = (mean(&before), mean(&after));
    let p_values: Option<Vec<f64>> = tests.iter().map(|test| test.p_value).collect();
    Difference {
        name: name.to_owned(),
        difference: after.zip(before).map(|(after, before)| after - before),
        before,
        after,
        p_value: p_values.and_then(|values| combined(&values)),
    }
}

/// One test's p-value, or twice the mean of several, which is a p-value whatever the tests have in common
/// (Rüschendorf 1982; Vovk and Wang 2020): here the examples.
fn combined(p_values: &[f64]) -> Option<f64> {
    match p_values {
        [one] => Some(*one),
        several => mean(several).map(|mean| (2.0 * mean).min(1.0)),
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn tell(scores: &AdaptedScores, console: Console) -> Result<(), Failure> {
    for comparison in &scores.comparisons {
        let names = comparison.scores.iter().map(|score| score.name.len());
        let width = names.chain([comparison.name.len()]).max().unwrap_or(0);
        console.out(format_args!(
            "{:width$}  {:>9}  {:>9}  {:>10}  {:>7}",
            comparison.name, "before", "after", "difference", "p"
        ))?;
        for score in &comparison.scores {
            let difference = score.difference.map(|value| format!("{value:+.4}"));
            let p_value = score.p_value.map(|value| format!("{value:.4}"));
            console.out(format_args!(
                "{:width$}  {:>9}  {:>9}  {:>10}  {:>7}",
                score.name,
                showing::value(score.before),
                showing::value(score.after),
                difference.unwrap_or_else(|| "-".to_owned()),
                p_value.unwrap_or_else(|| "-".to_owned())
            ))?;
        }
        console.out("")?;
    }
    let first = scores.comparisons.first();
    let pairs = first.map_or(0, |comparison| comparison.pairs.len());
    let test = first.and_then(|comparison| comparison.pairs.first()?.tests.first());
    console.out(format_args!(
        "before and after: fine-tuned from the model as it was, and from the adapted one; p: how often \
         chance alone makes such a difference on {} examples{}",
        count(test.map_or(0, |test| test.examples) as u64),
        if pairs > 1 {
            format!(", twice the mean of {pairs} seeds")
        } else {
            String::new()
        }
    ))?;
    showing::warn_collapsed(&[&scores.before, &scores.after], console);
    console.out(format_args!(
        "adapted model  {}",
        scores.adapted.checkpoint.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_p_value_is_itself_and_several_are_twice_their_mean() {
        assert_eq!(combined(&[0.25]), Some(0.25));
        assert_eq!(combined(&[0.25, 0.5]), Some(0.75));
        assert_eq!(combined(&[0.9, 0.8]), Some(1.0));
        assert_eq!(combined(&[]), None);
    }
}
