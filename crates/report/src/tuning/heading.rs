//! What the pages of fine-tuning runs say at the top.

use kiln_datasets::Problem;
use kiln_metrics::Score;
use kiln_tasks::labelled::{FineTuneSettings, TaskSettings};

use super::files::TunedRun;
use super::scores::interval;
use crate::card::Card;
use crate::figures::title;
use crate::number::{self, grouped};
use crate::summary::describe_model;
use crate::table::UNDEFINED;

/// E.g. `classify: one of 5 labels · bert: 2 layers of width 128 · from models/first`.
pub(super) fn lead(settings: &FineTuneSettings) -> String {
    let from = settings.from.folder.display();
    let from = match (settings.from.random_weights, settings.from.keeps_head) {
        (true, _) => format!("random weights, the rest from {from}"),
        (false, true) => format!("from {from} and its head"),
        (false, false) => format!("from {from}"),
    };
    format!(
        "{}: {} · {} · {from}",
        settings.fine_tune.name(),
        asked(&settings.task),
        describe_model(&settings.architecture, &settings.model, None),
    )
}

/// What is asked of a model, in words.
fn asked(task: &TaskSettings) -> String {
    let labels = grouped(task.labels.len() as u64);
    match task.problem {
        Problem::SingleLabel => format!("one of {labels} labels"),
        Problem::MultiLabel => format!("any of {labels} labels"),
        Problem::Regression => match task.num_outputs() {
            1 => "a number".to_owned(),
            outputs => format!("{outputs} numbers"),
        },
        Problem::Tags => format!("one of {labels} tags a word"),
        Problem::Span => "an answer out of a text".to_owned(),
        Problem::Choice => "one of several continuations".to_owned(),
    }
}

/// What the main score is worth.
pub(super) fn score_card(score: &Score) -> Card {
    let mut detail = Vec::new();
    detail.extend(interval(score).map(|interval| format!("95 % interval {interval}")));
    detail.push(match score.baseline {
        Some(baseline) => format!("best single answer for all: {}", number::score(baseline)),
        None => "one answer for all: undefined".to_owned(),
    });
    let value = score
        .value
        .map_or_else(|| UNDEFINED.to_owned(), number::score);
    let mut card = Card::new(title(&score.name), value, detail.join("; "));
    card.alert = score.value.is_none();
    card
}

/// A model that gives one answer to everything.
pub(super) fn collapsed_card(detail: String) -> Card {
    let mut card = Card::new("Collapsed", "one answer for all".to_owned(), detail);
    card.alert = true;
    card
}

/// How far a run came.
pub(super) fn steps_card(run: &TunedRun, last_step: u64) -> Card {
    let training = &run.settings.training;
    let sequences = training.sequences(run.settings.devices.len().max(1));
    let detail = format!(
        "of {}; {} sequences each, {} times through the data",
        grouped(training.steps),
        grouped(sequences),
        run.settings.epochs
    );
    let mut card = Card::new("Steps", grouped(last_step), detail);
    card.done = Some(last_step as f64 / training.steps.max(1) as f64);
    card
}

/// The names of a run's scores, each with its baseline: what evaluations have and steps have not.
pub(super) fn score_names(run: &TunedRun) -> Vec<(String, Option<f64>)> {
    let scored = run.scores();
    let baseline = |name: &str| scored?.get(name)?.baseline;
    let names = run.history.names();
    let is_score = |name: &&str| {
        !(matches!(*name, "loss" | "seconds") || name.ends_with("_loss"))
            && run.history.train(name).points.is_empty()
    };
    let names = names.into_iter().filter(is_score);
    names
        .map(|name| (name.to_owned(), baseline(name)))
        .collect()
}

/// What the numbers of a confusion table count.
pub(super) fn counted(problem: Problem) -> &'static str {
    match problem {
        Problem::Tags => "words",
        _ => "examples",
    }
}
