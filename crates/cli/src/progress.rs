//! Progress of training: one live line on a terminal, plain lines elsewhere, both on stderr.

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use kiln_learner::{Observer, Record, TrainingSettings};

use crate::console::Console;
use crate::task_progress::live_line;
use crate::wording::{count, duration, is_quality};

/// Tells of a run as it happens.
pub(crate) struct Progress {
    console: Console,
    /// Absent off a terminal, and while the dashboard has the screen.
    bar: Option<ProgressBar>,
    /// The dashboard has the screen: nothing is printed.
    silent: bool,
    parameters: OnceLock<u64>,
    pace: Mutex<Pace>,
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
        self.started.elapsed().mul_f64(left / done as f64)
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
        let text = || {
            format!(
                "step {}/{}  {}  {} tokens/s  {} left",
                count(record.step),
                count(settings.steps),
                losses(record),
                count(pace.tokens_per_second() as u64),
                duration(pace.left(record.step, settings.steps))
            )
        };
        match &self.bar {
            Some(bar) => bar.set_message(text()),
            None if due && !self.silent => self.console.note(text()),
            None => {}
        }
        if due {
            (pace.tokens, pace.seconds) = (0.0, 0.0);
        }
    }

    fn evaluation(&self, record: &Record) {
        let mut text = format!(
            "evaluation after step {}  {}",
            count(record.step),
            losses(record)
        );
        for (name, value) in &record.values {
            if name.ends_with("_perplexity") {
                text.push_str(&format!("  {name} {value:.1}"));
            } else if is_quality(name) {
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

/// `loss 5.310  mlm_loss 4.900  nsp_loss 0.410`, in the order of the record.
fn losses(record: &Record) -> String {
    let parts: Vec<String> = record
        .values
        .iter()
        .filter(|(name, _)| name == "loss" || name.ends_with("_loss"))
        .map(|(name, value)| format!("{name} {value:.3}"))
        .collect();
    parts.join("  ")
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
        assert_eq!(
            losses(&record),
            "loss 5.500  mlm_loss 5.000  nsp_loss 0.500"
        );
    }
}
