//! The page of several runs of one task: seeds, folds, a grid.

use kiln_datasets::Problem;
use kiln_metrics::Summary;

use super::files::{Group, Side, TunedRun};
use super::heading::{collapsed_card, lead, score_card, score_names};
use super::single::{classes, worst_examples};
use super::worst::{Worst, of_runs};
use super::wrong::{Judge, order_of};
use super::{adapted, curves, examples, scores, spread};
use crate::card::{Card, head};
use crate::error::ReportError;
use crate::figures::title;
use crate::number::{self, compact, duration, grouped};
use crate::page::{page, section};
use crate::settings_table::{command_list, render as settings};
use crate::shell::shell;
use crate::table::{Cell, Table};

/// The page.
///
/// # Errors
/// If no run has begun, or a file can't be read.
pub(super) fn render(group: &Group) -> Result<String, ReportError> {
    let begun: Vec<&TunedRun> = group.begun().collect();
    let (Some(first), Some(first_begun)) = (group.runs.first(), begun.first()) else {
        return Err(ReportError::NoRecords {
            metrics: group.folder.path().join("*/metrics.jsonl"),
            run: group.folder.path().to_owned(),
        });
    };
    let sides = group.sides()?;
    let done = group.runs.iter().filter(|run| run.best.is_some()).count();
    let status = if done == group.runs.len() {
        ("finished", "good")
    } else {
        ("not finished", "open")
    };
    let head = head(
        "Kiln fine-tuning report",
        &group.name,
        &format!("{} runs · {}", group.runs.len(), lead(&first.settings)),
        Some(status),
        &cards(group, &sides, done),
    );
    let baseline = |name: &str| {
        // Each fold has its own.
        let scores = first_begun.scores().filter(|_| !group.has_folds());
        scores?.get(name)?.baseline
    };
    let mut over_runs = String::new();
    let is_grid = !group.has_sides() && sides.len() > 1;
    if is_grid {
        over_runs.push_str(&spread::settings(group, &sides));
    }
    for side in spread::shown(group, &sides) {
        let summary = side.summary.as_ref();
        // Of a setting that one run has all scores stand on that run's page.
        if let Some(summary) = summary.filter(|summary| !is_grid || summary.runs.len() > 1) {
            let title = side.title("Scores over runs");
            over_runs.push_str(&spread::render(&title, summary, baseline));
        }
    }
    over_runs.push_str(&spread::runs(group, &sides)?);
    let mut names = score_names(first_begun);
    if group.has_folds() {
        names.iter_mut().for_each(|(_, baseline)| *baseline = None);
    }
    let named: Vec<_> = begun
        .iter()
        .map(|run| (run.name.as_str(), &run.history))
        .collect();
    let tables = settings(&first.settings).map_err(|reason| ReportError::Settings { reason })?;
    let main = [
        out_of_fold(group, first.settings.task.problem),
        section("Before and after adapting", &adapted::render(group)),
        section("Over runs", &over_runs),
        curves::render(&named, &names),
        group
            .scores
            .out_of_fold()
            .map_or_else(String::new, |scores| {
                classes(scores, first.settings.task.problem)
            }),
        worst(group, &begun_last(group, &sides))?,
        // The tables of the runs say what differs.
        tables.replacen("<h2>Settings</h2>", &settings_heading(&first.name), 1),
        commands(group),
    ];
    Ok(page(&group.name, &head, &main.concat()))
}

/// Of runs from two models those from the adapted one: what both have wrong says nothing of either.
fn begun_last<'a>(group: &Group, sides: &[Side<'a>]) -> Vec<&'a TunedRun> {
    let others = if group.has_sides() {
        sides.len().saturating_sub(1)
    } else {
        0
    };
    let runs = sides.iter().skip(others).flat_map(|side| &side.runs);
    let has_begun = |run: &&TunedRun| run.history.last_step.is_some();
    runs.copied().filter(has_begun).collect()
}

fn settings_heading(run: &str) -> String {
    format!("<h2>Settings of {}</h2>", crate::html::escape(run))
}

fn cards(group: &Group, sides: &[Side<'_>], done: usize) -> Vec<Card> {
    let mut cards = adapted::cards(group);
    let main = group.scores.out_of_fold().and_then(|all| all.main());
    if let Some(score) = main {
        let mut card = score_card(score);
        card.label.push_str(", out of fold");
        cards.push(card);
    }
    let shown = spread::shown(group, sides).into_iter();
    cards.extend(shown.filter_map(side_card));
    let first = group.runs.iter().find_map(|run| run.main());
    if let Some(score) = first.filter(|_| !group.has_folds()) {
        let baseline = score
            .baseline
            .map_or_else(|| "undefined".to_owned(), number::score);
        let detail = format!("{} of the best single answer for all", title(&score.name));
        cards.push(Card::new("Baseline", baseline, detail));
    }
    let summaries = sides.iter().filter_map(|side| side.summary.as_ref());
    let (collapsed, all): (Vec<_>, Vec<_>) = summaries
        .map(|summary| (summary.collapsed.as_slice(), summary.runs.len()))
        .unzip();
    let (collapsed, all) = (collapsed.concat(), all.iter().sum::<usize>());
    if !collapsed.is_empty() {
        let (count, names) = (collapsed.len(), collapsed.join(", "));
        cards.push(collapsed_card(format!("{count} of {all} runs: {names}")));
    }
    let begun = group.begun().count();
    let detail = format!("finished of {}; {begun} begun", group.runs.len());
    let mut runs = Card::new("Runs", grouped(done as u64), detail);
    runs.done = Some(done as f64 / group.runs.len().max(1) as f64);
    cards.push(runs);
    let sum = |value: fn(&TunedRun) -> f64| group.runs.iter().map(value).sum::<f64>();
    let tokens = sum(|run| run.history.tokens);
    if tokens > 0.0 {
        cards.push(Card::new(
            "Tokens seen",
            compact(tokens),
            "in all runs; padding not counted".into(),
        ));
    }
    let (training, evaluating) = (
        sum(|run| run.history.seconds),
        sum(|run| run.history.evaluating),
    );
    if training > 0.0 {
        let detail = format!(
            "training {}, evaluation {}",
            duration(training),
            duration(evaluating)
        );
        cards.push(Card::new("Time", duration(training + evaluating), detail));
    }
    cards
}

/// The score that decides, over the runs of a side.
fn side_card(side: &Side<'_>) -> Option<Card> {
    let summary: &Summary = side.summary.as_ref()?;
    let spread = summary.main()?;
    let mut detail = match spread.values.len() {
        1 => "of one run".to_owned(),
        runs => format!("mean and standard deviation of {runs} runs"),
    };
    if let (Some(median), Some(min), Some(max), Some(_)) =
        (spread.median, spread.min, spread.max, spread.deviation)
    {
        detail = format!(
            "{detail}; median {}, from {} to {}",
            number::score(median),
            number::score(min),
            number::score(max)
        );
    }
    let value = spread::mean_and_deviation(spread.mean, spread.deviation);
    let mut card = Card::new(side.title(&title(&spread.name)), value, detail);
    card.alert = spread.mean.is_none();
    Some(card)
}

/// The scores of what each fold's run says of the examples that it has not seen.
fn out_of_fold(group: &Group, problem: Problem) -> String {
    let scores = group.scores.out_of_fold();
    scores.map_or_else(String::new, |scores| {
        section("Scores out of fold", &scores::render(scores, problem))
    })
}

/// The examples most wrong: out of fold, or in the most runs.
fn worst(group: &Group, begun: &[&TunedRun]) -> Result<String, ReportError> {
    let Some(first) = group.runs.first() else {
        return Ok(String::new());
    };
    let judge = Judge::of(&first.settings.task);
    let mut worst = Worst::default();
    if group.for_each_row(|_, row| worst.push(judge, row))? {
        return Ok(worst_examples(&worst, judge));
    }
    let Some(found) = of_runs(begun)? else {
        return Ok(String::new());
    };
    let Some(worst) = found.rows.first() else {
        return Ok(String::new());
    };
    let mut table = Table::new("").texts("example").numbers("wrong in");
    table = examples::columns(table, &worst.row);
    for example in &found.rows {
        let runs = format!("{} of {}", example.runs, found.runs);
        let mut cells = vec![Cell::text(example.row.id()), Cell::number(runs)];
        cells.extend(examples::cells(&example.row, judge));
        table.push(cells);
    }
    let which = if group.has_sides() {
        " from the adapted model"
    } else {
        ""
    };
    let note = format!(
        "All {} runs{which} have {} of {} examples wrong. What the most runs have wrong comes first, then {}; shown \
         is the run that is most wrong.",
        found.runs,
        grouped(found.by_all as u64),
        grouped(found.all as u64),
        order_of(&worst.row)
    );
    Ok(section("Most wrong", &table.note(note).render()))
}

fn commands(group: &Group) -> String {
    let folder = shell(group.folder.path());
    let mut commands = Vec::new();
    if group.runs.iter().any(|run| run.best.is_none()) {
        let note = "goes on with the runs that have not ended";
        commands.push((format!("kiln resume {folder}"), note));
    }
    let best = group.scores.best();
    let best = best.and_then(|best| group.runs.iter().find(|run| run.name == best));
    if let Some(best) = best {
        let (task, model) = (best.settings.fine_tune.name(), shell(best.folder.path()));
        commands.push((
            format!("kiln predict {task} --model {model} --data FILE"),
            "what the run with the best score says of other examples",
        ));
    }
    commands.push((
        format!("kiln report {folder}"),
        "writes this page and those of the runs again",
    ));
    command_list(&commands)
}
