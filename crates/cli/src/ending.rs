//! What a run says at its end: a summary for people, or one JSON object.

use std::path::PathBuf;
use std::time::Duration;

use kiln_learner::{Record, Stop, TrainOutcome};
use kiln_report::History;
use kiln_tasks::architecture::MaskCandidate;
use serde_json::{Map, Value, json};

use crate::discriminator_sample::DiscriminatorSample;
use crate::failure::Failure;
use crate::ready_run::ReadyRun;
use crate::samples::Sample;
use crate::wording::{count, duration, is_quality, number, shell};

/// What became of a run.
pub(crate) struct Ending<'a> {
    pub(crate) ready: &'a ReadyRun<'a>,
    pub(crate) outcome: TrainOutcome,
    pub(crate) history: History,
    pub(crate) unigram_entropy: Option<f64>,
    /// What else is known of the corpus, for a program.
    pub(crate) corpus: Option<Value>,
    /// None if it could not be written.
    pub(crate) report: Option<PathBuf>,
    pub(crate) samples: Vec<(Sample, Vec<MaskCandidate>)>,
    pub(crate) discriminator_sample: Option<DiscriminatorSample>,
}

impl Ending<'_> {
    /// What to do next; several commands where the run made several models.
    fn next_commands(&self) -> Vec<String> {
        if self.outcome.stop == Stop::Interrupted {
            return vec![format!("kiln resume {}", shell(self.ready.run.path()))];
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
        if self.ready.has_generator() {
            let sample = self.samples.first().map(|(sample, _)| sample.text.as_str());
            commands.push(predict("fill-mask", sample));
        }
        if self.ready.settings.objective.detection().is_some() {
            let text = self
                .discriminator_sample
                .as_ref()
                .map(|sample| sample.text.as_str());
            commands.push(predict("replaced-tokens", text));
        }
        commands
    }

    /// Says it on stdout.
    ///
    /// # Errors
    /// If stdout can't be written.
    pub(crate) fn tell(&self) -> Result<(), Failure> {
        if self.ready.json {
            self.ready.console.json(&self.to_json())
        } else {
            self.print()
        }
    }

    /// Prints the summary.
    ///
    /// # Errors
    /// If stdout can't be written.
    fn print(&self) -> Result<(), Failure> {
        let console = self.ready.console;
        let outcome = &self.outcome;
        let row = |name: &str, text: String| console.out(format_args!("{name:<12}{text}"));
        row(
            "run",
            format!(
                "{} ({}, {} of {} steps)",
                self.ready.run.path().display(),
                stop_word(outcome.stop),
                count(outcome.step),
                count(self.ready.settings.training.steps)
            ),
        )?;
        if let Some(last) = &self.history.last_evaluation {
            row("loss", describe(last))?;
        }
        if let Some(best) = &self.history.best_evaluation {
            row("best", describe(best))?;
        }
        for stall in self.history.stalls() {
            row(
                "stalled",
                format!(
                    "{} {} at step {}, no less than the {} of a guess that never looks at the text",
                    stall.term,
                    number(stall.loss, 3),
                    count(stall.step),
                    number(stall.constant, 3)
                ),
            )?;
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
        let (tokens, seconds) = (self.history.timed_tokens, self.history.seconds);
        if seconds > 0.0 {
            let time = duration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
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
        if let Some(report) = &self.report {
            row("report", report.display().to_string())?;
        }
        for (sample, candidates) in &self.samples {
            console.out(format_args!("\n{}\n  was: {}", sample.text, sample.word))?;
            let filled: Vec<String> = candidates
                .iter()
                .map(|candidate| format!("{} {:.3}", candidate.token, candidate.score))
                .collect();
            console.out(format_args!("  model: {}", filled.join(", ")))?;
        }
        if let Some(sample) = &self.discriminator_sample {
            let (text, line) = (&sample.text, sample.line());
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
        if outcome.stop == Stop::Early {
            let run = shell(self.ready.run.path());
            console.out(format_args!(
                "train further with: kiln resume {run} --early-stop 0"
            ))?;
        }
        Ok(())
    }

    /// The terms that had learned nothing when they were looked at.
    fn stalls(&self) -> Vec<Value> {
        let stalls = self.history.stalls().iter();
        stalls
            .map(|stall| {
                json!({
                    "term": stall.term,
                    "step": stall.step,
                    "loss": stall.loss,
                    "constant_guess": stall.constant,
                })
            })
            .collect()
    }

    /// The object that `--json` prints.
    pub(crate) fn to_json(&self) -> Value {
        let commands = self.next_commands();
        let (tokens, seconds) = (self.history.timed_tokens, self.history.seconds);
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
            "run": self.ready.run.path().display().to_string(),
            "stop": stop_word(self.outcome.stop),
            "step": self.outcome.step,
            "steps": self.ready.settings.training.steps,
            "skipped_steps": self.outcome.bad_steps,
            "learned_nothing": self.stalls(),
            "evaluation": self.history.last_evaluation.as_ref().map(values),
            "best_evaluation": self.history.best_evaluation.as_ref().map(values),
            "unigram_entropy": self.unigram_entropy,
            "corpus": self.corpus,
            "tokens_per_second": (seconds > 0.0).then(|| tokens / seconds),
            "checkpoint": self.outcome.checkpoint.display().to_string(),
            "best_checkpoint": best_checkpoint,
            "report": self.report.as_ref().map(|path| path.display().to_string()),
            "samples": samples,
            "discriminator_sample": self.discriminator_sample.as_ref().map(DiscriminatorSample::to_json),
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
                format!("{name} {}", number(*value, 1))
            } else {
                format!("{name} {}", number(*value, 3))
            }
        })
        .collect();
    let loss = record.get("loss").unwrap_or(f64::NAN);
    format!(
        "{} after step {} ({})",
        number(loss, 3),
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
