//! The page of one run.

use kiln_datasets::Problem;
use kiln_metrics::Scores;
use kiln_metrics::rows::Row;
use kiln_tasks::labelled::{Development, FineTuneSettings};

use super::files::TunedRun;
use super::heading::{collapsed_card, counted, lead, score_card, score_names, steps_card};
use super::worst::Worst;
use super::wrong::{Judge, order_of};
use super::{confusion, examples, scores};
use crate::card::{Card, head};
use crate::error::ReportError;
use crate::figures::{Extras, sections, title};
use crate::number::{grouped, score};
use crate::page::{page, section, side_by_side};
use crate::settings_table;
use crate::shell::shell;
use crate::summary::{course, evaluation_loss, status, training_loss};
use crate::table::{Cell, Table};

/// The page.
///
/// # Errors
/// If nothing is recorded, or predictions can't be read.
pub(super) fn render(run: &TunedRun) -> Result<String, ReportError> {
    let Some(last_step) = run.history.last_step else {
        return Err(ReportError::NoRecords {
            metrics: run.folder.metrics(),
            run: run.folder.path().to_owned(),
        });
    };
    let extras = Extras {
        unigram_entropy: None,
        scores: score_names(run),
    };
    let mut worst = Worst::default();
    let judge = Judge::of(&run.settings.task);
    run.for_each_row(|_, row| worst.push(judge, row))?;
    let tables =
        settings_table::render(&run.settings).map_err(|reason| ReportError::Settings { reason })?;
    let head = head(
        "Kiln fine-tuning report",
        &run.name,
        &lead(&run.settings),
        Some(status(run.stop())),
        &cards(run, last_step),
    );
    let all_scores = run.scores();
    let main = [
        all_scores.map_or_else(String::new, |all| {
            section("Scores", &scores::render(all, run.settings.task.problem))
        }),
        all_scores.map_or_else(String::new, |all| classes(all, run.settings.task.problem)),
        sections(&run.history, &extras, last_step),
        worst_examples(&worst, judge),
        tables,
        settings_table::command_list(&commands(run)),
    ];
    Ok(page(&run.name, &head, &main.concat()))
}

fn cards(run: &TunedRun, last_step: u64) -> Vec<Card> {
    let mut cards = Vec::new();
    match run.main() {
        Some(score) => cards.push(score_card(score)),
        None => cards.extend(newest_score(run)),
    }
    let scores = run.scores();
    if scores.is_some_and(|scores| scores.collapsed) {
        let detail = "the targets are not one; learned nothing from its input";
        cards.push(collapsed_card(detail.to_owned()));
    }
    cards.push(steps_card(run, last_step));
    if let Some(step) = run.best_step() {
        let detail = scores.map_or_else(String::new, |scores| {
            format!("scored on {} examples", grouped(scores.examples as u64))
        });
        cards.push(Card::new(
            "Best checkpoint",
            format!("step {}", grouped(step)),
            detail,
        ));
    }
    cards.extend(training_loss(&run.history));
    cards.push(evaluation_loss(&run.history));
    cards.extend(course(&run.history));
    cards
}

/// The deciding score of the last evaluation, while a run has no scores of its own.
fn newest_score(run: &TunedRun) -> Option<Card> {
    let name = &run.settings.training.select.value;
    let last = run
        .history
        .last_evaluation
        .as_ref()
        .filter(|_| name != "loss")?;
    let detail = format!(
        "evaluation at step {}; the run has no scores yet",
        grouped(last.step)
    );
    Some(Card::new(title(name), score(last.get(name)?), detail))
}

/// Classes by themselves, and who was taken for whom.
pub(super) fn classes(scores: &Scores, problem: Problem) -> String {
    let mut tables = scores::classes(&scores.per_class);
    if let Some(confusion) = scores
        .confusion
        .as_ref()
        .filter(|table| !table.names.is_empty())
    {
        tables.push_str(&confusion::render(confusion, counted(problem)));
    }
    section("Classes", &side_by_side(&tables))
}

/// The examples most wrong.
pub(super) fn worst_examples(worst: &Worst, judge: Judge) -> String {
    let Some((_, first)) = worst.rows.first() else {
        return String::new();
    };
    let mut table = examples::columns(Table::new("").texts("example"), first);
    for (_, row) in &worst.rows {
        let mut cells = vec![Cell::text(row.id())];
        cells.extend(examples::cells(row, judge));
        table.push(cells);
    }
    let which = match first {
        Row::Answer(_) => "are answered with no word that is right",
        Row::Numbers(_) => "are not predicted exactly",
        _ => "are wrong",
    };
    let note = format!(
        "{} of {} {which}; the worst come first, {}. The text stands in the data file, under the example's \
         id or number.",
        grouped(worst.wrong),
        grouped(worst.all),
        order_of(first)
    );
    section("Most wrong", &table.note(note).render())
}

/// The commands that go on with the run, ask its model, and make this page again.
fn commands(run: &TunedRun) -> Vec<(String, &'static str)> {
    let (task, folder) = (run.settings.fine_tune.name(), shell(run.folder.path()));
    let mut commands = Vec::new();
    if run.stop().is_none() {
        let note = "goes on from the last checkpoint";
        commands.push((format!("kiln resume {folder}"), note));
    }
    commands.extend([
        (
            format!(
                "kiln evaluate {task} --model {folder} --data {}",
                data(&run.settings)
            ),
            "scores the best checkpoint on a labelled file",
        ),
        (
            format!("kiln predict {task} --model {folder} --data FILE"),
            "what the best checkpoint says of other examples",
        ),
        (format!("kiln report {folder}"), "writes this page again"),
    ]);
    commands
}

/// The development files, or what stands for a file.
fn data(settings: &FineTuneSettings) -> String {
    match &settings.data.development {
        Development::Files { spec, .. } => {
            let files: Vec<String> = spec.files.iter().map(|file| shell(file)).collect();
            files.join(" ")
        }
        _ => "FILE".to_owned(),
    }
}
