//! What can be changed of a run from its newest checkpoint on.

use clap::Args;
use kiln_learner::ScheduleKind;
use kiln_learner::schedule::learning_rate;
use kiln_tasks::RunSettings;
use kiln_tasks::change::Change;
use kiln_tasks::settings::ObjectiveSettings;
use serde_json::Value;

use crate::failure::Failure;
use crate::pretrain::schedules;
use crate::wording::count;

// What to change. Whatever is not given stays as it is.
#[derive(Args)]
#[command(next_help_heading = "Changes from the newest checkpoint on, recorded in the run")]
pub(super) struct ChangeArgs {
    /// Optimizer updates in all, those made included: more trains a finished run further, on the
    /// learning rate's curve of so many steps
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Sequences in a micro-batch on each device; the text goes on behind what was read
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Micro-batches a step takes on each device
    #[arg(long, value_name = "N")]
    accumulate: Option<usize>,
    /// Peak learning rate
    #[arg(long, value_name = "X")]
    lr: Option<f64>,
    /// Steps in which the rate rises from zero to its peak, counted from the run's first
    #[arg(long, value_name = "N")]
    warmup: Option<u64>,
    /// How the rate falls after that
    #[arg(long, value_name = "KIND", value_parser = schedules())]
    schedule: Option<ScheduleKind>,
    /// Decoupled weight decay
    #[arg(long, value_name = "X")]
    weight_decay: Option<f64>,
    /// Added to the root of Adam's second moment
    #[arg(long, value_name = "X")]
    adam_epsilon: Option<f64>,
    /// Decay of Adam's first moment
    #[arg(long, value_name = "X")]
    adam_beta1: Option<f64>,
    /// Decay of Adam's second moment
    #[arg(long, value_name = "X")]
    adam_beta2: Option<f64>,
    /// Norm over all gradients above which they are scaled down; 0: never
    #[arg(long, value_name = "X")]
    clip_norm: Option<f64>,
    /// Steps in a row with gradients that are not finite after which the run stops
    #[arg(long, value_name = "N")]
    max_bad_steps: Option<u64>,
    /// Steps between evaluations; 0: at the end alone
    #[arg(long, value_name = "N")]
    eval_every: Option<u64>,
    /// Steps between checkpoints; 0: at the end alone
    #[arg(long, value_name = "N")]
    save_every: Option<u64>,
    /// Newest checkpoints kept
    #[arg(long, value_name = "N")]
    keep_last: Option<usize>,
    /// Checkpoints with the lowest evaluation loss kept beside them
    #[arg(long, value_name = "N")]
    pub(super) keep_best: Option<usize>,
    /// Evaluations in a row without a lower loss after which the run stops; 0: never
    #[arg(long, value_name = "N")]
    pub(super) early_stop: Option<usize>,
    /// Steps between lines of progress off a terminal
    #[arg(long, value_name = "N")]
    log_every: Option<u64>,
    /// Threads that tokenise and build batches; results are the same for any number
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<usize>,
}

impl ChangeArgs {
    /// Puts what is given into `settings`, to hold after step `made`.
    pub(super) fn apply(&self, settings: &mut RunSettings, made: u64) {
        let batch_before = settings.training.batch_size as u64;
        let training = &mut settings.training;
        let optimizer = &mut training.optimizer;
        set(&mut training.steps, self.steps);
        set(&mut training.batch_size, self.batch_size);
        set(&mut training.accumulate, self.accumulate);
        set(&mut optimizer.learning_rate, self.lr);
        set(&mut training.warmup, self.warmup);
        set(&mut training.schedule, self.schedule);
        set(&mut optimizer.weight_decay, self.weight_decay);
        set(&mut optimizer.epsilon, self.adam_epsilon);
        set(&mut optimizer.betas.0, self.adam_beta1);
        set(&mut optimizer.betas.1, self.adam_beta2);
        set(&mut optimizer.clip_norm, self.clip_norm);
        set(&mut training.max_bad_steps, self.max_bad_steps);
        set(&mut training.eval_every, self.eval_every);
        set(&mut training.save_every, self.save_every);
        set(&mut training.keep_last, self.keep_last);
        set(&mut training.keep_best, self.keep_best);
        set(&mut training.log_every, self.log_every);
        set(
            &mut training.data_threads,
            self.threads.map(|threads| threads.max(1)),
        );
        if let Some(evaluations) = self.early_stop {
            training.early_stop = (evaluations > 0).then_some(evaluations);
        }
        let batch_size = training.batch_size as u64;
        if batch_size != batch_before && batch_size > 0 {
            // As much text as before, so that losses can be compared: before all changes of this
            // step, or rounding would add up, and a change taken back not be one.
            let known = settings.changes.last();
            let known = known.filter(|change| change.after_step == made);
            let was = |field, now| known.and_then(|change| change.was(field)).unwrap_or(now);
            let batches = &mut settings.data.eval_batches;
            let sequences = was("data.eval_batches", *batches)
                .saturating_mul(was("training.batch_size", batch_before));
            *batches = sequences.div_ceil(batch_size);
        }
    }
}

fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}

/// Refuses fewer steps than there are.
///
/// # Errors
/// If `made` is more.
pub(super) fn check_steps(settings: &RunSettings, made: u64) -> Result<(), Failure> {
    let steps = settings.training.steps;
    if steps < made {
        return Err(Failure::usage(format_args!(
            "--steps {steps}: the newest checkpoint has {} already; choose at least as many, or go \
             on from an earlier checkpoint with --from-step",
            count(made)
        )));
    }
    Ok(())
}

/// What a change does, in a line: `from step 21 on: training.steps 20 -> 40, …`.
pub(super) fn describe(change: &Change, settings: &RunSettings) -> String {
    let step = change.after_step + 1;
    let fields: Vec<String> = change
        .settings
        .iter()
        .map(|(field, (was, is))| {
            let name = field.strip_prefix("training.").unwrap_or(field);
            format!("{name} {} -> {}", plain(was), plain(is))
        })
        .collect();
    let rate = learning_rate(&settings.training, step);
    let stretch = settings.training.stretches.last();
    let data = match settings.objective {
        _ if stretch.is_none_or(|stretch| stretch.until != change.after_step) => "",
        ObjectiveSettings::PermutedLm(_) => {
            "; the text is cut into other lanes: some of it is read twice in this pass, some not at \
             all"
        }
        ObjectiveSettings::MaskedLm(_) | ObjectiveSettings::ReplacedTokens(_) => {
            "; the text goes on behind what was read"
        }
    };
    format!(
        "from step {} on: {}; the learning rate there is {rate:.3e}{data}. Recorded in the run's \
         config.json: the steps before stay as they are, those after repeat to the last bit",
        count(step),
        fields.join(", ")
    )
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join("+"),
        other => other.to_string(),
    }
}
