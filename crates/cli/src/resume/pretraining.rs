//! A pretraining run made ready to go on.

use burn::tensor::Device;
use kiln_backend::DeviceSpec;
use kiln_learner::{LearnError, NewestCheckpoint, Resumption, RunFolder};
use kiln_tasks::RunSettings;
use kiln_tasks::architecture::Architecture;
use serde_json::Value;

use super::args::ResumeArgs;
use super::changes::{self, ChangeArgs};
use super::set_aside;
use crate::architectures;
use crate::console::Console;
use crate::corpus_place;
use crate::devices;
use crate::failure::Failure;
use crate::finish;
use crate::folders::absolute;
use crate::memory;
use crate::pretrain::{evaluation, versions};
use crate::ready_run::ReadyRun;
use crate::wording::{count, shell};

/// Continues a pretraining run: gets it ready, and has it trained by `train`.
///
/// # Errors
/// As `run`, and as `train`.
pub(crate) fn go_on(
    args: &ResumeArgs,
    backend: &[String],
    console: Console,
    train: impl FnOnce(ReadyRun<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (run, found): (_, RunSettings) = RunFolder::open(&args.run)?;
    let architecture = architectures::of_run(&run, &found.architecture)?;
    args.fixed.refuse(&args.run, architecture.name())?;
    // Before anything is written: two of them would write over each other.
    let run = run.locked()?;
    // Again, now that nobody else can change them.
    let (_, before): (_, RunSettings) = RunFolder::open(&args.run)?;
    let moved = match backend {
        [] => None,
        backend => Some(devices::choose(backend)?),
    };
    let newest = start(&run, args.from_step)?;
    let made = newest.as_ref().map_or(0, |newest| newest.step);
    let mut base = before.clone();
    // What was changed after a checkpoint that is lost holds from this one on.
    base.rewind_changes(made);
    let mut settings = base.clone();
    // The folder may have been moved since it was made.
    settings.data.tokenizer = absolute(&run.tokenizer())?;
    if let Some(specs) = moved {
        settings.devices = specs.iter().map(DeviceSpec::to_string).collect();
    }
    args.changes.apply(&mut settings, made);
    settings.record_changes(&base, made)?;
    changes::check_steps(&settings, made)?;
    let ChangeArgs {
        early_stop,
        keep_best,
        threads,
        ..
    } = args.changes;
    evaluation::check_run(&settings.data, early_stop, keep_best)?;
    architecture.check(&settings)?;
    if let Some(newest) = &newest
        && newest.step >= settings.training.steps
    {
        // Nothing is trained, but what was asked for holds for whoever trains on.
        if args.places.keep_corpus {
            corpus_place::find(&run, &mut settings.data, &args.places, threads, console)?;
        }
        if settings.changes != base.changes || args.places.keep_corpus {
            accepted(args, &run, [before, base, settings.clone()], made, console)()?;
        }
        return nothing_to_do(args, architecture, &run, &settings, newest, console);
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
    let specs = devices::choose(&settings.devices)?;
    let memory = memory::Plan::new(architecture, &settings, &specs)?;
    memory.tell(console);
    memory.warn(console);
    let devices = devices::open(&specs)?;
    corpus_place::find(&run, &mut settings.data, &args.places, threads, console)?;
    let accepted = accepted(args, &run, [before, base, settings.clone()], made, console);
    train(ReadyRun {
        resumption: Some(Resumption {
            start: newest,
            accepted,
        }),
        ..ready_run(args, architecture, &run, &settings, devices, console)
    })
}

/// What is done and said once nothing can be refused any more: checkpoints that the run does not go
/// on from are set aside, and the last of `before`, `base` and the new settings are written.
fn accepted(
    args: &ResumeArgs,
    run: &RunFolder,
    [before, base, settings]: [RunSettings; 3],
    made: u64,
    console: Console,
) -> Box<dyn FnOnce() -> Result<(), LearnError> + Send> {
    let (run, is_asked_for) = (run.clone(), args.from_step.is_some());
    Box::new(move || {
        // Else one that was passed over, and can be read again, would be the newest the next time.
        match set_aside::set_aside(&run, made) {
            Ok(Some(folder)) => console.note(set_aside::describe(&folder, made)),
            Ok(None) => {}
            Err(error) if is_asked_for => return Err(error),
            Err(error) => console.note(format_args!("warning: {error}")),
        }
        tell_changes(&settings, &before, &base, made, console);
        if settings != before {
            run.write_settings(&settings)?;
        }
        Ok(())
    })
}

fn ready_run<'a>(
    args: &ResumeArgs,
    architecture: &'static dyn Architecture,
    run: &'a RunFolder,
    settings: &'a RunSettings,
    devices: Vec<Device>,
    console: Console,
) -> ReadyRun<'a> {
    ReadyRun {
        architecture,
        run,
        settings,
        devices,
        dashboard: args.show.dashboard,
        json: args.show.json,
        console,
        resumption: None,
    }
}

/// The checkpoint to go on from: that of the step asked for, or the newest; none: there is none yet.
fn start(run: &RunFolder, from_step: Option<u64>) -> Result<Option<NewestCheckpoint>, Failure> {
    match from_step {
        None => Ok(run.newest_checkpoint()?),
        Some(step) => Ok(Some(set_aside::find(run, step)?)),
    }
}

/// Says what is changed, or changed earlier than it was.
fn tell_changes(
    settings: &RunSettings,
    before: &RunSettings,
    base: &RunSettings,
    made: u64,
    console: Console,
) {
    if base.changes != before.changes {
        console.note(format_args!(
            "warning: what was changed after a later step now holds from step {} on, where the run \
             goes on",
            count(made + 1)
        ));
    }
    if settings.changes == base.changes {
        return;
    }
    let newest = settings.changes.last();
    match newest.filter(|change| change.after_step == made) {
        Some(change) => console.note(changes::describe(change, settings)),
        None => console.note(format_args!(
            "what was changed from step {} on is taken back",
            count(made + 1)
        )),
    }
}

fn nothing_to_do(
    args: &ResumeArgs,
    architecture: &'static dyn Architecture,
    run: &RunFolder,
    settings: &RunSettings,
    newest: &NewestCheckpoint,
    console: Console,
) -> Result<(), Failure> {
    let steps = settings.training.steps;
    let further = steps.saturating_mul(2);
    let shown = shell(&args.run);
    if args.show.json {
        // What the run said at its end, from what it left.
        let devices = devices::open(&devices::choose(&settings.devices)?)?;
        let ready = ready_run(args, architecture, run, settings, devices, console);
        let outcome = newest.outcome(run, &settings.training.select)?;
        return finish::conclude(&ready, outcome, None).tell();
    }
    console.out(format_args!(
        "{}: nothing to do, all {} steps are done; train further with: kiln resume {shown} --steps \
         {further}; see it with: kiln report {shown}",
        args.run.display(),
        count(steps),
    ))
}
