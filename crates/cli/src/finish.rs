//! Training, and what is made of the trained model: the same for a new run and a resumed one.

use std::sync::Arc;

use kiln_learner::{LearnError, Stop, TrainOutcome};
use kiln_report::{History, ReportFacts, write_report};
use kiln_tasks::RunSettings;
use kiln_tasks::architecture::{FillMaskRequest, MaskCandidate, RunContext};
use kiln_text::{Corpus, Tokenizer};
use serde_json::Value;

use crate::console::Console;
use crate::corpus_notes;
use crate::discriminator_sample::DiscriminatorSample;
use crate::ending::Ending;
use crate::failure::{Failure, caught};
use crate::interrupt::Watch;
use crate::out_of_memory::{self, Work};
use crate::progress::Progress;
use crate::ready_run::ReadyRun;
use crate::samples::{self, Sample};
use crate::wording::shell;

/// Sentences shown at the end.
const SAMPLES: usize = 3;

/// Candidates shown for each.
const CANDIDATES: usize = 5;

/// No learning rate above this is advised.
const HIGHEST_ADVISED: f64 = 1e-4;

/// Trains to the end, or until somebody stops it; then writes the report and sums up.
///
/// # Errors
/// If training fails, or is stopped by a signal. Checkpoints written before stay whole. What fails after training is a warning:
/// the model is there.
pub(crate) fn train(mut ready: ReadyRun<'_>) -> Result<(), Failure> {
    let watch = Watch::new(ready.console)?;
    let (outcome, parameters) = train_watched(&mut ready, &watch)?;
    watch.all_is_saved();
    let stop = outcome.stop;
    conclude(&ready, outcome, parameters).tell()?;
    match stop {
        Stop::Interrupted => Err(watch.stopped()),
        Stop::Done | Stop::Early => Ok(()),
    }
}

/// Trains to the end, or until somebody stops it; gives the model's parameters as well, if they are
/// known.
///
/// # Errors
/// If training fails.
pub(crate) fn train_watched(
    ready: &mut ReadyRun<'_>,
    watch: &Watch,
) -> Result<(TrainOutcome, Option<u64>), Failure> {
    let progress = Arc::new(Progress::new(ready.console, ready.dashboard));
    let resumption = ready.resumption.take();
    let work = match resumption {
        Some(_) => Work::Resuming,
        None => Work::Training,
    };
    let context = RunContext {
        run: ready.run.clone(),
        devices: ready.devices.clone(),
        interrupter: watch.interrupter(),
        observer: progress.clone(),
        dashboard: ready.dashboard,
        resumption,
    };
    let memory = out_of_memory::during(work);
    let outcome = ready.architecture.pretrain(ready.settings, context);
    drop(memory);
    progress.finish();
    let outcome = outcome.map_err(|error| with_command(error, ready))?;
    Ok((outcome, progress.parameters()))
}

/// The error of a run, with the command that goes on from what it has saved.
fn with_command(error: LearnError, ready: &ReadyRun<'_>) -> Failure {
    let run = shell(ready.run.path());
    match error {
        LearnError::Diverged { first_step, .. } if !first_step => {
            let rate = lower_rate(ready.settings.training.optimizer.learning_rate);
            Failure::run(format_args!("{error}: kiln resume {run} --lr {rate:e}"))
        }
        LearnError::Device { step: 1.., .. } | LearnError::Events(_) => {
            let saved = ready.run.list_checkpoints();
            if saved.is_ok_and(|saved| saved.is_empty()) {
                return Failure::run(format_args!(
                    "{error}, but that is nothing yet; try again, with a smaller --batch-size if \
                     memory ran out"
                ));
            }
            Failure::run(format_args!(
                "{error}; go on with: kiln resume {run}, \
                 with a smaller --batch-size if memory ran out"
            ))
        }
        error => error.into(),
    }
}

/// A rate to try after `rate` has led to nothing: a tenth, and none that hardly any model bears.
fn lower_rate(rate: f64) -> f64 {
    let tenth = (rate / 10.0).min(HIGHEST_ADVISED);
    // Two digits: 3.0000000000000004e-5 is nobody's rate.
    format!("{tenth:.1e}").parse().unwrap_or(tenth)
}

/// Report and sample sentences of a run that has ended.
pub(crate) fn conclude<'a>(
    ready: &'a ReadyRun<'a>,
    outcome: TrainOutcome,
    parameters: Option<u64>,
) -> Ending<'a> {
    let history = attempt(ready.console, "the run's metrics are not summed up", || {
        Ok(History::read(&ready.run.metrics())?)
    })
    .unwrap_or_default();
    let known = caught(|| of_corpus(ready.settings).ok()).ok().flatten();
    let (unigram_entropy, corpus) = known.unzip();
    let report = attempt(ready.console, "no report", || {
        let facts = ReportFacts {
            unigram_entropy,
            parameters,
            finished: Some(outcome.stop),
        };
        Ok(write_report(ready.run, ready.settings, &history, &facts)?)
    });
    let samples = match outcome.stop {
        // Whoever stops a run wants it to end.
        Stop::Interrupted => Vec::new(),
        // Nothing fills masks where replacements are drawn from all words alike.
        Stop::Done | Stop::Early if !ready.has_generator() => Vec::new(),
        Stop::Done | Stop::Early => {
            let fill = || fill_samples(ready, &outcome);
            attempt(ready.console, "no example sentences", fill).unwrap_or_default()
        }
    };
    let discriminator_sample = attempt(ready.console, "the discriminator was not asked", || {
        ask_discriminator(ready, &outcome, &samples)
    })
    .flatten();
    Ending {
        ready,
        outcome,
        history,
        unigram_entropy,
        corpus: corpus.flatten(),
        report,
        samples,
        discriminator_sample,
    }
}

/// What `make` gives; if it fails, or panics, a warning that says what is missing: the model is
/// trained and saved, and nothing that follows may take that back.
pub(crate) fn attempt<T>(
    console: Console,
    missing: &str,
    make: impl FnOnce() -> Result<T, Failure>,
) -> Option<T> {
    let reason = match caught(make) {
        Ok(Ok(made)) => return Some(made),
        Ok(Err(failure)) => failure.message().unwrap_or_default(),
        Err(panic) => format!("internal fault: {panic}"),
    };
    console.note(format_args!("warning: {missing} ({reason})"));
    None
}

/// The entropy of a run's corpus, and what else there is to say of it.
fn of_corpus(settings: &RunSettings) -> Result<(f64, Option<Value>), Failure> {
    let tokenizer = Tokenizer::open(&settings.data.tokenizer)?;
    let corpus = Corpus::open(&settings.data.shards, &tokenizer)?;
    let known = corpus.header().map(|header| {
        let mut header = header.clone();
        // The shard in the cache was made when there may have been others.
        if let Some(source) = &settings.data.source {
            header.left_out_of_folders = source.left_out.clone();
        }
        corpus_notes::to_json(&header)
    });
    Ok((corpus.unigram_entropy(), known))
}

fn fill_samples(
    ready: &ReadyRun<'_>,
    outcome: &TrainOutcome,
) -> Result<Vec<(Sample, Vec<MaskCandidate>)>, Failure> {
    let samples = samples::draw(ready.settings, SAMPLES)?;
    let Some(device) = ready.devices.first() else {
        return Ok(Vec::new());
    };
    if samples.is_empty() {
        return Ok(Vec::new());
    }
    let filled = ready.architecture.fill_mask(&FillMaskRequest {
        model: outcome.checkpoint.clone(),
        texts: samples.iter().map(|sample| sample.text.clone()).collect(),
        top_k: CANDIDATES,
        device: device.clone(),
        warn: Console::warn,
    })?;
    Ok(samples
        .into_iter()
        .zip(filled)
        .filter_map(|(sample, masks)| Some((sample, masks.into_iter().next()?.candidates)))
        .collect())
}

/// What the discriminator says of the first sample, where there is a discriminator and a sample.
fn ask_discriminator(
    ready: &ReadyRun<'_>,
    outcome: &TrainOutcome,
    samples: &[(Sample, Vec<MaskCandidate>)],
) -> Result<Option<DiscriminatorSample>, Failure> {
    let has_discriminator = ready.settings.objective.detection().is_some();
    match (samples.first(), ready.devices.first()) {
        (Some((sample, candidates)), Some(device)) if has_discriminator => {
            let tokenizer = Tokenizer::open(&ready.settings.data.tokenizer)?;
            let mask = tokenizer.vocabulary()?.mask;
            let mask = tokenizer.token(mask).unwrap_or_default();
            let sample = (sample, candidates.as_slice());
            DiscriminatorSample::ask(
                ready.architecture,
                &outcome.checkpoint,
                sample,
                &mask,
                device,
            )
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;
