//! `kiln resume`: a run goes on where its newest checkpoint is.
//!
//! | file | what |
//! | --- | --- |
//! | `args.rs` | the flags |
//! | `pretraining.rs` | a pretraining run made ready to go on |
//! | `changes.rs` | what can be changed from there on |
//! | `fixed.rs` | what can't, and why |
//! | `given.rs` | what can't in a fine-tuning run |
//! | `set_aside.rs` | going on from an earlier checkpoint |

mod args;
mod changes;
mod fixed;
mod given;
mod pretraining;
mod set_aside;

use std::path::Path;

use kiln_tasks::architecture::Architecture;
use kiln_tasks::labelled::RunKind;
use serde_json::Value;

use crate::architectures;
use crate::console::Console;
use crate::failure::Failure;
use crate::finetune;
use crate::finish;
use crate::pretrain::check_dashboard;
use crate::show_args::ShowArgs;
use crate::wording::shell;

pub(crate) use args::{ResumeArgs, unchanged};
pub(crate) use pretraining::go_on;

/// Continues a run.
///
/// # Errors
/// If there is no run, its data or its devices are gone, what is asked for can't change, another
/// process trains it, or training fails.
pub(crate) fn run(args: &ResumeArgs, backend: &[String], console: Console) -> Result<(), Failure> {
    let ShowArgs { dashboard, json } = args.show;
    check_dashboard(dashboard)?;
    refuse_checkpoint(&args.run)?;
    match RunKind::of(&args.run)? {
        RunKind::Pretraining => go_on(args, backend, console, finish::train),
        kind => {
            args.given.refuse(&args.run)?;
            finetune::resume((&args.run, kind), backend, (json, dashboard), console)
        }
    }
}

/// Tells a checkpoint, or a model that is none of Kiln's, from a run.
fn refuse_checkpoint(path: &Path) -> Result<(), Failure> {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let above = full.ancestors().skip(1).take(3);
    for run in above.filter(|folder| folder.join("checkpoints").is_dir()) {
        if !full.starts_with(run.join("checkpoints")) {
            continue;
        }
        // As it was typed, as far as that goes.
        let depth = full
            .strip_prefix(run)
            .map_or(0, |inner| inner.iter().count());
        let typed = path
            .ancestors()
            .nth(depth)
            .filter(|typed| *typed != Path::new(""));
        let typed = shell(typed.unwrap_or(run));
        let checkpoint = full
            .strip_prefix(run.join("checkpoints"))
            .ok()
            .and_then(|inner| inner.iter().next()?.to_str()?.strip_prefix("step-"))
            .and_then(|step| step.parse::<u64>().ok());
        let is_pretraining = RunKind::of(run).is_ok_and(|kind| kind == RunKind::Pretraining);
        let checkpoint = checkpoint.filter(|_| is_pretraining);
        let from = checkpoint.map_or_else(String::new, |step| {
            format!(", or from this checkpoint with: kiln resume {typed} --from-step {step}")
        });
        return Err(Failure::usage(format_args!(
            "{}: a checkpoint, not a run; go on with the run from its newest checkpoint with: kiln \
             resume {typed}{from}",
            path.display()
        )));
    }
    let config = std::fs::read(path.join("config.json")).unwrap_or_default();
    let config: Value = serde_json::from_slice(&config).unwrap_or_default();
    match config.get("model_type").and_then(Value::as_str) {
        Some(model_type) => Err(Failure::usage(format_args!(
            "{}: a model, not a run; start a run from its weights with: kiln pretrain {} \
             --init-from {} --corpus F --output RUN",
            path.display(),
            architectures::by_model_type(model_type).map_or("A", Architecture::name),
            shell(path)
        ))),
        None => Ok(()),
    }
}
