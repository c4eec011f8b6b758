//! The page of several runs beside each other.

use std::path::{Path, PathBuf};

use kiln_metrics::Scores;
use kiln_metrics::rows::Row;
use kiln_tasks::labelled::RunKind;

use super::curves;
use super::differences::{differences, table as differing};
use super::files::{Tuned, TunedRun};
use super::heading::{lead, score_names};
use super::pairs::{Tested, apart, table as tests_table, test};
use super::scores::interval;
use super::spread::{mean_and_deviation, shown};
use crate::card::{Card, head};
use crate::error::ReportError;
use crate::figures::title;
use crate::html::escape;
use crate::number;
use crate::page::{page, section};
use crate::settings_table::command_list;
use crate::shell::shell;
use crate::table::{Cell, NONE, Table, UNDEFINED};

/// The name of the page in the first run's folder.
const FILE: &str = "compare.html";

/// Writes a page that shows fine-tuning runs, or groups of them, beside each other, and tests them against
/// the first on the examples that they were all asked; gives its path, which is `output` or compare.html in
/// the first run's folder.
///
/// # Errors
/// Fewer than two runs; runs of different tasks, or that are not fine-tuning runs; files that can't be read;
/// or the page can't be written: an older page is then whole.
pub fn write_comparison(runs: &[PathBuf], output: Option<&Path>) -> Result<PathBuf, ReportError> {
    let refused = |path: &Path, problem: String| {
        let path = path.to_owned();
        Err(ReportError::Compare { path, problem })
    };
    let (Some(first), true) = (runs.first(), runs.len() > 1) else {
        let path = runs
            .first()
            .map_or(Path::new("kiln report"), PathBuf::as_path);
        return refused(
            path,
            "nothing to be compared with; pass two runs or more".to_owned(),
        );
    };
    let mut read = Vec::with_capacity(runs.len());
    for path in runs {
        if RunKind::of(path)? == RunKind::Pretraining {
            let problem = "a pretraining run; it has no scores, compare fine-tuning runs";
            return refused(path, problem.to_owned());
        }
        read.push(named(Tuned::read(path)?, path, runs));
    }
    let task = |run: &Tuned| {
        run.runs()
            .first()
            .map(|run| (run.settings.fine_tune, run.settings.task.problem))
    };
    let tasks: Vec<_> = read.iter().map(task).collect();
    if let Some(place) = tasks.iter().position(|task| Some(task) != tasks.first()) {
        let path = runs.get(place).unwrap_or(first);
        let problem = format!(
            "not a run of the task of {}; compare runs of one task",
            first.display()
        );
        return refused(path, problem);
    }
    let page = render(&read, runs, output)?;
    let path = output.map_or_else(|| first.join(FILE), Path::to_owned);
    kiln_files::write(&path, page.as_bytes())?;
    Ok(path)
}

/// A run under its folder's name, or under its path where another has the same name.
fn named(mut run: Tuned, path: &Path, all: &[PathBuf]) -> Tuned {
    let own = path.file_name();
    if all.iter().filter(|other| other.file_name() == own).count() > 1 {
        match &mut run {
            Tuned::Run(run) => run.name = path.display().to_string(),
            Tuned::Group(group) => group.name = path.display().to_string(),
        }
    }
    run
}

fn render(runs: &[Tuned], paths: &[PathBuf], output: Option<&Path>) -> Result<String, ReportError> {
    let names: Vec<&str> = runs.iter().map(Tuned::name).collect();
    let heading = names.join(" and ");
    let first_settings = runs
        .first()
        .and_then(|run| run.runs().first().map(|run| &run.settings));
    let lead = first_settings.map(|settings| format!("the first: {}", lead(settings)));
    let cards = runs.iter().map(card).collect::<Result<Vec<_>, _>>()?;
    let head = head(
        "Kiln comparison of fine-tuning runs",
        &heading,
        &lead.unwrap_or_default(),
        None,
        &cards,
    );
    let settings: Vec<_> = runs
        .iter()
        .filter_map(|run| run.runs().first().map(|run| &run.settings))
        .collect();
    let different = differing(&differences(&settings)?, &names).render();
    let different = if different.is_empty() {
        "<p>All settings are the same.</p>\n".to_owned()
    } else {
        different
    };
    let (tests, apart) = tested(runs)?;
    let main = [
        section("Scores", &scores(runs)?),
        section("Paired test", &tests),
        overlaid(runs),
        section("Answered differently", &apart),
        section("What differs in their settings", &different),
        commands(paths, output),
    ];
    Ok(page(&heading, &head, &main.concat()))
}

/// A run's main score.
fn card(run: &Tuned) -> Result<Card, ReportError> {
    if let Some(score) = run.scores().and_then(Scores::main) {
        let mut detail = title(&score.name);
        if let Some(interval) = interval(score) {
            detail = format!("{detail}; 95 % interval {interval}");
        }
        let value = score
            .value
            .map_or_else(|| UNDEFINED.to_owned(), number::score);
        return Ok(Card::new(run.name(), value, detail));
    }
    if let Tuned::Group(group) = run {
        let sides = group.sides()?;
        let spread = group.foremost(&sides).and_then(|side| {
            let summary = side.summary.as_ref()?;
            Some((side, summary.main()?))
        });
        if let Some((side, spread)) = spread {
            let value = mean_and_deviation(spread.mean, spread.deviation);
            let detail = format!(
                "{}; mean of {} runs",
                side.title(&title(&spread.name)),
                spread.values.len()
            );
            return Ok(Card::new(run.name(), value, detail));
        }
    }
    Ok(Card::new(run.name(), "none".into(), "no scores yet".into()))
}

/// All scores, a column a run.
fn scores(runs: &[Tuned]) -> Result<String, ReportError> {
    let mut table = Table::new("").texts("score");
    let mut columns = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for run in runs {
        table = table.numbers(run.name());
        let column = column(run)?;
        for (name, _) in &column {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        columns.push(column);
    }
    for name in &names {
        let mut row = vec![Cell::text(name)];
        row.extend(columns.iter().map(|column| {
            let found = column.iter().find(|(known, _)| known == name);
            found.map_or_else(|| Cell::number(NONE), |(_, cell)| cell.clone())
        }));
        table.push(row);
    }
    let note = "Small: the 95 % interval over resampled examples; of several runs mean and standard deviation.";
    Ok(table.note(note).render())
}

/// A run's scores by name.
fn column(run: &Tuned) -> Result<Vec<(String, Cell)>, ReportError> {
    if let Some(scores) = run.scores() {
        let cell = |score: &kiln_metrics::Score| {
            let value = score
                .value
                .map_or_else(|| UNDEFINED.to_owned(), number::score);
            let small =
                interval(score).map(|interval| format!(" <small>{}</small>", escape(&interval)));
            let html = format!("{}{}", escape(&value), small.unwrap_or_default());
            (score.name.clone(), Cell::number_html(html))
        };
        return Ok(scores.scores.iter().map(cell).collect());
    }
    let Tuned::Group(group) = run else {
        return Ok(Vec::new());
    };
    let mut cells = Vec::new();
    let sides = group.sides()?;
    for side in shown(group, &sides) {
        for spread in side.summary.iter().flat_map(|summary| &summary.scores) {
            let value = mean_and_deviation(spread.mean, spread.deviation);
            cells.push((side.title(&spread.name), Cell::number(value)));
        }
    }
    Ok(cells)
}

/// The tests of all runs against the first, and where they answer differently.
fn tested(runs: &[Tuned]) -> Result<(String, String), ReportError> {
    let Some((first, others)) = runs.split_first() else {
        return Ok((String::new(), String::new()));
    };
    let of_first: Option<Vec<Row>> = first.rows()?;
    let mut tests = Vec::with_capacity(others.len());
    let mut different = String::new();
    for other in others {
        // One of them at a time: predictions of many runs may not fit into memory.
        let of_other = other.rows()?;
        let tested = test((first, of_first.as_deref()), (other, of_other.as_deref()))?;
        if let (Tested::Paired(_), Some(a), Some(b)) = (&tested, &of_first, &of_other) {
            different.push_str(&apart((first, a), (other, b)));
        }
        tests.push((other.name(), tested));
    }
    let tests: Vec<(&str, &Tested)> = tests.iter().map(|(name, test)| (*name, test)).collect();
    Ok((tests_table(first.name(), &tests), different))
}

/// The curves of all runs, those of a group too.
fn overlaid(runs: &[Tuned]) -> String {
    let mut named: Vec<(String, &TunedRun)> = Vec::new();
    for run in runs {
        for member in run.runs() {
            let name = match run {
                Tuned::Run(run) => run.name.clone(),
                Tuned::Group(group) => format!("{}/{}", group.name, member.name),
            };
            named.push((name, member));
        }
    }
    let mut scores: Vec<(String, Option<f64>)> = Vec::new();
    let mut several: Vec<String> = Vec::new();
    for (_, run) in &named {
        for score in score_names(run) {
            match scores.iter_mut().find(|(name, _)| *name == score.0) {
                None => scores.push(score),
                Some((_, known @ None)) => *known = score.1,
                Some((_, known)) if score.1.is_some() && *known != score.1 => several.push(score.0),
                Some(_) => {}
            }
        }
    }
    // Of other examples: no line holds for all.
    let is_several = |(name, _): &&mut (String, _)| several.contains(name);
    scores
        .iter_mut()
        .filter(is_several)
        .for_each(|score| score.1 = None);
    let histories: Vec<_> = named
        .iter()
        .map(|(name, run)| (name.as_str(), &run.history))
        .collect();
    curves::render(&histories, &scores)
}

fn commands(paths: &[PathBuf], output: Option<&Path>) -> String {
    let runs: Vec<String> = paths.iter().map(|path| shell(path)).collect();
    let output = output.map_or_else(String::new, |output| format!(" --output {}", shell(output)));
    let mut commands = vec![(
        format!("kiln report {}{output}", runs.join(" ")),
        "writes this page again",
    )];
    commands.extend(
        runs.iter()
            .map(|run| (format!("kiln report {run}"), "the page of one run")),
    );
    command_list(&commands)
}
