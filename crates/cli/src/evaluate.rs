//! `kiln evaluate`: what a fine-tuned model scores on labelled files, or what predictions score that were
//! written before.

use std::path::{Path, PathBuf};

use clap::Args;
use kiln_datasets::reading::Dataset;
use kiln_datasets::{LabelMap, Labels, Problem, Task};
use kiln_metrics::rows::Row;
use kiln_metrics::{ScoreOptions, Scores, read_rows, score};
use kiln_tasks::labelled::{DevExamples, PREDICTIONS};
use serde_json::json;

use crate::console::Console;
use crate::failure::Failure;
use crate::labelled::asking::{AskArgs, Asking, BatchArgs, task_of_run};
use crate::labelled::data_args::{FileArgs, tasks};
use crate::labelled::showing;
use crate::overwriting::refuse_overwriting;

const EXAMPLES: &str = "Examples:
  kiln evaluate classify --model runs/topics --data test.csv --output test-predictions.jsonl
  kiln evaluate qa --model runs/answers --data dev-v2.0.json --json
  kiln evaluate classify --predictions runs/topics/predictions.jsonl";

/// Flags that say nothing of predictions: those of models, of files, and of how models are asked.
const OF_MODELS: [&str; 26] = [
    "model",
    "data",
    "output",
    "multi_label",
    "batch_size",
    "format",
    "header",
    "text",
    "second",
    "label",
    "endings",
    "id",
    "scheme",
    "separator",
    "delimiter",
    "quotes",
    "comments",
    "skip_misplaced",
    "max_len",
    "stride",
    "doc_stride",
    "overlap",
    "threshold",
    "n_best",
    "max_answer_tokens",
    "no_answer",
];

// Which model, on what.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EvaluateArgs {
    /// What the model does
    #[arg(value_name = "TASK", value_parser = tasks())]
    task: Task,
    /// Hugging Face model folder, a checkpoint, or a fine-tuning run, whose best checkpoint is taken
    #[arg(long, value_name = "DIR", required_unless_present = "predictions")]
    model: Option<PathBuf>,
    /// Labelled files
    #[arg(long, value_name = "F", num_args = 1.., required_unless_present = "predictions")]
    data: Vec<PathBuf>,
    /// Score these predictions again instead of asking a model; those in a run's folder as the run's
    /// were scored
    #[arg(long, value_name = "F.jsonl", conflicts_with_all = OF_MODELS)]
    predictions: Option<PathBuf>,
    /// Write what the model says of every example, a line each
    #[arg(long, value_name = "F.jsonl")]
    output: Option<PathBuf>,
    /// An example can have any number of labels (classify). Default: as the model's config.json says
    #[arg(long)]
    multi_label: bool,
    #[command(flatten)]
    batch: BatchArgs,
    /// Draws for the intervals; 0: none
    #[arg(long, value_name = "N", default_value_t = 1000)]
    resamples: usize,
    /// Print the scores as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    ask: AskArgs,
}

/// Scores a model, or predictions.
///
/// # Errors
/// If the model or a file can't be used.
pub(crate) fn run(
    args: &EvaluateArgs,
    backend: &[String],
    console: Console,
) -> Result<(), Failure> {
    if args.ask.metric.as_deref() == Some("loss") {
        return Err(Failure::usage(
            "--metric loss: decides in training alone; name a score, or leave it out",
        ));
    }
    let scores = match (&args.predictions, &args.model) {
        (Some(path), _) => {
            let rows = read_rows(path)?;
            check_task(args.task, path, &rows)?;
            let has_several = matches!(rows.first(), Some(Row::Labels(_)));
            args.ask
                .refuse_foreign(Problem::of(args.task, has_several))?;
            score(&rows, &options_of(args, path, &rows)?)?
        }
        (None, Some(model)) => ask(args, model, backend, console)?,
        (None, None) => return Err(Failure::usage("name a --model, or --predictions")),
    };
    if args.json {
        return console.json(&json!({
            "model": args.model,
            "data": args.data,
            "predictions": args.predictions.as_ref().or(args.output.as_ref()),
            "scores": scores,
        }));
    }
    showing::show(&scores, console)
}

fn ask(
    args: &EvaluateArgs,
    model: &std::path::Path,
    backend: &[String],
    console: Console,
) -> Result<Scores, Failure> {
    let asking = Asking::open(model, args.task, &args.ask, args.batch.batch_size, backend)?;
    let settings = asking.pipeline.settings().clone();
    if args.multi_label && settings.problem != Problem::MultiLabel {
        return Err(Failure::usage(format_args!(
            "--multi-label: the model {} gives one label to an example; leave it out",
            asking.folder.display()
        )));
    }
    if let Some(output) = &args.output {
        let read: Vec<&std::path::Path> = args.data.iter().map(PathBuf::as_path).collect();
        refuse_overwriting("--output", output, &read, &[model, &asking.folder])?;
    }
    let multi_label = settings.problem == Problem::MultiLabel;
    let spec = args.files.spec(args.task, multi_label, &args.data)?;
    let dataset = Dataset::open(spec, true)?;
    for note in &dataset.decided().notes {
        console.note(note);
    }
    let labels = map_of(&dataset, asking.labels())?;
    for note in labels.notes() {
        console.note(note);
    }
    let examples = DevExamples::all(dataset, labels);
    let output = args.output.as_deref();
    let (rows, asked) = asking.rows(examples.examples(), output, &|| Ok(()))?;
    showing::tell_counts(&asked.counts, console);
    let mut options = settings.score_options(args.resamples);
    options.glue = options.glue.or(args.files.glue());
    Ok(score(&rows, &options)?)
}

/// Refuses the predictions of another task.
fn check_task(task: Task, path: &Path, rows: &[Row]) -> Result<(), Failure> {
    let found = match rows.first() {
        None => return Ok(()),
        Some(Row::Class(_) | Row::Labels(_)) => Task::Classify,
        Some(Row::Numbers(_)) => Task::Regress,
        Some(Row::Tags(_)) => Task::Tag,
        Some(Row::Answer(_)) => Task::Qa,
        Some(Row::Choice(_)) => Task::Choose,
    };
    if found == task {
        return Ok(());
    }
    let path = path.display();
    Err(Failure::usage(format_args!(
        "{path}: predictions of {0}, not of {1}; score them with: kiln evaluate {0} --predictions {path}",
        found.name(),
        task.name()
    )))
}

/// How predictions are scored: as the run's were whose they are, but for what flags say.
///
/// # Errors
/// If they lie in a run whose settings can't be read.
fn options_of(args: &EvaluateArgs, path: &Path, rows: &[Row]) -> Result<ScoreOptions, Failure> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().and_then(|name| name.to_str());
    let is_runs = name.is_some_and(is_predictions);
    let run = if is_runs { task_of_run(folder)? } else { None };
    let of_run = run.map(|task| task.score_options(args.resamples));
    let base = of_run.unwrap_or_else(|| ScoreOptions {
        labels: labels_of(rows),
        resamples: args.resamples,
        ..ScoreOptions::default()
    });
    let ask = &args.ask;
    Ok(ScoreOptions {
        glue: args.files.glue().or(base.glue),
        positive: ask.positive.clone().or(base.positive),
        main: ask.metric.clone().or(base.main),
        no_answer_threshold: ask.null_threshold.or(base.no_answer_threshold),
        ..base
    })
}

/// Whether a run's file of this name holds predictions: its own, or those of one split of several runs.
fn is_predictions(name: &str) -> bool {
    let split = name.strip_suffix(PREDICTIONS);
    split.is_some_and(|split| split.is_empty() || split.ends_with('.'))
}

/// What the labels of files are to a model.
///
/// # Errors
/// If a file can't be read.
pub(crate) fn map_of(dataset: &Dataset, labels: &Labels) -> Result<LabelMap, Failure> {
    // All files are read for their labels.
    if labels.is_empty() || !dataset.decided().has_labels {
        return Ok(LabelMap::new(labels.clone()));
    }
    Ok(LabelMap::fit(labels.clone(), &dataset.survey()?.labels))
}

/// The labels of predictions, in the model's order.
fn labels_of(rows: &[Row]) -> Vec<String> {
    let names = |probabilities: &[(String, f64)]| -> Vec<String> {
        probabilities.iter().map(|(name, _)| name.clone()).collect()
    };
    match rows.first() {
        Some(Row::Class(row)) => names(&row.probabilities),
        Some(Row::Labels(row)) => names(&row.probabilities),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Flags of `kiln evaluate` that decide how predictions are scored and shown.
    const OF_SCORES: [&str; 7] = [
        "predictions",
        "resamples",
        "json",
        "glue",
        "null_threshold",
        "metric",
        "positive",
    ];

    #[test]
    fn every_flag_is_refused_beside_predictions_or_decides_their_scores() {
        let mut command = crate::arguments::Cli::command();
        command.build();
        let evaluate = command.find_subcommand("evaluate").unwrap();
        let flags = evaluate.get_arguments().filter(|arg| {
            let id = arg.get_id().as_str();
            arg.get_long().is_some() && !arg.is_global_set() && id != "help"
        });
        for flag in flags.map(|arg| arg.get_id().as_str()) {
            assert!(
                OF_MODELS.contains(&flag) != OF_SCORES.contains(&flag),
                "{flag}: refused and taken, or neither"
            );
        }
    }
}
