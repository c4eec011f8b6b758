//! Progress of training: one live line on a terminal, plain lines elsewhere, both on stderr.

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use kiln_learner::{Observer, Record, Stall, TrainingSettings};

use crate::console::Console;
use crate::live_line::{StepLine, terminal_width};
use crate::task_progress::live_line;
use crate::wording::{count, is_quality, number};

/// Tells of a run as it happens.
pub(crate) struct Progress {
    console: Console,
    /// Absent off a terminal, and while the dashboard has the screen.
    bar: Option<ProgressBar>,
    /// The dashboard has the screen: nothing is printed.
    silent: bool,
    parameters: OnceLock<u64>,
    pace: Mutex<Pace>,
    /// The score that decides between evaluations, where it is not the loss.
    score: Option<String>,
}

/// How fast it goes: over the steps since the last line, and since the start.
struct Pace {
    started: Instant,
    first_step: u64,
    tokens: f64,
    seconds: f64,
}

impl Pace {
    /// Takes in a step.
    fn add(&mut self, record: &Record) {
        if let (Some(tokens), Some(rate)) = (record.get("tokens"), record.get("tokens_per_second"))
            && rate > 0.0
        {
            self.tokens += tokens;
            self.seconds += tokens / rate;
        }
    }

    fn tokens_per_second(&self) -> f64 {
        self.tokens / self.seconds.max(1e-9)
    }

    /// Time left at the pace so far, evaluations and checkpoints included.
    fn left(&self, step: u64, steps: u64) -> Duration {
        let done = step.saturating_sub(self.first_step).max(1);
        let left = steps.saturating_sub(step) as f64;
        let seconds = self.started.elapsed().as_secs_f64() * (left / done as f64);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

impl Progress {
    pub(crate) fn new(console: Console, dashboard: bool) -> Self {
        Self {
            console,
            bar: (console.is_live() && !dashboard).then(live_line),
            silent: dashboard,
            parameters: OnceLock::new(),
            pace: Mutex::new(Pace {
                started: Instant::now(),
                first_step: 0,
                tokens: 0.0,
                seconds: 0.0,
            }),
            score: None,
        }
    }

    /// Shows this score of evaluations too.
    pub(crate) fn with_score(self, name: &str) -> Self {
        Self {
            score: (name != "loss").then(|| name.to_owned()),
            ..self
        }
    }

    /// Trainable numbers of the model, once it is made.
    pub(crate) fn parameters(&self) -> Option<u64> {
        self.parameters.get().copied()
    }

    /// Takes the live line away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line that stays.
    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.console.note(text)),
            None if self.silent => {}
            None => self.console.note(text),
        }
    }
}

impl Observer for Progress {
    fn model(&self, parameters: usize) {
        let _ = self.parameters.set(parameters as u64);
        self.line(&format!("model: {} parameters", count(parameters as u64)));
    }

    fn started(&self, step: u64, checkpoint: Option<&Path>) {
        let mut pace = self.pace();
        pace.started = Instant::now();
        pace.first_step = step;
        drop(pace);
        if let Some(checkpoint) = checkpoint {
            self.line(&format!(
                "going on after step {} from {}",
                count(step),
                checkpoint.display()
            ));
        }
    }

    fn step(&self, record: &Record, settings: &TrainingSettings) {
        let mut pace = self.pace();
        pace.add(record);
        let due = record.step.is_multiple_of(settings.log_every) || record.step == settings.steps;
        let line = || StepLine {
            step: record.step,
            steps: settings.steps,
            losses: losses(record),
            tokens_per_second: pace.tokens_per_second(),
            left: pace.left(record.step, settings.steps),
        };
        match &self.bar {
            Some(bar) => bar.set_message(line().fitting(terminal_width())),
            None if due && !self.silent => self.console.note(line().whole()),
            None => {}
        }
        if due {
            (pace.tokens, pace.seconds) = (0.0, 0.0);
        }
    }

    fn stalled(&self, stall: &Stall, settings: &TrainingSettings) {
        self.line(&format!("warning: {}", describe(stall, settings)));
    }

    fn evaluation(&self, record: &Record) {
        let mut text = format!("evaluation after step {}", count(record.step));
        for (name, value) in losses(record) {
            text.push_str(&format!("  {name} {}", number(value, 3)));
        }
        for (name, value) in &record.values {
            if name.ends_with("_perplexity") {
                text.push_str(&format!("  {name} {}", number(*value, 1)));
            } else if is_quality(name) || self.score.as_ref() == Some(name) {
                text.push_str(&format!("  {name} {value:.3}"));
            }
        }
        self.line(&text);
    }

    fn checkpoint(&self, _: u64, path: &Path) {
        self.line(&format!("checkpoint {}", path.display()));
    }

    fn skipped(&self, step: u64, tensors: &[String]) {
        self.line(&format!(
            "warning: step {} changed nothing, the gradient of {} was not finite",
            count(step),
            tensors.first().map_or("a tensor", String::as_str)
        ));
    }

    fn warning(&self, message: &str) {
        self.line(&format!("warning: {message}"));
    }
}

/// What a term's standstill means, and what mostly helps: the rate.
fn describe(stall: &Stall, settings: &TrainingSettings) -> String {
    let rate = settings.optimizer.learning_rate;
    format!(
        "{} has learned nothing by step {} of {}: {} is no less than the {} that {} alone give; start \
         again with a lower --lr ({} here, try {}), or, if that is low already, with more --steps",
        stall.term.trim_end_matches("_loss"),
        count(stall.step),
        count(settings.steps),
        number(stall.loss, 3),
        number(stall.constant, 3),
        stall.knows,
        rate,
        rate / 4.0
    )
}

/// The whole loss and its terms, in the order of the record.
fn losses(record: &Record) -> Vec<(String, f64)> {
    let is_loss = |name: &str| name == "loss" || name.ends_with("_loss");
    let values = record.values.iter();
    values.filter(|(name, _)| is_loss(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_learner::RecordKind;

    #[test]
    fn losses_stand_in_the_order_of_the_record_and_nothing_else_with_them() {
        let record = Record {
            kind: RecordKind::Train,
            step: 3,
            values: [
                ("loss", 5.5),
                ("mlm_loss", 5.0),
                ("mlm_perplexity", 148.4),
                ("nsp_loss", 0.5),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
        };
        let names = losses(&record).into_iter().map(|(name, _)| name);
        assert!(names.eq(["loss", "mlm_loss", "nsp_loss"]));
    }
}
