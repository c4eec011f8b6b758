//! Flags to the learner's settings.

use burn::tensor::Device;
use kiln_backend::DeviceSpec;
use kiln_learner::{OptimizerSettings, Precision, TrainingSettings};
use kiln_tasks::architecture::Recipe;

use super::args::{RunArgs, TrainingArgs};
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
        precision: args.precision,
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
        schedule: args.schedule.unwrap_or(recipe.schedule),
        warmup: args.warmup.unwrap_or(args.steps / TENTHS),
        eval_every,
        save_every: run.save_every.unwrap_or(eval_every),
        keep_last: run.keep_last,
        keep_best: run.keep_best.unwrap_or(KEEP_BEST),
        log_every: run.progress.log_every,
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

/// Refuses devices that can't compute in `precision`.
///
/// # Errors
/// If one of `devices`, which `specs` name, can't.
pub(crate) fn check_precision(
    precision: Precision,
    specs: &[DeviceSpec],
    devices: &[Device],
) -> Result<(), Failure> {
    let mut named = specs.iter().zip(devices);
    match named.find(|(_, device)| !precision.is_supported(device)) {
        Some((spec, _)) => Err(Failure::usage(format_args!(
            "--precision {}: {spec} does not compute in it; leave the flag out, or choose another \
             device with --backend",
            precision.name()
        ))),
        None => Ok(()),
    }
}

/// Evaluations of a run of `steps` where nobody says how often.
pub(super) fn evaluations_by_default(steps: u64) -> u64 {
    steps.div_ceil(tenth(steps).max(1))
}

fn tenth(steps: u64) -> u64 {
    steps.div_ceil(TENTHS)
}
