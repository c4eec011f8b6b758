//! Training, and what is said and written at its end: the same for a new run and a resumed one.

use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::Device;
use burn::train::Interrupter;
use kiln_learner::architecture::{Architecture, FillMaskRequest, MaskCandidate, RunContext};
use kiln_learner::record::read_records;
use kiln_learner::{Record, RecordKind, RunFolder, RunSettings, Stop, TrainOutcome};
use kiln_text::{Corpus, Tokenizer};
use serde_json::{Map, Value, json};

use crate::console::Console;
use crate::doubt::Doubt;
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::Progress;
use crate::report::{self, ReportFacts};
use crate::samples::{self, Sample};
use crate::wording::{count, duration, is_quality, shell};

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

/// What became of a run.
struct Ending<'a> {
    job: &'a Job<'a>,
    outcome: TrainOutcome,
    records: Vec<Record>,
    unigram_entropy: Option<f64>,
    report: PathBuf,
    samples: Vec<(Sample, Vec<MaskCandidate>)>,
    doubt: Option<Doubt>,
}

/// Trains to the end, or until somebody stops it; then writes the report and sums up.
///
/// # Errors
/// If training fails or the report can't be written. Checkpoints written before stay whole.
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
    let outcome = job.architecture.pretrain(job.settings, context);
    progress.finish();
    let outcome = outcome?;

    let records = read_records(&job.run.metrics())?;
    let tokenizer = Tokenizer::open(&job.settings.data.tokenizer)?;
    let unigram_entropy = Corpus::open(&job.settings.data.shards, &tokenizer)
        .map(|corpus| corpus.unigram_entropy())
        .ok();
    let facts = ReportFacts {
        unigram_entropy,
        parameters: progress.parameters(),
        finished: Some(outcome.stop),
    };
    let report = report::write_report(job.run, job.settings, &records, &facts)?;
    let samples = match outcome.stop {
        // Whoever stops a run wants it to end.
        Stop::Interrupted => Vec::new(),
        // Nothing fills masks where replacements are drawn from all words alike.
        Stop::Done | Stop::Early if !has_generator(job.settings) => Vec::new(),
        Stop::Done | Stop::Early => fill_samples(&job, &outcome).unwrap_or_else(|failure| {
            let reason = failure.message().unwrap_or_default();
            job.console
                .note(format_args!("warning: no example sentences ({reason})"));
            Vec::new()
        }),
    };
    let doubt = doubt(&job, &outcome, &samples, &tokenizer).unwrap_or_else(|failure| {
        let reason = failure.message().unwrap_or_default();
        job.console.note(format_args!(
            "warning: the discriminator was not asked ({reason})"
        ));
        None
    });
    let ending = Ending {
        job: &job,
        outcome,
        records,
        unigram_entropy,
        report,
        samples,
        doubt,
    };
    if job.json {
        job.console.json(&ending.to_json())
    } else {
        ending.print()
    }
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
fn has_generator(settings: &RunSettings) -> bool {
    let replaced_tokens = settings.objective.replaced_tokens.as_ref();
    !replaced_tokens.is_some_and(|settings| settings.uniform_generator)
}

/// What the discriminator says of the first sample, where there is a discriminator and a sample.
fn doubt(
    job: &Job<'_>,
    outcome: &TrainOutcome,
    samples: &[(Sample, Vec<MaskCandidate>)],
    tokenizer: &Tokenizer,
) -> Result<Option<Doubt>, Failure> {
    let has_discriminator = job.settings.objective.replaced_tokens.is_some();
    match (samples.first(), job.devices.first()) {
        (Some((sample, candidates)), Some(device)) if has_discriminator => {
            let mask = tokenizer.vocabulary()?.mask;
            let mask = tokenizer.token(mask).unwrap_or_default();
            let sample = (sample, candidates.as_slice());
            Doubt::ask(job.architecture, &outcome.checkpoint, sample, &mask, device)
        }
        _ => Ok(None),
    }
}

/// Tokens and seconds of all training steps.
fn throughput(records: &[Record]) -> (f64, f64) {
    records
        .iter()
        .filter(|record| record.kind == RecordKind::Train)
        .filter_map(|record| Some((record.get("tokens")?, record.get("tokens_per_second")?)))
        .filter(|(_, rate)| *rate > 0.0)
        .fold((0.0, 0.0), |(tokens, seconds), (more, rate)| {
            (tokens + more, seconds + more / rate)
        })
}

impl Ending<'_> {
    fn evaluations(&self) -> impl Iterator<Item = &Record> {
        self.records
            .iter()
            .filter(|record| record.kind == RecordKind::Eval)
    }

    fn best(&self) -> Option<&Record> {
        let loss = |record: &Record| record.get("loss").unwrap_or(f64::INFINITY);
        self.evaluations()
            .min_by(|a, b| loss(a).total_cmp(&loss(b)))
    }

    /// What to do next; several commands where the run made several models.
    fn next_commands(&self) -> Vec<String> {
        if self.outcome.stop == Stop::Interrupted {
            return vec![format!("kiln resume {}", shell(self.job.run.path()))];
        }
        let predict = |what: &str, text: Option<&str>| {
            let model = shell(&self.outcome.checkpoint);
            let text = text.map(|text| format!(" {}", shell(text.as_ref())));
            format!(
                "kiln predict {what} --model {model}{}",
                text.unwrap_or_default()
            )
        };
        let mut commands = Vec::new();
        if has_generator(self.job.settings) {
            let sample = self.samples.first().map(|(sample, _)| sample.text.as_str());
            commands.push(predict("fill-mask", sample));
        }
        if self.job.settings.objective.replaced_tokens.is_some() {
            let text = self.doubt.as_ref().map(|doubt| doubt.text.as_str());
            commands.push(predict("replaced-tokens", text));
        }
        commands
    }

    fn print(&self) -> Result<(), Failure> {
        let console = self.job.console;
        let outcome = &self.outcome;
        let row = |name: &str, text: String| console.out(format_args!("{name:<12}{text}"));
        row(
            "run",
            format!(
                "{} ({}, {} of {} steps)",
                self.job.run.path().display(),
                stop_word(outcome.stop),
                count(outcome.step),
                count(self.job.settings.training.steps)
            ),
        )?;
        if let Some(last) = self.evaluations().last() {
            row("loss", describe(last))?;
        }
        if let Some(best) = self.best() {
            row("best", describe(best))?;
        }
        if let Some(entropy) = self.unigram_entropy {
            row(
                "to compare",
                format!(
                    "word frequencies alone give {entropy:.3} (perplexity {:.1})",
                    entropy.exp()
                ),
            )?;
        }
        let (tokens, seconds) = throughput(&self.records);
        if seconds > 0.0 {
            let time = duration(std::time::Duration::from_secs_f64(seconds));
            row(
                "speed",
                format!(
                    "{} tokens/s, {time} in steps",
                    count((tokens / seconds) as u64)
                ),
            )?;
        }
        if outcome.bad_steps > 0 {
            row(
                "skipped",
                format!("{} steps, not finite", count(outcome.bad_steps)),
            )?;
        }
        row("checkpoint", outcome.checkpoint.display().to_string())?;
        row("report", self.report.display().to_string())?;
        for (sample, candidates) in &self.samples {
            console.out(format_args!("\n{}\n  was: {}", sample.text, sample.word))?;
            let filled: Vec<String> = candidates
                .iter()
                .map(|candidate| format!("{} {:.3}", candidate.token, candidate.score))
                .collect();
            console.out(format_args!("  model: {}", filled.join(", ")))?;
        }
        if let Some(doubt) = &self.doubt {
            let (text, line) = (&doubt.text, doubt.line());
            console.out(format_args!("\n{text}\n  discriminator: {line}"))?;
        }
        let verb = match outcome.stop {
            Stop::Interrupted => "go on with",
            Stop::Done | Stop::Early => "use it with",
        };
        console.out("")?;
        for command in self.next_commands() {
            console.out(format_args!("{verb}: {command}"))?;
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        let commands = self.next_commands();
        let (tokens, seconds) = throughput(&self.records);
        let samples: Vec<Value> = self
            .samples
            .iter()
            .map(|(sample, candidates)| {
                let candidates: Vec<Value> = candidates
                    .iter()
                    .map(|candidate| {
                        json!({ "token": candidate.token, "id": candidate.id, "score": candidate.score })
                    })
                    .collect();
                json!({ "text": sample.text, "word": sample.word, "candidates": candidates })
            })
            .collect();
        let best_checkpoint = self
            .outcome
            .best_checkpoint
            .as_ref()
            .map(|(_, path, _)| path.display().to_string());
        json!({
            "run": self.job.run.path().display().to_string(),
            "stop": stop_word(self.outcome.stop),
            "step": self.outcome.step,
            "steps": self.job.settings.training.steps,
            "skipped_steps": self.outcome.bad_steps,
            "evaluation": self.evaluations().last().map(values),
            "best_evaluation": self.best().map(values),
            "unigram_entropy": self.unigram_entropy,
            "tokens_per_second": (seconds > 0.0).then(|| tokens / seconds),
            "checkpoint": self.outcome.checkpoint.display().to_string(),
            "best_checkpoint": best_checkpoint,
            "report": self.report.display().to_string(),
            "samples": samples,
            "discriminator_sample": self.doubt.as_ref().map(Doubt::to_json),
            "next": commands.first(),
            "also": commands.get(1..).unwrap_or_default(),
        })
    }
}

/// `3.912 after step 1,000 (mlm_loss 3.221, mlm_perplexity 25.1, …)`
fn describe(record: &Record) -> String {
    let parts: Vec<String> = record
        .values
        .iter()
        .filter(|(name, _)| {
            let is_part = name.ends_with("_loss") || name.ends_with("_perplexity");
            is_part || is_quality(name) || name == "replaced"
        })
        .map(|(name, value)| {
            if name.ends_with("_perplexity") {
                format!("{name} {value:.1}")
            } else {
                format!("{name} {value:.3}")
            }
        })
        .collect();
    let loss = record.get("loss").unwrap_or(f64::NAN);
    format!(
        "{loss:.3} after step {} ({})",
        count(record.step),
        parts.join(", ")
    )
}

fn values(record: &Record) -> Value {
    let mut object = Map::new();
    object.insert("step".into(), record.step.into());
    for (name, value) in &record.values {
        object.insert(name.clone(), json!(value));
    }
    Value::Object(object)
}

fn stop_word(stop: Stop) -> &'static str {
    match stop {
        Stop::Done => "done",
        Stop::Early => "stopped early",
        Stop::Interrupted => "interrupted",
    }
}
