//! Training, and what is made of the trained model: the same for a new run and a resumed one.

use std::sync::Arc;

use burn::tensor::Device;
use burn::train::Interrupter;
use kiln_learner::architecture::{Architecture, FillMaskRequest, MaskCandidate, RunContext};
use kiln_learner::record::read_records;
use kiln_learner::{RunFolder, RunSettings, Stop, TrainOutcome};
use kiln_text::{Corpus, Tokenizer};
use serde_json::Value;

use crate::allocator::{self, Work};
use crate::console::Console;
use crate::corpus_notes;
use crate::doubt::Doubt;
use crate::ending::Ending;
use crate::failure::{Failure, caught};
use crate::interrupt;
use crate::progress::Progress;
use crate::report::{self, ReportFacts};
use crate::samples::{self, Sample};

/// Sentences shown at the end.
const SAMPLES: usize = 3;

/// Candidates shown for each.
const CANDIDATES: usize = 5;

/// A run to be trained, with everything checked.
pub(crate) struct Job<'a> {
    pub(crate) architecture: &'static dyn Architecture,
    pub(crate) run: &'a RunFolder,
    pub(crate) settings: &'a RunSettings,
    pub(crate) devices: Vec<Device>,
    pub(crate) dashboard: bool,
    pub(crate) json: bool,
    pub(crate) console: Console,
}

/// Trains to the end, or until somebody stops it; then writes the report and sums up.
///
/// # Errors
/// If training fails. Checkpoints written before stay whole. What fails after training is a warning:
/// the model is there.
pub(crate) fn train(job: Job<'_>) -> Result<(), Failure> {
    let interrupter = Interrupter::new();
    interrupt::stop_on_signal(&interrupter, job.console)?;
    let progress = Arc::new(Progress::new(job.console, job.dashboard));
    let context = RunContext {
        run: job.run.clone(),
        devices: job.devices.clone(),
        interrupter,
        observer: progress.clone(),
        dashboard: job.dashboard,
    };
    let memory = allocator::during(Work::Training);
    let outcome = job.architecture.pretrain(job.settings, context);
    drop(memory);
    progress.finish();
    let ending = conclude(&job, outcome?, progress.parameters());
    if job.json {
        job.console.json(&ending.to_json())
    } else {
        ending.print()
    }
}

/// Report and sample sentences of a run that has ended.
fn conclude<'a>(job: &'a Job<'a>, outcome: TrainOutcome, parameters: Option<u64>) -> Ending<'a> {
    let records = attempt(job, "the run's metrics are not summed up", || {
        Ok(read_records(&job.run.metrics())?)
    })
    .unwrap_or_default();
    let known = caught(|| of_corpus(job.settings).ok()).ok().flatten();
    let (unigram_entropy, corpus) = known.unzip();
    let report = attempt(job, "no report", || {
        let facts = ReportFacts {
            unigram_entropy,
            parameters,
            finished: Some(outcome.stop),
        };
        Ok(report::write_report(
            job.run,
            job.settings,
            &records,
            &facts,
        )?)
    });
    let samples = match outcome.stop {
        // Whoever stops a run wants it to end.
        Stop::Interrupted => Vec::new(),
        // Nothing fills masks where replacements are drawn from all words alike.
        Stop::Done | Stop::Early if !has_generator(job.settings) => Vec::new(),
        Stop::Done | Stop::Early => {
            let fill = || fill_samples(job, &outcome);
            attempt(job, "no example sentences", fill).unwrap_or_default()
        }
    };
    let doubt = attempt(job, "the discriminator was not asked", || {
        doubt(job, &outcome, &samples)
    })
    .flatten();
    Ending {
        job,
        outcome,
        records,
        unigram_entropy,
        corpus: corpus.flatten(),
        report,
        samples,
        doubt,
    }
}

/// What `make` gives; if it fails, or panics, a warning that says what is missing: the model is
/// trained and saved, and nothing that follows may take that back.
fn attempt<T>(
    job: &Job<'_>,
    missing: &str,
    make: impl FnOnce() -> Result<T, Failure>,
) -> Option<T> {
    let reason = match caught(make) {
        Ok(Ok(made)) => return Some(made),
        Ok(Err(failure)) => failure.message().unwrap_or_default(),
        Err(panic) => format!("internal fault: {panic}"),
    };
    job.console
        .note(format_args!("warning: {missing} ({reason})"));
    None
}

/// The entropy of a run's corpus, and what else there is to say of it.
fn of_corpus(settings: &RunSettings) -> Result<(f64, Option<Value>), Failure> {
    let tokenizer = Tokenizer::open(&settings.data.tokenizer)?;
    let corpus = Corpus::open(&settings.data.shards, &tokenizer)?;
    let known = corpus.header().map(corpus_notes::to_json);
    Ok((corpus.unigram_entropy(), known))
}

fn fill_samples(
    job: &Job<'_>,
    outcome: &TrainOutcome,
) -> Result<Vec<(Sample, Vec<MaskCandidate>)>, Failure> {
    let samples = samples::draw(job.settings, SAMPLES)?;
    let Some(device) = job.devices.first() else {
        return Ok(Vec::new());
    };
    if samples.is_empty() {
        return Ok(Vec::new());
    }
    let filled = job.architecture.fill_mask(&FillMaskRequest {
        model: outcome.checkpoint.clone(),
        texts: samples.iter().map(|sample| sample.text.clone()).collect(),
        top_k: CANDIDATES,
        device: device.clone(),
    })?;
    Ok(samples
        .into_iter()
        .zip(filled)
        .filter_map(|(sample, masks)| Some((sample, masks.into_iter().next()?.candidates)))
        .collect())
}

/// Whether something predicts words: everywhere but beside a lone discriminator.
pub(crate) fn has_generator(settings: &RunSettings) -> bool {
    let replaced_tokens = settings.objective.replaced_tokens.as_ref();
    !replaced_tokens.is_some_and(|settings| settings.uniform_generator)
}

/// What the discriminator says of the first sample, where there is a discriminator and a sample.
fn doubt(
    job: &Job<'_>,
    outcome: &TrainOutcome,
    samples: &[(Sample, Vec<MaskCandidate>)],
) -> Result<Option<Doubt>, Failure> {
    let has_discriminator = job.settings.objective.replaced_tokens.is_some();
    match (samples.first(), job.devices.first()) {
        (Some((sample, candidates)), Some(device)) if has_discriminator => {
            let tokenizer = Tokenizer::open(&job.settings.data.tokenizer)?;
            let mask = tokenizer.vocabulary()?.mask;
            let mask = tokenizer.token(mask).unwrap_or_default();
            let sample = (sample, candidates.as_slice());
            Doubt::ask(job.architecture, &outcome.checkpoint, sample, &mask, device)
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;
