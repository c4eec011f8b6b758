//! One fine-tuning run, new or resumed, and what it scores at its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_learner::{LearnError, RunFolder, Stop};
use kiln_metrics::{Scores, score};
use kiln_report::write_tuning_report;
use kiln_tasks::architecture::RunContext;
use kiln_tasks::labelled::{FineTuneSettings, KnownData, PREDICTIONS, RunScores, SCORES};
use serde_json::json;

use super::memory::Need;
use crate::architectures;
use crate::console::Console;
use crate::devices;
use crate::failure::Failure;
use crate::finish;
use crate::interrupt::Watch;
use crate::labelled::asking::Asking;
use crate::labelled::dev_scores::write_json;
use crate::labelled::showing;
use crate::out_of_memory::{self, Work};
use crate::progress::Progress;
use crate::run_scores::read_scores;
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

/// Trains a run to its end, unless it has come there before; predicts and scores what it is evaluated on.
/// `known` are the data of runs before.
///
/// # Errors
/// If training fails, or somebody stops it. Checkpoints written before stay whole.
pub(super) fn train(
    run: &RunFolder,
    settings: &FineTuneSettings,
    known: &mut KnownData,
    (show, watch): (Show, &Watch),
) -> Result<Ended, Failure> {
    let console = show.console;
    let architecture = architectures::of_run(run, &settings.architecture)?;
    if let Some(ended) = ended(run, settings)? {
        return Ok(ended);
    }
    let specs = devices::choose(&settings.devices)?;
    let devices = devices::open(&specs)?;
    keep_devices(run, settings)?;
    let data = settings.data(architecture.tuned(), known)?;
    let has_saved = !run.list_checkpoints()?.is_empty();
    // They may have been read for long.
    watch.go_on().inspect_err(|_| match has_saved {
        true => tell_stopped("before it went on", run, console),
        false => console.note("stopped before the first step"),
    })?;
    showing::tell_counts(&data.counts, console);
    let place = (specs.as_slice(), has_saved);
    Need::new(settings, architecture.tuned(), data.largest_rows(), place)?.tell(console);
    let dev = data.dev.clone();
    let progress = Progress::new(console, show.dashboard);
    let progress = Arc::new(progress.with_score(&settings.training.select.value));
    let context = RunContext {
        run: run.clone(),
        devices: devices.clone(),
        interrupter: watch.interrupter(),
        observer: progress.clone(),
        dashboard: show.dashboard,
        resumption: None,
    };
    let memory = out_of_memory::during(if has_saved {
        Work::TuningOn
    } else {
        Work::Tuning
    });
    let outcome = architecture.tuned().fine_tune(settings, data, context);
    drop(memory);
    progress.finish();
    let outcome = outcome.map_err(|error| with_command(error, run))?;
    if outcome.stop == Stop::Interrupted {
        let steps = count(settings.training.steps);
        let when = format!("after step {} of {steps}", count(outcome.step));
        tell_stopped(&when, run, console);
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
            console.note(format_args!("predicting with step {}", count(step)));
            let output = run.path().join(PREDICTIONS);
            let predicted = asking.rows(dev.examples(), Some(&output), &|| watch.go_on());
            let (rows, _) = predicted.inspect_err(|failure| {
                if matches!(failure, Failure::Interrupted(_)) {
                    tell_stopped("while it predicted", run, console);
                }
            })?;
            Some(score(&rows, &settings.task.score_options(RESAMPLES))?)
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

fn tell_stopped(when: &str, run: &RunFolder, console: Console) {
    let run = shell(run.path());
    console.note(format_args!(
        "stopped {when}; go on with: kiln resume {run}"
    ));
}

/// Writes down the devices of a run that goes on on others than before.
fn keep_devices(run: &RunFolder, settings: &FineTuneSettings) -> Result<(), Failure> {
    let (_, written): (_, FineTuneSettings) = RunFolder::open(run.path())?;
    if written.devices == settings.devices {
        return Ok(());
    }
    Ok(run.write_settings(&FineTuneSettings {
        devices: settings.devices.clone(),
        ..written
    })?)
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

/// The error of a run, with the command that goes on from what it has saved.
fn with_command(error: LearnError, run: &RunFolder) -> Failure {
    let has_saved = run.list_checkpoints().is_ok_and(|saved| !saved.is_empty());
    match error {
        LearnError::Device { step: 1.., .. } | LearnError::Events(_) if has_saved => Failure::run(
            format_args!("{error}; go on with: kiln resume {}", shell(run.path())),
        ),
        // Its rate can't change any more.
        LearnError::Diverged {
            step,
            problem,
            first_step: false,
            ..
        } => Failure::run(format_args!(
            "step {step}: {problem}; start again with a lower --lr, in another folder"
        )),
        error => error.into(),
    }
}

/// Writes the page of a run, or of several; none where that fails, with a warning: the models are there.
pub(super) fn write_page(run: &Path, console: Console) -> Option<PathBuf> {
    finish::attempt(console, "no report", || {
        Ok(write_tuning_report(&RunFolder::at(run))?)
    })
}

/// Says what a run scored and what to do with it; `report` is its page.
///
/// # Errors
/// If stdout is closed.
pub(super) fn tell(
    run: &RunFolder,
    settings: &FineTuneSettings,
    ended: &Ended,
    (report, show): (Option<&Path>, Show),
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
            "report": report,
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
    if let Some(report) = report {
        console.out(format_args!("report       {}", report.display()))?;
    }
    let threshold = tuned_threshold(settings, ended.scores.scores.as_ref());
    console.out(format_args!(
        "use it with  kiln predict {} --model {}{}",
        settings.fine_tune.name(),
        shell(run.path()),
        threshold.map_or_else(String::new, |best| format!(" --null-threshold {best}"))
    ))
}

/// The threshold for "no answer" that is best on the development examples, where it is another than the run's.
fn tuned_threshold(settings: &FineTuneSettings, scores: Option<&Scores>) -> Option<f64> {
    let search = &settings.task.search;
    let mut facts = scores.filter(|_| search.allow_no_answer)?.facts.iter();
    let best = facts.find(|fact| fact.name == "best_f1_thresh")?.value;
    (best != search.null_threshold).then_some(best)
}
