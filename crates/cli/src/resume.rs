//! `kiln resume`: a run goes on where its newest checkpoint is.

use std::path::PathBuf;

use clap::Args;
use kiln_learner::{RunFolder, RunSettings};
use serde_json::{Value, json};

use crate::architectures;
use crate::console::Console;
use crate::devices;
use crate::failure::Failure;
use crate::finish::{self, Job};
use crate::memory;
use crate::pretrain::{check_dashboard, versions};
use crate::wording::{count, shell};

const EXAMPLES: &str = "Examples:
  kiln resume runs/first
  kiln resume runs/first --backend cuda:1";

// Which run, and how to watch it.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ResumeArgs {
    /// The run's folder. Its settings are in it, so there are no others to give; --backend moves it
    /// to another device
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Show burn-train's dashboard on the terminal. Default: one line
    #[arg(long)]
    dashboard: bool,
    /// Print one JSON object at the end instead of a summary
    #[arg(long)]
    json: bool,
}

/// Continues a run.
///
/// # Errors
/// If there is no run, its data or its devices are gone, or training fails.
pub(crate) fn run(args: &ResumeArgs, backend: &[String], console: Console) -> Result<(), Failure> {
    check_dashboard(args.dashboard)?;
    let (run, mut settings) = RunFolder::open(&args.run)?;
    let Some(architecture) = architectures::by_name(&settings.architecture) else {
        return Err(Failure::run(format_args!(
            "{}: architecture = {}: not one of this version, which has {}",
            run.config().display(),
            settings.architecture,
            architectures::names().join(", ")
        )));
    };
    if is_done(&run, &settings)? {
        return nothing_to_do(args, &settings, console);
    }
    for (name, version) in versions() {
        let before = settings.versions.get(&name).unwrap_or(&Value::Null);
        if *before != version {
            console.note(format_args!(
                "the run was made with {name} {before}, this is {version}: the curve goes on, \
                 perhaps not to the last bit"
            ));
        }
    }
    // The folder may have been moved since it was made.
    settings.data.tokenizer = run.tokenizer();
    let specs = devices::choose(if backend.is_empty() {
        &settings.devices
    } else {
        backend
    })?;
    settings.devices = specs.iter().map(ToString::to_string).collect();
    let devices = devices::open(&specs)?;
    let memory = memory::Plan::new(architecture, &settings, &specs)?;
    memory.tell(console);
    memory.warn(console);
    finish::train(Job {
        architecture,
        run: &run,
        settings: &settings,
        devices,
        dashboard: args.dashboard,
        json: args.json,
        console,
    })
}

fn is_done(run: &RunFolder, settings: &RunSettings) -> Result<bool, Failure> {
    let newest = run.list_checkpoints()?.pop();
    // A damaged last one is made again from the one before.
    Ok(newest.is_some_and(|(step, path)| {
        step >= settings.training.steps && kiln_checkpoint::verify(&path).is_ok()
    }))
}

fn nothing_to_do(
    args: &ResumeArgs,
    settings: &RunSettings,
    console: Console,
) -> Result<(), Failure> {
    if args.json {
        return console.json(&json!({
            "run": args.run.display().to_string(),
            "stop": "done",
            "step": settings.training.steps,
            "steps": settings.training.steps,
        }));
    }
    console.out(format_args!(
        "{}: nothing to do, all {} steps are done; see it with: kiln report {}",
        args.run.display(),
        count(settings.training.steps),
        shell(&args.run)
    ))
}
