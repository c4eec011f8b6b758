//! `kiln finetune`: labelled files and a checkpoint in; a model, an honest score and predictions out.
//!
//! | file | what |
//! | --- | --- |
//! | `args.rs` | the flags, as typed |
//! | `seeds.rs`, `variations.rs` | `--seeds`, `--grid`, `--folds`: the runs that a command asks for |
//! | `plan.rs` | flags, model and files to the settings of each run |
//! | `head.rs` | whether the model's head is kept |
//! | `weights.rs`, `adapters.rs` | `--class-weights`; `--lora` |
//! | `memory.rs` | what memory a run needs |
//! | `training.rs` | one run, new or resumed, and what it scores at its end |
//! | `adapt.rs` | `--adapt`: a pretraining run before them |
//! | `group.rs` | several runs |
//! | `grouped.rs`, `folds.rs`, `compared.rs` | what they score together |

mod adapt;
mod adapters;
mod args;
mod compared;
mod folds;
mod group;
mod grouped;
mod head;
mod memory;
mod plan;
mod seeds;
mod training;
mod variations;
mod weights;

use std::path::Path;

use kiln_backend::DeviceSpec;
use kiln_learner::{Precision, RunFolder};
use kiln_tasks::labelled::{FineTuneSettings, GroupSettings, KnownData, Planned, RunKind, SIDES};

use crate::console::Console;
use crate::devices;
use crate::failure::Failure;
use crate::folders::{absolute, refuse_used_folder};
use crate::interrupt::Watch;
use crate::pretrain::folder::{NewRun, check_writable};
use crate::pretrain::{check_dashboard, check_precision};

pub(crate) use args::FinetuneArgs;
use group::Group;
use plan::Plan;
use training::Show;

/// Fine-tunes a model.
///
/// # Errors
/// If the command can't be carried out, or training fails.
pub(crate) fn run(
    args: &FinetuneArgs,
    backend: &[String],
    console: Console,
) -> Result<(), Failure> {
    check_dashboard(args.run.progress.show.dashboard)?;
    let output = &args.run.output;
    let runs = variations::runs(args)?;
    refuse_used_folder(output, "continue the run in it with: kiln resume")?;
    let specs = devices::choose(backend)?;
    let precision = args.training.precision;
    if precision != Precision::default() {
        check_precision(precision, &specs, &devices::open(&specs)?)?;
    }
    check_writable(output)?;
    let devices = specs.iter().map(DeviceSpec::to_string).collect();
    let mut plan = Plan::new(args, specs, console)?;
    let folder = absolute(output)?;
    console.note(format_args!("{}: {}", args.task.name(), plan.describe()));
    let show = Show {
        json: args.run.progress.show.json,
        dashboard: args.run.progress.show.dashboard,
        console,
    };
    let adapt = adapt::find(args, devices)?;
    if let (None, [(name, args, None)]) = (&adapt, runs.as_slice())
        && name.is_empty()
    {
        let settings = plan.settings(args, None, &folder)?;
        let watch = Watch::new(console)?;
        let new = NewRun::create(output)?;
        plan.tokenizer.save(&new.run().tokenizer())?;
        new.run().write_settings(&settings)?;
        return train_one(new.run(), &settings, &mut plan.known, (show, &watch));
    }
    let words = adapt
        .as_ref()
        .map(|adapt| adapt::args(adapt, &folder, show));
    let words = words.transpose()?;
    let adapting = adapt.as_ref().zip(words.as_ref());
    let adapting = adapting.map(|(adapt, words)| adapt::plan(adapt, words, show));
    let adapting = adapting.transpose()?;
    let mut planned = Vec::new();
    for (name, args, fold) in &runs {
        let settings = plan.settings(args, *fold, &folder.join(name))?;
        planned.push(Planned {
            name: name.clone(),
            settings,
            adapted: false,
        });
    }
    if adapt.is_some() {
        if planned.iter().any(|run| run.settings.from.keeps_head) {
            console.note(
                "the adapted model has no head for this task, and so both begin with a fresh one",
            );
        }
        planned = of_both_sides(&planned);
    }
    let settings = GroupSettings {
        adapt,
        runs: planned,
    };
    Group::create(output, settings, &plan.tokenizer)?.train(adapting, &mut plan.known, show)
}

/// The runs from the model as it was, and the same from the adapted one.
fn of_both_sides(runs: &[Planned]) -> Vec<Planned> {
    let of_side = |(side, adapted): (&'static str, bool)| {
        runs.iter().map(move |run| {
            let mut run = run.clone();
            run.settings.from.keeps_head = false;
            let name = [side, &run.name].join("_");
            run.name = name.trim_end_matches('_').to_owned();
            run.adapted = adapted;
            run
        })
    };
    let [before, after] = SIDES;
    let sides = [(before, false), (after, true)];
    sides.into_iter().flat_map(of_side).collect()
}

/// Goes on with the fine-tuning run, or with those, in `path`.
///
/// # Errors
/// As [`run`].
pub(crate) fn resume(
    (path, kind): (&Path, RunKind),
    backend: &[String],
    (json, dashboard): (bool, bool),
    console: Console,
) -> Result<(), Failure> {
    let show = Show {
        json,
        dashboard,
        console,
    };
    match kind {
        RunKind::Group => Group::open(path, backend)?.train(None, &mut KnownData::default(), show),
        RunKind::FineTuning | RunKind::Pretraining => resume_one(path, backend, show),
    }
}

fn resume_one(path: &Path, backend: &[String], show: Show) -> Result<(), Failure> {
    let run = RunFolder::at(path).locked()?;
    let (_, mut settings): (_, FineTuneSettings) = RunFolder::open(path)?;
    // The folder may have been moved since it was made.
    settings.data.tokenizer = absolute(&run.tokenizer())?;
    if !backend.is_empty() {
        settings.devices = devices::moved(backend, &settings.devices)?;
    }
    let watch = Watch::new(show.console)?;
    train_one(&run, &settings, &mut KnownData::default(), (show, &watch))
}

/// Trains a run that is alone, draws its page and says what it scored.
fn train_one(
    run: &RunFolder,
    settings: &FineTuneSettings,
    known: &mut KnownData,
    (show, watch): (Show, &Watch),
) -> Result<(), Failure> {
    let ended = training::train(run, settings, known, (show, watch))?;
    watch.all_is_saved();
    let report = training::write_page(run.path(), show.console);
    training::tell(run, settings, &ended, (report.as_deref(), show))
}
