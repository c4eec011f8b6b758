//! Whether a run can be evaluated, and the flags that mean nothing without it.

use std::sync::Arc;

use kiln_tasks::settings::DataSettings;
use kiln_text::Corpus;
use kiln_text::examples::Documents;

use super::args::PretrainArgs;
use crate::console::Console;
use crate::failure::Failure;
use crate::wording::count;

/// Why there is no evaluation, and what there would have to be.
struct Nothing {
    reason: &'static str,
    remedy: &'static str,
}

impl Nothing {
    fn of(eval_batches: u64, held_out: f64, has_own: bool) -> Option<Self> {
        if eval_batches == 0 {
            return Some(Self {
                reason: "--eval-batches 0 evaluates nothing",
                remedy: "choose at least 1 batch",
            });
        }
        (held_out == 0.0 && !has_own).then_some(Self {
            reason: "--held-out 0 leaves nothing to evaluate on",
            remedy: "hold out a share of the documents, or pass other text with --eval-corpus",
        })
    }
}

/// Refuses flags that need an evaluation, where a run that is there has none.
///
/// # Errors
/// If there is none and one of the flags asks for it.
pub(crate) fn check_run(
    data: &DataSettings,
    early_stop: Option<usize>,
    keep_best: Option<usize>,
) -> Result<(), Failure> {
    let nothing = Nothing::of(data.eval_batches, data.held_out, data.eval_shards.is_some());
    let needed = needed(early_stop, keep_best);
    match (nothing, needed) {
        (Some(_), Some((flag, wanted))) => Err(Failure::usage(format_args!(
            "{flag} {wanted}: the run has no evaluation, and none can be added to it; leave {flag} \
             out"
        ))),
        _ => Ok(()),
    }
}

/// The first of the flags that needs an evaluation.
fn needed(early_stop: Option<usize>, keep_best: Option<usize>) -> Option<(&'static str, usize)> {
    let flags = [("--early-stop", early_stop), ("--keep-best", keep_best)];
    let mut given = flags.into_iter().filter_map(|(flag, n)| Some((flag, n?)));
    given.find(|(_, wanted)| *wanted > 0)
}

/// Finds out from the flags alone, before anything is read.
///
/// # Errors
/// If there is nothing to evaluate on and a flag needs an evaluation.
pub(super) fn check_flags(args: &PretrainArgs, console: Console) -> Result<(), Failure> {
    let data = &args.data;
    let has_own = !data.eval_corpus.is_empty() || data.eval_data.is_some();
    if let Some(nothing) = Nothing::of(data.eval_batches, data.held_out, has_own) {
        return without(args, &nothing, console);
    }
    if let Some(patience) = args.run.early_stop {
        let evaluations = evaluations(args);
        if evaluations <= patience as u64 {
            console.note(format_args!(
                "warning: --early-stop {patience} never stops this run, which has {} {}; choose a \
                 smaller --eval-every",
                count(evaluations),
                if evaluations == 1 {
                    "evaluation"
                } else {
                    "evaluations"
                }
            ));
        }
    }
    Ok(())
}

/// Finds out from the corpus of which a share is to be held out.
///
/// # Errors
/// If nothing can be held out and a flag needs an evaluation.
pub(super) fn check_corpus(
    corpus: &Arc<Corpus>,
    args: &PretrainArgs,
    console: Console,
) -> Result<(), Failure> {
    let is_known = args.data.held_out == 0.0 || args.data.eval_batches == 0;
    if is_known || Documents::all(Arc::clone(corpus)).len() > 1 {
        return Ok(());
    }
    without(
        args,
        &Nothing {
            reason: "the corpus is one short document, of which nothing can be held out",
            remedy: "pass other text with --eval-corpus, or put a blank line between documents",
        },
        console,
    )
}

/// Says that there is no evaluation.
///
/// # Errors
/// If a flag needs one.
fn without(args: &PretrainArgs, nothing: &Nothing, console: Console) -> Result<(), Failure> {
    let Nothing { reason, remedy } = nothing;
    match needed(args.run.early_stop, args.run.keep_best) {
        Some((flag, wanted)) => Err(Failure::usage(format_args!(
            "{flag} {wanted}: {reason}; {remedy}, or leave {flag} out"
        ))),
        None => {
            console.note(format_args!("warning: no evaluation: {reason}; {remedy}"));
            Ok(())
        }
    }
}

/// Evaluations of a run that is not stopped.
fn evaluations(args: &PretrainArgs) -> u64 {
    let steps = args.training.steps;
    match args.run.eval_every {
        None => super::learner::evaluations_by_default(steps),
        Some(0) => 1,
        Some(every) => steps.div_ceil(every),
    }
}
