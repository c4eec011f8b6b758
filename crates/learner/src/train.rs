//! Starting and resuming a run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use burn::module::Module;
use burn::optim::AdamWConfig;
use burn::tensor::Device;
use burn::train::metric::store::{Aggregate, Direction, Split};
use burn::train::{
    Interrupter, Learner, MetricEarlyStoppingStrategy, StoppingCondition, SupervisedTraining,
    TrainingStrategy,
};
use kiln_checkpoint::WriteError;
use kiln_files::clean_stale;
use kiln_text::{BatchSource, HostBatch, TextError};

use crate::burn_train::loader::Batches;
use crate::burn_train::metric::{EvaluationLog, StepMetric};
use crate::burn_train::renderer::renderer;
use crate::burn_train::strategy::{Job, StepStrategy};
use crate::burn_train::trainee::Trainee;
use crate::checkpoint::{TrainingState, restore};
use crate::collective::{Alone, Collective};
use crate::error::LearnError;
use crate::evaluator::Evaluator;
use crate::follow::{Follower, follow};
use crate::model_files::ModelFiles;
use crate::newest::NewestCheckpoint;
use crate::objective::Objective;
use crate::observer::{NoObserver, Observer, TrainOutcome};
use crate::orders::{agree, share};
use crate::placement::Placement;
use crate::record::MetricsFile;
use crate::run::RunFolder;
use crate::selection::Selection;
use crate::settings::TrainingSettings;
use crate::step::Stepper;
use crate::watch::Watch;

/// A finite set of batches to evaluate on: `0..batches` of a source.
#[derive(Clone)]
pub struct EvalData {
    /// Gives the batches.
    pub source: Arc<dyn BatchSource>,
    /// How many there are.
    pub batches: u64,
}

/// What to train, on what, and where to.
pub struct TrainRequest<O: Objective> {
    /// The objective.
    pub objective: Arc<O>,
    /// Its model with initial weights, on the first device.
    pub model: O::Model,
    /// How the model is written into checkpoints and read from them.
    pub files: ModelFiles<O::Model>,
    /// The devices; the first holds the model and the optimizer. The same one may stand twice.
    pub devices: Vec<Device>,
    /// The run's folder.
    pub run: RunFolder,
    /// The settings.
    pub settings: TrainingSettings,
    /// Training batches: micro-batch i of the run is batch i.
    pub train: Arc<dyn BatchSource>,
    /// Evaluation batches.
    pub eval: Option<EvalData>,
    /// Evaluates in place of the objective, on data of its own.
    pub evaluator: Option<Arc<dyn Evaluator<O::Model>>>,
    /// Stops the run after the step at hand; give a clone to a signal handler.
    pub interrupter: Interrupter,
    /// Told of everything.
    pub observer: Arc<dyn Observer>,
    /// Draw burn-train's dashboard on the terminal; only where [`HAS_DASHBOARD`](crate::HAS_DASHBOARD).
    pub dashboard: bool,
    /// Where the run goes on; none: from its newest whole checkpoint, if it has one.
    pub resumption: Option<Resumption>,
    /// The processes that make the run together. Each of them trains the same request, on devices of
    /// its own, as many on each; `run` is one folder to all of them, and rank 0 alone writes there and
    /// tells its observer.
    pub collective: Arc<dyn Collective>,
}

impl<O: Objective> TrainRequest<O> {
    /// A run on the device that `model` lies on, in this process alone, without evaluation, told to
    /// nobody. All else is for the fields.
    pub fn new(
        objective: O,
        model: O::Model,
        files: ModelFiles<O::Model>,
        run: RunFolder,
        settings: TrainingSettings,
        train: Arc<dyn BatchSource>,
    ) -> Self {
        Self {
            objective: Arc::new(objective),
            devices: model.devices().into_iter().take(1).collect(),
            model,
            files,
            run,
            settings,
            train,
            eval: None,
            evaluator: None,
            interrupter: Interrupter::new(),
            observer: Arc::new(NoObserver),
            dashboard: false,
            resumption: None,
            collective: Arc::new(Alone),
        }
    }
}

/// Where a run goes on, and what is to be done before it does.
pub struct Resumption {
    /// The checkpoint, verified; none: the newest whole one, if there is one.
    pub start: Option<NewestCheckpoint>,
    /// Called once data and checkpoint are read, and before a step or a line of the run changes:
    /// the place to write settings that could have been refused until then.
    pub accepted: Box<dyn FnOnce() -> Result<(), LearnError> + Send>,
}

/// Trains from step 1, or from the newest whole checkpoint of `request.run` if it has one.
///
/// Where the run has several ranks, all of them call this, and all of them get rank 0's outcome.
///
/// # Errors
/// If a setting can't be trained with, data can't be read, a checkpoint can't be written or read,
/// the gradients are not finite for several steps in a row, a device fails, or another rank did.
/// Checkpoints written before stay whole.
pub fn train<O: Objective>(request: TrainRequest<O>) -> Result<TrainOutcome, LearnError> {
    let collective = request.collective.clone();
    let outcome = train_here(request);
    if let Err(error) = &outcome {
        let reason = match error {
            LearnError::Rank(gone) => gone.to_string(),
            error => error.to_string(),
        };
        collective.leave(&reason);
    }
    outcome
}

/// As [`train()`], without a word to other ranks where it fails.
fn train_here<O: Objective>(request: TrainRequest<O>) -> Result<TrainOutcome, LearnError> {
    let TrainRequest {
        objective,
        model,
        files,
        devices,
        mut run,
        settings,
        train,
        eval,
        evaluator,
        mut observer,
        resumption,
        collective,
        ..
    } = request;
    settings.validate().map_err(LearnError::Settings)?;
    if let Some(device) = devices
        .iter()
        .position(|device| !settings.precision.is_supported(device))
    {
        return Err(LearnError::Settings(format!(
            "precision = {}: device {device} does not compute in it; train in float32, or on others",
            settings.precision.name()
        )));
    }
    let devices = devices.into_iter().map(Device::autodiff).collect();
    let placement = Placement::new(devices, settings.accumulate, &*collective)
        .ok_or_else(|| LearnError::Settings("devices: none given; name at least one".into()))?;
    agree(&*collective, &facts(&*objective, &settings, &placement))?;
    if placement.is_first_rank() {
        run = run.locked()?;
        for folder in [run.path().to_path_buf(), run.checkpoints()] {
            // What is left over is in nobody's way.
            if let Err(error) = clean_stale(&folder).map_err(WriteError::from) {
                observer.warning(&format!("left over: {error}"));
            }
        }
    } else {
        observer = Arc::new(NoObserver);
    }

    let mut stepper = Stepper::new(
        objective.clone(),
        placement.clone(),
        collective.clone(),
        &settings,
    );
    let (start, accepted) = resumption.map_or((None, None), |resumption| {
        (resumption.start, Some(resumption.accepted))
    });
    let newest = agreed_start(&*collective, &run, start)?;
    let (model, restored) = match newest {
        Some(newest) => {
            let restored = restore(newest, &files, model, &mut stepper, &settings)?;
            for warning in &restored.warnings {
                observer.warning(warning);
            }
            (restored.model, Some((restored.state, restored.path)))
        }
        None => (model, None),
    };
    if let Some((state, _)) = &restored
        && state.step > settings.steps
    {
        return Err(LearnError::Settings(format!(
            "steps = {}: the checkpoint has {} already; choose at least as many",
            settings.steps, state.step
        )));
    }
    // Whoever can't go on has said so by now.
    share(&*collective, &[])?;
    if let Some(accepted) = accepted.filter(|_| placement.is_first_rank()) {
        accepted()?;
    }
    let state = match restored {
        Some((state, path)) => {
            observer.started(state.step, Some(&path));
            state
        }
        None => {
            observer.started(0, None);
            TrainingState::start(placement.micro_batches(), placement.ranks())
        }
    };
    let per_step = placement.micro_batches() as u64;
    let data_steps = settings.data_steps(state.step, placement.num_devices());
    let left = settings.steps.saturating_sub(state.step);
    let loader = |source, start: u64, end| {
        Arc::new(Batches::new(
            source,
            start,
            end,
            settings.data_threads,
            settings.data_ahead,
        ))
    };
    let mine = placement.mine().len() as u64;
    let of_steps = |steps: u64| steps.saturating_mul(mine);
    let (start, end) = (
        of_steps(data_steps),
        of_steps(data_steps.saturating_add(left)),
    );
    let batches = loader(placement.share(train.clone()), start, end);
    if !placement.is_first_rank() {
        return follow(Follower {
            run,
            settings,
            stepper,
            model: model.train(),
            made: state.step,
            train: (*batches).clone(),
            interrupter: request.interrupter,
        });
    }

    let (metrics, mut history) = MetricsFile::open_after(&run.metrics(), state.step)?;
    let remembered = state
        .evaluations
        .iter()
        .map(|evaluation| (evaluation.step, settings.select.known_of(evaluation)));
    let supplied = history.supply(remembered);
    if let Some(warning) = lost_metrics(&run, state.step, history.steps(), supplied) {
        observer.warning(&warning);
    }
    let history = history.into_records();

    let watch = Watch::new(
        objective.terms(),
        settings.steps,
        (
            behind(
                train,
                data_steps.saturating_mul(per_step),
                state.step.saturating_mul(per_step),
            ),
            per_step,
        ),
        &history,
    );
    let valid = match &eval {
        Some(eval) => loader(eval.source.clone(), 0, eval.batches),
        // Never asked for: without evaluation data there is no evaluation.
        None => Arc::new((*batches).clone()),
    };

    let renderer = renderer(request.dashboard, &request.interrupter)?;
    let has_eval = eval.is_some() || evaluator.is_some();
    let evaluations = match settings.eval_every {
        every if has_eval && every > 0 => settings.steps.div_ceil(every) as usize,
        _ => 1,
    };
    let mut training = SupervisedTraining::new(run.path(), batches, valid)
        .with_application_logger(None)
        .with_metric_logger(EvaluationLog::default())
        .with_interrupter(request.interrupter.clone())
        .renderer(renderer)
        .num_epochs(evaluations);
    for name in metric_names(&*objective, &settings.select) {
        training = training
            .metric_train_numeric(StepMetric::new(&name))
            .metric_valid_numeric(StepMetric::new(&name));
    }
    if let Some(evaluations) = settings.early_stop {
        training = training.early_stopping(MetricEarlyStoppingStrategy::new(
            &StepMetric::new(&settings.select.value),
            Aggregate::Mean,
            if settings.select.higher_is_better {
                Direction::Highest
            } else {
                Direction::Lowest
            },
            Split::Valid,
            StoppingCondition::NoImprovementSince {
                n_epochs: evaluations,
            },
        ));
    }

    let strategy = Arc::new(StepStrategy::new(Job {
        objective: objective.clone(),
        files,
        settings,
        run,
        stepper,
        state,
        metrics,
        watch,
        history,
        has_eval,
        evaluator,
        observer,
    }));
    let trainee = Trainee {
        model: model.train(),
        objective,
    };
    // burn-train wants an optimizer and a rate of its own; the strategy uses neither.
    let learner = Learner::new(trainee, AdamWConfig::new().init(), 0.0);
    let launched = catch_unwind(AssertUnwindSafe(|| {
        training
            .with_training_strategy(TrainingStrategy::Custom(strategy.clone()))
            .launch(learner)
    }));
    match (launched, strategy.take_result()) {
        (_, Some(result)) => result,
        (Err(panic), None) => Err(LearnError::Device {
            step: strategy.step(),
            reason: kiln_backend::panic_text(&*panic).to_owned(),
        }),
        (Ok(_), None) => Err(LearnError::Events("the run ended without a result".into())),
    }
}

/// What all ranks must have in common, a line each. Building ahead is each one's own matter.
fn facts<O: Objective>(
    objective: &O,
    settings: &TrainingSettings,
    placement: &Placement,
) -> Vec<String> {
    let fields = serde_json::to_value(settings).unwrap_or_default();
    let fields = fields.as_object().into_iter().flatten();
    let own = ["data_threads", "data_ahead"];
    let mut facts: Vec<String> = fields
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    let terms: Vec<_> = objective.terms().iter().map(|term| term.name).collect();
    facts.push(format!(
        "devices = {}",
        placement.num_devices() / placement.ranks()
    ));
    facts.push(format!("terms = {}", terms.join(", ")));
    facts.push(format!("kiln = {}", env!("CARGO_PKG_VERSION")));
    facts
}

/// The checkpoint that all ranks go on from: the one that rank 0 was given, or the newest it finds.
fn agreed_start(
    collective: &dyn Collective,
    run: &RunFolder,
    given: Option<NewestCheckpoint>,
) -> Result<Option<NewestCheckpoint>, LearnError> {
    let mine = match given {
        _ if collective.rank() > 0 => None,
        Some(given) => Some(given),
        None => run.newest_checkpoint()?,
    };
    let step: Vec<f64> = mine.iter().map(|newest| newest.step as f64).collect();
    let all = share(collective, &step)?;
    if collective.rank() == 0 {
        return Ok(mine);
    }
    let step = all.first().and_then(|first| first.first());
    Ok(step.map(|&step| NewestCheckpoint {
        step: step as u64,
        path: run.checkpoint(step as u64),
        passed_over: Vec::new(),
    }))
}

/// `source` for whoever counts its batches by steps: the next one, `first`, is batch `counted` to
/// them. The two differ where batches have changed.
fn behind(source: Arc<dyn BatchSource>, first: u64, counted: u64) -> Arc<dyn BatchSource> {
    if first == counted {
        return source;
    }
    Arc::new(Behind {
        source,
        first,
        counted,
    })
}

struct Behind {
    source: Arc<dyn BatchSource>,
    first: u64,
    counted: u64,
}

impl BatchSource for Behind {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let forward = index.saturating_sub(self.counted);
        let back = self.counted.saturating_sub(index);
        self.source
            .batch((self.first + forward).saturating_sub(back))
    }
}

/// What to say where the file of metrics holds fewer steps than were made: the curve has a gap, the
/// run has none.
fn lost_metrics(run: &RunFolder, step: u64, found: u64, supplied: usize) -> Option<String> {
    let lost = [
        (step.saturating_sub(found), "step"),
        (supplied as u64, "evaluation"),
    ];
    let lost: Vec<String> = lost
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }))
        .collect();
    (!lost.is_empty()).then(|| {
        format!(
            "{}: the lines of {} up to step {step} are lost; the run goes on as it would have, but \
             its curves have a gap",
            run.metrics().display(),
            lost.join(" and ")
        )
    })
}

/// The values worth drawing: the losses, then what every step has.
fn metric_names<O: Objective>(objective: &O, select: &Selection) -> Vec<String> {
    let mut names = vec!["loss".to_owned()];
    if !select.is_default() {
        names.push(select.value.clone());
    }
    names.extend(objective.terms().iter().map(|term| term.name.to_owned()));
    names.extend(
        objective
            .measure_names()
            .iter()
            .map(|&name| name.to_owned()),
    );
    names.extend(
        [
            "learning_rate",
            "grad_norm",
            "tokens_per_second",
            "padding",
            "memory",
        ]
        .map(str::to_owned),
    );
    names
}
