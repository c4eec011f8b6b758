//! Flags to the learner's and the objective's settings.

use std::path::Path;

use kiln_learner::{OptimizerSettings, TrainingSettings};
use kiln_tasks::architecture::Recipe;
use kiln_tasks::settings::{ExampleKind, ObjectiveSettings};
use kiln_text::masking::Masking;
use serde_json::Value;

use super::args::{PretrainArgs, RunArgs, TrainingArgs};
use super::flags::Given;
use super::generator;
use super::published::Changes;
use crate::architectures::Named;
use crate::failure::Failure;

/// Where nobody says: warmup takes a tenth of the steps, and there are ten evaluations.
const TENTHS: u64 = 10;

/// Checkpoints of the lowest evaluation loss that are kept where nobody says.
const KEEP_BEST: usize = 1;

/// The learner's settings.
///
/// # Errors
/// If one can't be trained with.
pub(super) fn training(
    args: &TrainingArgs,
    run: &RunArgs,
    threads: Option<usize>,
    recipe: Recipe,
) -> Result<TrainingSettings, Failure> {
    let published = recipe.optimizer;
    let eval_every = run.eval_every.unwrap_or(tenth(args.steps));
    let default = TrainingSettings::default();
    let settings = TrainingSettings {
        steps: args.steps,
        batch_size: args.batch_size,
        accumulate: args.accumulate,
        seed: args.seed,
        optimizer: OptimizerSettings {
            learning_rate: args.lr.unwrap_or(published.learning_rate),
            betas: (
                args.adam_beta1.unwrap_or(published.betas.0),
                args.adam_beta2.unwrap_or(published.betas.1),
            ),
            epsilon: args.adam_epsilon.unwrap_or(published.epsilon),
            weight_decay: args.weight_decay.unwrap_or(published.weight_decay),
            bias_correction: !args.no_bias_correction
                && (args.bias_correction || published.bias_correction),
            clip_norm: args.clip_norm.unwrap_or(published.clip_norm),
        },
        schedule: args.schedule.map_or(recipe.schedule, Into::into),
        warmup: args.warmup.unwrap_or(args.steps / TENTHS),
        eval_every,
        save_every: run.save_every.unwrap_or(eval_every),
        keep_last: run.keep_last,
        keep_best: run.keep_best.unwrap_or(KEEP_BEST),
        log_every: run.log_every,
        early_stop: run.early_stop,
        max_bad_steps: args.max_bad_steps,
        data_threads: threads.unwrap_or(default.data_threads).max(1),
        ..default
    };
    settings.validate().map_err(Failure::Usage)?;
    if settings.early_stop == Some(0) {
        return Err(Failure::usage(
            "early_stop = 0: choose at least one evaluation",
        ));
    }
    Ok(settings)
}

/// Evaluations of a run of `steps` where nobody says how often.
pub(super) fn evaluations_by_default(steps: u64) -> u64 {
    steps.div_ceil(tenth(steps).max(1))
}

fn tenth(steps: u64) -> u64 {
    steps.div_ceil(TENTHS)
}

/// The objective's settings: `published` where nothing else is asked for.
///
/// # Errors
/// If a flag's value is none that its key can have, or a generator's config can't be read.
pub(super) fn objective(
    args: &PretrainArgs,
    published: &ObjectiveSettings,
    changes: &Changes<'_>,
    seq_len: usize,
    init_from: Option<&Path>,
) -> Result<ObjectiveSettings, Failure> {
    let Named(architecture) = args.architecture;
    let mut objective = changes.of_objective(published)?;
    let given = &args.flags;
    let mask_rate = given.get("mask-rate").and_then(Value::as_f64);
    if let (Some(rate), None) = (mask_rate, given.get("max-predictions")) {
        *objective.max_predictions_mut() = architecture.max_predictions(seq_len, rate);
    }
    match &mut objective {
        ObjectiveSettings::MaskedLm(objective) => {
            of_whole_words(&mut objective.masking, given);
            if objective.next_sentence == Some(false) {
                objective.examples.next_from_others = false;
                if given.get("examples").is_none() {
                    objective.examples.kind = ExampleKind::Packed;
                }
            }
        }
        ObjectiveSettings::ReplacedTokens(objective) => {
            of_whole_words(&mut objective.masking, given);
            generator::find(&mut objective.detection, given, architecture, init_from)?;
        }
        ObjectiveSettings::PermutedLm(_) => {}
    }
    Ok(objective)
}

/// A run is one of whole words, as published; asking for none takes them back.
fn of_whole_words(masking: &mut Masking, given: &Given) {
    if given.get("max-ngram").is_some() && given.get("whole-word").is_none() {
        masking.whole_word = masking.max_ngram > 1;
    }
}

/// The name of the objective asked for, one of the architecture's.
///
/// # Errors
/// If the architecture has no such objective.
pub(super) fn objective_name(args: &PretrainArgs) -> Result<Option<&str>, Failure> {
    let Named(architecture) = args.architecture;
    let known = architecture.objectives();
    match args.objective.as_deref() {
        Some(name) if known.is_empty() => Err(Failure::usage(format_args!(
            "--objective {name}: {} has one objective alone; leave the flag out",
            architecture.name()
        ))),
        Some(name) if !known.contains(&name) => Err(Failure::usage(format_args!(
            "--objective {name}: {} has {}",
            architecture.name(),
            known.join(", ")
        ))),
        name => Ok(name),
    }
}
