//! One fine-tuning run, new or resumed, and what it scores at its end.

use std::path::PathBuf;
use std::sync::Arc;

use kiln_datasets::features::FeatureCounts;
use kiln_learner::{LearnError, RunFolder, Stop};
use kiln_metrics::{Scores, score};
use kiln_tasks::Architecture;
use kiln_tasks::architecture::RunContext;
use kiln_tasks::labelled::{DevExamples, FineTuneSettings};
use serde_json::json;

use crate::architectures;
use crate::console::Console;
use crate::devices;
use crate::failure::Failure;
use crate::interrupt::Watch;
use crate::labelled::asking::Asking;
use crate::labelled::dev_scores::{PREDICTIONS, PredictionsFile, write_json};
use crate::labelled::showing;
use crate::out_of_memory::{self, Work};
use crate::progress::Progress;
use crate::run_scores::{RunScores, SCORES, read_scores};
use crate::wording::{count, shell};

/// Draws for the intervals of scores.
pub(crate) const RESAMPLES: usize = 1000;

/// How a run is shown.
#[derive(Clone, Copy)]
pub(super) struct Show {
    pub(super) json: bool,
    pub(super) dashboard: bool,
    pub(super) console: Console,
}

/// How a run ended.
pub(super) struct Ended {
    pub(super) stop: Stop,
    /// Steps that were made.
    pub(super) steps: u64,
    pub(super) scores: RunScores,
}

/// The architecture of a run.
///
/// # Errors
/// If this version has none of its name.
pub(super) fn architecture(
    run: &RunFolder,
    settings: &FineTuneSettings,
) -> Result<&'static dyn Architecture, Failure> {
    architectures::by_name(&settings.architecture).ok_or_else(|| {
        Failure::run(format_args!(
            "{}: architecture = {}: not one of this version, which has {}",
            run.config().display(),
            settings.architecture,
            architectures::names().join(", ")
        ))
    })
}

/// Trains a run to its end, or until somebody stops it, on other devices than before where `moved` names
/// them; then the best checkpoint predicts what the run is evaluated on.
///
/// # Errors
/// If training fails. Checkpoints written before stay whole.
pub(super) fn train(
    run: &RunFolder,
    settings: &FineTuneSettings,
    moved: Option<&[String]>,
    show: Show,
    watch: &Watch,
) -> Result<Ended, Failure> {
    let architecture = architecture(run, settings)?;
    if let Some(ended) = ended(run, settings)? {
        return Ok(ended);
    }
    let devices = devices::open(&devices::choose(moved.unwrap_or(&settings.devices))?)?;
    let data = settings.data(architecture.tuned())?;
    tell_counts(&data.counts, show.console);
    let dev = data.dev.clone();
    let progress = Progress::new(show.console, show.dashboard);
    let progress = Arc::new(progress.with_score(&settings.training.select.value));
    let context = RunContext {
        run: run.clone(),
        devices: devices.clone(),
        interrupter: watch.interrupter(),
        observer: progress.clone(),
        dashboard: show.dashboard,
        resumption: None,
    };
    let memory = out_of_memory::during(Work::Training);
    let outcome = architecture.tuned().fine_tune(settings, data, context);
    drop(memory);
    progress.finish();
    let outcome = outcome.map_err(|error| with_command(error, run))?;
    if outcome.stop == Stop::Interrupted {
        show.console.note(format_args!(
            "stopped after step {} of {}; go on with: kiln resume {}",
            count(outcome.step),
            count(settings.training.steps),
            shell(run.path())
        ));
        return Err(watch.stopped());
    }
    let (step, checkpoint) = match &outcome.best_checkpoint {
        Some((step, path, _)) if dev.is_some() => (*step, path.clone()),
        _ => (outcome.step, outcome.checkpoint.clone()),
    };
    let device = devices.into_iter().next();
    let scores = match (dev, device) {
        (Some(dev), Some(device)) => {
            let asking = Asking::of_run(&checkpoint, settings, architecture, device)?;
            Some(evaluate(&asking, &dev, run, settings)?)
        }
        _ => None,
    };
    let inner = checkpoint.strip_prefix(run.path()).unwrap_or(&checkpoint);
    let scores = RunScores {
        checkpoint: inner.to_path_buf(),
        step,
        scores,
    };
    write_json(&run.path().join(SCORES), &scores)?;
    Ok(Ended {
        stop: outcome.stop,
        steps: outcome.step,
        scores,
    })
}

/// How a run ended that has come to its end before; none: it has not, or its predictions are gone.
fn ended(run: &RunFolder, settings: &FineTuneSettings) -> Result<Option<Ended>, Failure> {
    let Some(scores) = read_scores(run.path()) else {
        return Ok(None);
    };
    if scores.scores.is_some() && !run.path().join(PREDICTIONS).is_file() {
        return Ok(None);
    }
    let last = run.list_checkpoints()?.pop();
    let steps = last.map_or(settings.training.steps, |(step, _)| step);
    let stop = if steps < settings.training.steps {
        Stop::Early
    } else {
        Stop::Done
    };
    Ok(Some(Ended {
        stop,
        steps,
        scores,
    }))
}

/// Predicts what the run is evaluated on, writes it beside the run and scores it.
fn evaluate(
    asking: &Asking,
    dev: &DevExamples,
    run: &RunFolder,
    settings: &FineTuneSettings,
) -> Result<Scores, Failure> {
    let mut file = PredictionsFile::create(&run.path().join(PREDICTIONS))?;
    let mut rows = Vec::new();
    asking.ask(dev.examples(), |_, row| {
        file.write(&row)?;
        rows.push(row);
        Ok(())
    })?;
    file.finish()?;
    Ok(score(&rows, &settings.task.score_options(RESAMPLES))?)
}

/// The error of a run, with the command that goes on from what it has saved.
fn with_command(error: LearnError, run: &RunFolder) -> Failure {
    let has_saved = run.list_checkpoints().is_ok_and(|saved| !saved.is_empty());
    match error {
        LearnError::Device { step: 1.., .. } | LearnError::Events(_) if has_saved => Failure::run(
            format_args!("{error}; go on with: kiln resume {}", shell(run.path())),
        ),
        error => error.into(),
    }
}

/// Says what of the examples the model does not read as it stands.
fn tell_counts(counts: &FeatureCounts, console: Console) {
    let told = [
        (
            counts.cut,
            "texts are longer than the model reads here, and lose their ends",
        ),
        (
            counts.long_sentences,
            "sentences are longer than the model reads at once, and are read in windows",
        ),
        (
            counts.cut_words,
            "words are longer than a window, and are decided by their beginning",
        ),
        (
            counts.unread_words,
            "words are nothing to the tokenizer, and count as O",
        ),
    ];
    for (number, what) in told.into_iter().filter(|(number, _)| *number > 0) {
        console.note(format_args!("{} {what}", count(number)));
    }
}

/// Says what a run scored and what to do with it.
///
/// # Errors
/// If stdout is closed.
pub(super) fn tell(
    run: &RunFolder,
    settings: &FineTuneSettings,
    ended: &Ended,
    show: Show,
) -> Result<(), Failure> {
    let console = show.console;
    let checkpoint: PathBuf = run.path().join(&ended.scores.checkpoint);
    if show.json {
        return console.json(&json!({
            "run": run.path(),
            "checkpoint": checkpoint,
            "step": ended.scores.step,
            "stop": match ended.stop {
                Stop::Done => "done",
                Stop::Early => "early",
                Stop::Interrupted => "interrupted",
            },
            "scores": ended.scores.scores,
        }));
    }
    console.out(format_args!(
        "{}, {} of {} steps; {} is step {}\n",
        if ended.stop == Stop::Early {
            "stopped early"
        } else {
            "done"
        },
        count(ended.steps),
        count(settings.training.steps),
        if ended.scores.scores.is_some() {
            "the best checkpoint"
        } else {
            "the last checkpoint"
        },
        count(ended.scores.step)
    ))?;
    if let Some(scores) = &ended.scores.scores {
        showing::show(scores, console)?;
        console.out(format_args!(
            "\npredictions  {}",
            run.path().join(PREDICTIONS).display()
        ))?;
    }
    console.out(format_args!("checkpoint   {}", checkpoint.display()))?;
    console.out(format_args!(
        "use it with  kiln predict {} --model {}",
        settings.fine_tune.name(),
        shell(run.path())
    ))
}
