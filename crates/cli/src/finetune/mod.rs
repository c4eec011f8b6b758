//! `kiln finetune`: labelled files and a checkpoint in; a model, an honest score and predictions out.
//!
//! | file | what |
//! | --- | --- |
//! | `args.rs` | the flags, as typed |
//! | `seeds.rs`, `variations.rs` | `--seeds`, `--grid`, `--folds`: the runs that a command asks for |
//! | `plan.rs` | flags, model and files to the settings of each run |
//! | `head.rs` | whether the model's head is kept |
//! | `weights.rs`, `adapters.rs` | `--class-weights`; `--lora` |
//! | `training.rs` | one run, new or resumed, and what it scores at its end |
//! | `adapt.rs` | `--adapt`: a pretraining run before them |
//! | `planned.rs`, `group.rs` | several runs |
//! | `grouped.rs`, `folds.rs`, `compared.rs` | what they score together |

mod adapt;
mod adapters;
mod args;
mod compared;
mod folds;
mod group;
mod grouped;
mod head;
mod plan;
mod planned;
mod seeds;
mod training;
mod variations;
mod weights;

use std::path::Path;

use kiln_backend::DeviceSpec;
use kiln_learner::RunFolder;
use kiln_tasks::labelled::FineTuneSettings;
use serde_json::Value;

use crate::console::Console;
use crate::devices;
use crate::failure::Failure;
use crate::folders::{absolute, refuse_used_folder};
use crate::interrupt::Watch;
use crate::pretrain::check_dashboard;
use crate::pretrain::folder::{NewRun, check_writable};

use adapt::Adaptation;
pub(crate) use args::FinetuneArgs;
use group::Group;
use plan::Plan;
use planned::{GroupSettings, Planned, SIDES};
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
    check_dashboard(args.run.dashboard)?;
    args.refuse_foreign()?;
    let output = &args.run.output;
    refuse_used_folder(output, "continue the run in it with: kiln resume")?;
    let specs = devices::choose(backend)?;
    let runs = variations::runs(args)?;
    check_writable(output)?;
    let devices = specs.iter().map(DeviceSpec::to_string).collect();
    let mut plan = Plan::new(args, specs, console)?;
    let folder = absolute(output)?;
    console.note(format_args!("{}: {}", args.task.name(), plan.describe()));
    let show = Show {
        json: args.run.json,
        dashboard: args.run.dashboard,
        console,
    };
    let adapt = Adaptation::find(args, devices)?;
    if let (None, [(name, args, None)]) = (&adapt, runs.as_slice())
        && name.is_empty()
    {
        let settings = plan.settings(args, None, &folder)?;
        let watch = Watch::new(console)?;
        let new = NewRun::create(output)?;
        plan.tokenizer.save(&new.run().tokenizer())?;
        new.run().write_settings(&settings)?;
        let ended = training::train(new.run(), &settings, None, show, &watch)?;
        return training::tell(new.run(), &settings, &ended, show);
    }
    let words = adapt.as_ref().map(|adapt| adapt.args(&folder, show));
    let words = words.transpose()?;
    let adapting = adapt.as_ref().zip(words.as_ref());
    let adapting = adapting.map(|(adapt, words)| adapt.plan(words, show));
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
    Group::create(output, settings, &plan.tokenizer)?.train(adapting, show)
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

/// Whether a fine-tuning run, or several, are in `path`.
pub(crate) fn is_in(path: &Path) -> bool {
    let config = std::fs::read(path.join("config.json")).unwrap_or_default();
    let config: Value = serde_json::from_slice(&config).unwrap_or_default();
    config.get("runs").is_some() || config.get("fine_tune").is_some()
}

/// Goes on with a fine-tuning run, or with several, if that is what is in `path`; none if not.
///
/// # Errors
/// As [`run`].
pub(crate) fn resume(
    path: &Path,
    backend: &[String],
    (json, dashboard): (bool, bool),
    console: Console,
) -> Option<Result<(), Failure>> {
    let config = std::fs::read(path.join("config.json")).ok()?;
    let config: Value = serde_json::from_slice(&config).ok()?;
    let show = Show {
        json,
        dashboard,
        console,
    };
    if config.get("runs").is_some() {
        let group = Group::open(path, backend);
        return Some(group.and_then(|group| group.train(None, show)));
    }
    config.get("fine_tune")?;
    Some(resume_one(path, backend, show))
}

fn resume_one(path: &Path, backend: &[String], show: Show) -> Result<(), Failure> {
    let run = RunFolder::at(path).locked()?;
    let (_, mut settings): (_, FineTuneSettings) = RunFolder::open(path)?;
    // The folder may have been moved since it was made.
    settings.data.tokenizer = absolute(&run.tokenizer())?;
    let watch = Watch::new(show.console)?;
    let moved = (!backend.is_empty()).then_some(backend);
    let ended = training::train(&run, &settings, moved, show, &watch)?;
    training::tell(&run, &settings, &ended, show)
}
