//! Flags to the objective's settings.

use std::path::Path;

use kiln_tasks::settings::{ExampleKind, ObjectiveSettings};
use kiln_text::masking::Masking;
use serde_json::Value;

use super::args::PretrainArgs;
use super::generator;
use super::given::Given;
use super::published::Changes;
use crate::architectures::Named;
use crate::failure::Failure;

/// The name of the objective asked for, one of the architecture's.
///
/// # Errors
/// If the architecture has no such objective.
pub(super) fn name(args: &PretrainArgs) -> Result<Option<&str>, Failure> {
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

/// The objective's settings: `published` where nothing else is asked for.
///
/// # Errors
/// If a flag's value is none that its key can have, or a generator's config can't be read.
pub(super) fn settings(
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
