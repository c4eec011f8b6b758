//! Kiln's loop, run by burn-train as a custom strategy.
//!
//! burn-train gives the dashboard, the metrics, interruption and early stopping. What it falls
//! short of is done here: steps are counted, not epochs; a checkpoint may follow any step;
//! micro-batches are weighted by what they predict; gradients are clipped together; and the data
//! of a step is found by its number, so that resuming replays nothing. What burn-train calls an
//! epoch is here the stretch up to an evaluation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::module::Module;
use burn::train::metric::store::EventStoreClient;
use burn::train::{
    CloneEarlyStoppingStrategy, EventProcessorError, EventProcessorTraining, Interrupter, Learner,
    LearnerEvent, SupervisedLearningStrategy, SupervisedTrainingEventProcessor, TrainLoader,
    TrainingComponents, TrainingItem, ValidLoader,
};
use kiln_text::HostBatch;

use super::loader::next_batches;
use super::trainee::{StepItem, Trainee, TraineeOf};
use crate::checkpoint::{TrainingState, best_checkpoint};
use crate::error::LearnError;
use crate::evaluator::Evaluator;
use crate::model_files::ModelFiles;
use crate::objective::Objective;
use crate::observer::{Observer, Stop, TrainOutcome};
use crate::orders::{Order, tell_outcome};
use crate::record::{MetricsFile, Record, RecordKind};
use crate::run::RunFolder;
use crate::schedule::learning_rate;
use crate::settings::TrainingSettings;
use crate::step::{Stepper, evaluate};
use crate::watch::Watch;

mod saving;

type Events<O> = SupervisedTrainingEventProcessor<TraineeOf<O>>;

/// Everything the loop needs besides what burn-train hands it.
pub(crate) struct Job<O: Objective> {
    pub(crate) objective: Arc<O>,
    pub(crate) files: ModelFiles<O::Model>,
    pub(crate) settings: TrainingSettings,
    pub(crate) run: RunFolder,
    pub(crate) stepper: Stepper<O>,
    pub(crate) state: TrainingState,
    pub(crate) metrics: MetricsFile,
    pub(crate) watch: Watch,
    /// The records of the steps before, for the dashboard and early stopping.
    pub(crate) history: Vec<Record>,
    pub(crate) has_eval: bool,
    /// Evaluates in place of the objective.
    pub(crate) evaluator: Option<Arc<dyn Evaluator<O::Model>>>,
    pub(crate) observer: Arc<dyn Observer>,
}

/// The strategy: burn-train hands it by shared reference, hence the locks.
pub(crate) struct StepStrategy<O: Objective> {
    job: Mutex<Option<Job<O>>>,
    /// The step at hand, for whoever learns of a panic.
    step: AtomicU64,
    result: Mutex<Option<Result<TrainOutcome, LearnError>>>,
}

impl<O: Objective> StepStrategy<O> {
    pub(crate) fn new(job: Job<O>) -> Self {
        Self {
            step: AtomicU64::new(job.state.step),
            job: Mutex::new(Some(job)),
            result: Mutex::new(None),
        }
    }

    /// The step that is being made, or was the last.
    pub(crate) fn step(&self) -> u64 {
        self.step.load(Ordering::Relaxed)
    }

    pub(crate) fn take_result(&self) -> Option<Result<TrainOutcome, LearnError>> {
        self.result
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl<O: Objective> SupervisedLearningStrategy<TraineeOf<O>> for StepStrategy<O> {
    fn fit(
        &self,
        components: TrainingComponents<TraineeOf<O>>,
        learner: Learner<TraineeOf<O>>,
        train: TrainLoader<TraineeOf<O>>,
        valid: ValidLoader<TraineeOf<O>>,
        _: usize,
    ) -> (TraineeOf<O>, Events<O>) {
        let Trainee { model, objective } = learner.model();
        // The learner's copy would keep a second handle on every parameter, and no update could
        // work in place.
        drop(learner);
        let mut events = components.event_processor;
        let job = self
            .job
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(job) = job else {
            return (Trainee { model, objective }, events);
        };
        // A run that goes on has the checkpoint it goes on from.
        let last_saved = (job.state.step > 0).then_some(job.state.step);
        let mut fit = Fit {
            dashboard: Dashboard {
                events: &mut events,
                interrupter: components.interrupter.clone(),
                store: components.event_store,
                early_stopping: components.early_stopping,
                stretch: 1,
                open: false,
            },
            job,
            model: Some(model),
            valid,
            last_saved,
            last_batch: None,
            evaluated: None,
            owes_checkpoint: false,
            told: Vec::new(),
            at: &self.step,
        };
        let result = fit.run(train.iter());
        let model = fit.model.take();
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        match model {
            Some(model) => (Trainee { model, objective }, events),
            // Only a panic inside a step leaves no model, and that never comes back here.
            None => unreachable!("a step gives the model back"),
        }
    }
}

/// burn-train's side of a run: events in order, and early stopping.
struct Dashboard<'a, O: Objective> {
    events: &'a mut Events<O>,
    interrupter: Interrupter,
    store: Arc<EventStoreClient>,
    early_stopping: Option<Box<dyn CloneEarlyStoppingStrategy>>,
    /// Number of the stretch up to the next evaluation, from 1.
    stretch: usize,
    /// Whether the stretch has been announced.
    open: bool,
}

impl<O: Objective> Dashboard<'_, O> {
    fn check(result: Result<(), EventProcessorError>) -> Result<(), LearnError> {
        result.map_err(|error| LearnError::Events(error.to_string()))
    }

    /// Announces the stretch of `total` steps if that has not been done.
    fn open_stretch(&mut self, total: usize) -> Result<(), LearnError> {
        if self.open {
            return Ok(());
        }
        self.open = true;
        Self::check(self.events.process_train(LearnerEvent::StartSplit {
            epoch_number: self.stretch,
            total_items: total,
        }))
    }

    fn step(&mut self, record: &Record, done: usize, total: usize) -> Result<(), LearnError> {
        self.open_stretch(total)?;
        let progress = Progress::new(done, total, Some("steps".into()));
        let item = StepItem::new(record.values.clone());
        Self::check(
            self.events
                .process_train(LearnerEvent::ProcessedItem(TrainingItem::new(
                    item,
                    progress,
                    Some(record.step as usize),
                    None,
                ))),
        )
    }

    /// Ends the stretch with an evaluation; true if early stopping says to stop.
    fn evaluation(&mut self, record: &Record) -> Result<bool, LearnError> {
        let stretch = self.stretch;
        self.open_stretch(0)?;
        Self::check(self.events.process_train(LearnerEvent::EndSplit(stretch)))?;
        let start = LearnerEvent::StartSplit {
            epoch_number: stretch,
            total_items: 1,
        };
        Self::check(self.events.process_valid(start))?;
        let item = TrainingItem::new(
            StepItem::new(record.values.clone()),
            Progress::new(1, 1, Some("evaluations".into())),
            Some(record.step as usize),
            None,
        );
        Self::check(self.events.process_valid(LearnerEvent::ProcessedItem(item)))?;
        Self::check(self.events.process_valid(LearnerEvent::EndSplit(stretch)))?;
        Self::check(self.events.process_train(LearnerEvent::EndEpoch(stretch)))?;
        self.stretch += 1;
        self.open = false;
        match &mut self.early_stopping {
            Some(strategy) => {
                Self::check(self.events.flush())?;
                Ok(strategy.should_stop(stretch, &self.store))
            }
            None => Ok(false),
        }
    }
}

struct Fit<'a, O: Objective> {
    job: Job<O>,
    dashboard: Dashboard<'a, O>,
    /// Absent only while a step holds it: the step owns the one handle and updates in place.
    model: Option<O::Model>,
    valid: ValidLoader<TraineeOf<O>>,
    last_saved: Option<u64>,
    /// A micro-batch of the last step, to try the model on before it is saved.
    last_batch: Option<HostBatch>,
    /// The last evaluation's step and loss, finite or not.
    evaluated: Option<(u64, f64)>,
    /// A checkpoint was due while steps were not finite.
    owes_checkpoint: bool,
    /// Warnings that were given already.
    told: Vec<String>,
    /// Told of every step before it is made.
    at: &'a AtomicU64,
}

impl<O: Objective> Fit<'_, O> {
    fn run(
        &mut self,
        mut batches: Box<dyn DataLoaderIterator<HostBatch> + '_>,
    ) -> Result<TrainOutcome, LearnError> {
        let steps = self.job.settings.steps;
        let mut stop = self.replay()?;
        let mut bad_in_row = self.job.state.bad_in_row;
        let collective = self.job.stepper.collective.clone();
        let mut made_one = false;
        while self.job.state.step < steps && stop.is_none() {
            let asked = made_one && self.dashboard.interrupter.should_stop();
            if Order::Step.pass(&*collective, asked)?.interrupted {
                stop = Some(Stop::Interrupted);
                break;
            }
            made_one = true;
            let step = self.job.state.step + 1;
            self.at.store(step, Ordering::Relaxed);
            let started = Instant::now();
            let hosts = next_batches(&mut *batches, self.job.stepper.carries.len())?;
            let rate = learning_rate(&self.job.settings, step);
            let Some(model) = self.model.take() else {
                return Err(LearnError::Device {
                    step,
                    reason: "the model is gone".into(),
                });
            };
            let (model, outcome) = self.job.stepper.step(model, step, &hosts, rate);
            self.model = Some(model);
            let outcome = outcome.map_err(|error| at_step(error, step))?;
            let seconds = started.elapsed().as_secs_f64();

            self.job.state.step = step;
            self.job.state.seconds += seconds;
            self.job.state.bad_steps += u64::from(outcome.not_finite.is_some());
            let tokens = (outcome.real_tokens, outcome.all_tokens);
            let record = self.record(step, outcome.values, rate, tokens, seconds);
            if self.job.state.first_loss.is_none() {
                let loss = record.get("loss").filter(|loss| loss.is_finite());
                self.job.state.first_loss = loss;
            }
            match outcome.not_finite {
                Some(tensors) => {
                    bad_in_row += 1;
                    self.job.observer.skipped(step, &tensors);
                    if bad_in_row >= self.job.settings.max_bad_steps {
                        self.job.metrics.append(&record)?;
                        let names = first_names(&tensors);
                        return Err(self.diverged(format!(
                            "the gradient of {names} was not finite for {bad_in_row} steps in a row"
                        )));
                    }
                }
                None => bad_in_row = 0,
            }
            self.job.state.bad_in_row = bad_in_row;
            self.job.metrics.append(&record)?;
            self.job.observer.step(&record, &self.job.settings);
            match self.job.watch.step(&record, &hosts) {
                Ok(stalls) => {
                    for stall in stalls {
                        self.job.metrics.append(&stall.to_record())?;
                        self.job.observer.stalled(&stall, &self.job.settings);
                    }
                }
                Err(error) => self.tell(format!(
                    "not known for a while whether anything is learned: {error}"
                )),
            }
            self.last_batch = hosts.into_iter().next();
            let (done, total) = self.stretch_progress(step);
            self.dashboard.step(&record, done, total)?;

            if self.due(step, self.job.settings.eval_every) && self.job.has_eval {
                stop = self.evaluate(step)?;
            }
            // A new best is worth a checkpoint of its own: else only saved steps could be kept.
            let is_best = self.job.settings.keep_best > 0 && self.is_best(step);
            if is_best || self.owes_checkpoint || self.due(step, self.job.settings.save_every) {
                // What steps that are not finite leave may be the ruin of a step before.
                self.owes_checkpoint = bad_in_row > 0;
                if bad_in_row == 0
                    && let Some(fault) = self.save()?
                {
                    self.tell(format!(
                        "no checkpoint after step {step}: {fault}; those before it are kept"
                    ));
                }
            }
        }
        let stop = stop.unwrap_or(Stop::Done);
        let checkpoint = self.last_checkpoint(stop)?;
        let outcome = TrainOutcome {
            step: self.job.state.step,
            stop,
            checkpoint,
            best_checkpoint: best_checkpoint(
                &self.job.run,
                &self.job.state,
                &self.job.settings.select,
            ),
            bad_steps: self.job.state.bad_steps,
        };
        Order::End.pass(&*collective, false)?;
        tell_outcome(&*collective, &outcome, self.last_saved.unwrap_or_default())?;
        Ok(outcome)
    }

    /// Shows the dashboard and early stopping what happened before, so that a resumed run stops
    /// where the uninterrupted one would have.
    fn replay(&mut self) -> Result<Option<Stop>, LearnError> {
        let mut stop = None;
        for record in std::mem::take(&mut self.job.history) {
            match record.kind {
                RecordKind::Train => {
                    let (done, total) = self.stretch_progress(record.step);
                    self.dashboard.step(&record, done, total)?;
                }
                RecordKind::Stalled => {}
                // The last one decides, as it would have: others may have been recovered from.
                RecordKind::Eval => {
                    stop = self.dashboard.evaluation(&record)?.then_some(Stop::Early);
                }
            }
        }
        Ok(stop)
    }

    fn record(
        &self,
        step: u64,
        mut values: Vec<(String, f64)>,
        rate: f64,
        (real, all): (f64, f64),
        seconds: f64,
    ) -> Record {
        values.push(("learning_rate".into(), rate));
        values.push(("tokens_per_second".into(), real / seconds.max(1e-9)));
        values.push(("padding".into(), 1.0 - real / all.max(1.0)));
        values.push(("tokens".into(), real));
        if let Some(bytes) = kiln_backend::process_memory() {
            values.push(("memory".into(), bytes as f64));
        }
        if let Some(memory) = kiln_backend::device_memory(self.job.stepper.placement.first()) {
            values.push(("device_memory".into(), memory.in_use as f64));
        }
        values.push(("skipped_steps".into(), self.job.state.bad_steps as f64));
        Record {
            kind: RecordKind::Train,
            step,
            values,
        }
    }

    /// Place and length of `step`'s stretch: steps up to the next evaluation, or all.
    fn stretch_progress(&self, step: u64) -> (usize, usize) {
        let TrainingSettings {
            steps, eval_every, ..
        } = self.job.settings;
        if eval_every == 0 || !self.job.has_eval {
            return (step as usize, steps as usize);
        }
        let start = step.saturating_sub(1) / eval_every * eval_every;
        (
            step.saturating_sub(start) as usize,
            eval_every.min(steps.saturating_sub(start)) as usize,
        )
    }

    fn due(&self, step: u64, every: u64) -> bool {
        step == self.job.settings.steps || (every > 0 && step.is_multiple_of(every))
    }

    fn evaluate(&mut self, step: u64) -> Result<Option<Stop>, LearnError> {
        let Some(model) = &self.model else {
            return Ok(None);
        };
        let started = Instant::now();
        let model = model.valid();
        let device = self.job.stepper.placement.first().clone().inner();
        let values = match &self.job.evaluator {
            Some(evaluator) => evaluator.evaluate(&model, &device),
            None => {
                let batches = self.valid.iter();
                let batches = batches
                    .map(|batch| batch.map_err(|error| LearnError::Batch(error.to_string())));
                let seed = self.job.settings.seed;
                evaluate(&*self.job.objective, &model, &device, batches, seed)
            }
        };
        let mut values = values.map_err(|error| at_step(error, step))?;
        values.push(("seconds".into(), started.elapsed().as_secs_f64()));
        let record = Record {
            kind: RecordKind::Eval,
            step,
            values,
        };
        self.job.metrics.append(&record)?;
        self.job.observer.evaluation(&record);
        self.evaluated = record.get("loss").map(|loss| (step, loss));
        // One that is not finite is no candidate for the best, and JSON has no word for it.
        let remembered = self.job.settings.select.remembered(&record);
        self.job.state.evaluations.extend(remembered);
        let stop = self.dashboard.evaluation(&record)?;
        Ok((stop && step < self.job.settings.steps).then_some(Stop::Early))
    }
}

pub(crate) fn at_step(error: LearnError, step: u64) -> LearnError {
    match error {
        LearnError::Device { reason, .. } => LearnError::Device { step, reason },
        other => other,
    }
}

/// The first few names, and how many more there are.
fn first_names(names: &[String]) -> String {
    let shown = names.get(..5).unwrap_or(names).join(", ");
    match names.len() {
        0..=5 => shown,
        count => format!("{shown} and {} more", count - 5),
    }
}
