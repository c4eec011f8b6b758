//! Flags to the learner's and the objective's settings.

use std::path::Path;

use kiln_learner::{OptimizerSettings, TrainingSettings};
use kiln_tasks::architecture::Recipe;
use kiln_tasks::settings::{ExampleKind, ObjectiveSettings};

use super::args::{PretrainArgs, RunArgs, TrainingArgs};
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
/// If a flag asks for what the architecture does not have, or a generator's config can't be read.
pub(super) fn objective(
    args: &PretrainArgs,
    published: ObjectiveSettings,
    seq_len: usize,
    init_from: Option<&Path>,
) -> Result<ObjectiveSettings, Failure> {
    let Named(architecture) = args.architecture;
    let replaced_tokens =
        args.replaced_tokens
            .settings(architecture, published.replaced_tokens, init_from)?;
    let args = &args.objective;
    if args.no_next_sentence && !published.next_sentence {
        return Err(Failure::usage(format_args!(
            "--no-next-sentence: {} has no next sentence prediction; leave the flag out",
            architecture.name()
        )));
    }
    let next_sentence = published.next_sentence && !args.no_next_sentence;
    let mask_rate = args.mask_rate.unwrap_or(published.mask_rate);
    let max_predictions = match (args.max_predictions, args.mask_rate) {
        (Some(given), _) => given,
        (None, Some(rate)) => architecture.max_predictions(seq_len, rate),
        (None, None) => published.max_predictions,
    };
    Ok(ObjectiveSettings {
        next_sentence,
        examples: match (args.examples, published.examples) {
            (Some(given), _) => given.into(),
            (None, ExampleKind::Pairs) if !next_sentence => ExampleKind::Packed,
            (None, published) => published,
        },
        mask_rate,
        mask_share: args.mask_share.unwrap_or(published.mask_share),
        random_share: args.random_share.unwrap_or(published.random_share),
        // A run is one of whole words, as published; asking for none takes them back.
        // XLNet's are of whole words whatever their length.
        whole_word: args.whole_word
            || published.examples == ExampleKind::Permuted
            || args.max_ngram.map_or(published.whole_word, |n| n > 1),
        max_ngram: args.max_ngram.unwrap_or(published.max_ngram),
        max_predictions,
        perm_size: args.perm_size.or(published.perm_size),
        short_seq_prob: args.short_seq_prob.unwrap_or(published.short_seq_prob),
        word_head: args.mlm_head.map(Into::into).or(published.word_head),
        replaced_tokens,
        next_from_others: next_sentence && published.next_from_others,
    })
}

/// The name of the objective asked for, one of the architecture's.
///
/// # Errors
/// If the architecture has no such objective.
pub(super) fn objective_name(args: &PretrainArgs) -> Result<Option<&str>, Failure> {
    let Named(architecture) = args.architecture;
    let known = architecture.objectives();
    match args.objective.objective.as_deref() {
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
