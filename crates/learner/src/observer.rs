//! Who is told of a run, and how it ends.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::record::Record;
use crate::settings::TrainingSettings;
use crate::watch::Stall;

/// Told of everything that happens in a run, as it happens.
pub trait Observer: Send + Sync {
    /// The model is made and has `parameters` parameters.
    fn model(&self, parameters: usize) {
        let _ = parameters;
    }
    /// The run starts or goes on after `step` steps, from `checkpoint` if it is resumed.
    fn started(&self, step: u64, checkpoint: Option<&Path>) {
        let _ = (step, checkpoint);
    }
    /// A step is done.
    fn step(&self, record: &Record, settings: &TrainingSettings) {
        let _ = (record, settings);
    }
    /// A term of the loss turns out to have learned nothing.
    fn stalled(&self, stall: &Stall, settings: &TrainingSettings) {
        let _ = (stall, settings);
    }
    /// An evaluation is done.
    fn evaluation(&self, record: &Record) {
        let _ = record;
    }
    /// A checkpoint is whole and on disk.
    fn checkpoint(&self, step: u64, path: &Path) {
        let _ = (step, path);
    }
    /// A step changed nothing: the gradients of `tensors` were not finite.
    fn skipped(&self, step: u64, tensors: &[String]) {
        let _ = (step, tensors);
    }
    /// Something to know that stops nothing.
    fn warning(&self, message: &str) {
        let _ = message;
    }
}

/// An observer that looks away.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}

/// An observer that prints the losses to stderr: of every so many steps and of the last one, and of
/// evaluations.
#[derive(Debug, Clone, Copy)]
pub struct PrintEvery(pub u64);

impl PrintEvery {
    fn print(what: &str, record: &Record) {
        let losses = record.values.iter();
        let losses: Vec<String> = losses
            .filter(|(name, _)| name.ends_with("loss"))
            .map(|(name, value)| format!("{name} {value:.3}"))
            .collect();
        // Nobody is left to be told if stderr is closed.
        let _ = writeln!(std::io::stderr(), "{what}  {}", losses.join("  "));
    }
}

impl Observer for PrintEvery {
    fn step(&self, record: &Record, settings: &TrainingSettings) {
        let steps = settings.steps;
        if record.step.is_multiple_of(self.0.max(1)) || record.step == steps {
            Self::print(&format!("step {:5}/{steps}", record.step), record);
        }
    }

    fn evaluation(&self, record: &Record) {
        Self::print("held out:", record);
    }

    fn warning(&self, message: &str) {
        let _ = writeln!(std::io::stderr(), "warning: {message}");
    }
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// All steps are done.
    Done,
    /// Evaluations no longer improved.
    Early,
    /// Somebody asked it to stop; it can be resumed.
    Interrupted,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainOutcome {
    /// Steps made.
    pub step: u64,
    /// Why it ended.
    pub stop: Stop,
    /// The last checkpoint.
    pub checkpoint: PathBuf,
    /// Step, folder and evaluation loss of the best checkpoint still on disk.
    pub best_checkpoint: Option<(u64, PathBuf, f64)>,
    /// Steps skipped because a gradient was not finite.
    pub bad_steps: u64,
}
