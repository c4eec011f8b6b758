//! `kiln pretrain`: plain text in, a Hugging Face checkpoint out.
//!
//! Everything that can be wrong with a command is found before the first slow thing. The run's folder
//! is then locked, so that a second command with the same one is refused, and stays empty until all
//! is ready: until then the same command can be given again.
//!
//! | file | what |
//! | --- | --- |
//! | `args.rs` | the flags, as typed |
//! | `plan.rs` | what they mean together: the settings of the run, and the run made ready |
//! | `options.rs` | those of models and objectives: a table |
//! | `flags.rs` | what a row of the table is: parser and help |
//! | `given.rs` | which of them a command line has |
//! | `published.rs` | their values laid over what the architecture publishes |
//! | `kept.rs` | why a run keeps them |
//! | `learner.rs` | flags to the learner's settings |
//! | `objective.rs` | flags to the objective's settings |
//! | `generator.rs` | the generator of replaced token detection |
//! | `model.rs` | preset, config file or another model: config.json |
//! | `data.rs` | tokenizer and corpora |
//! | `versions.rs` | what a run is made with |
//! | `evaluation.rs` | whether there is anything to evaluate on |
//! | `folder.rs` | the run's folder, taken away again if nothing comes of it |

mod args;
mod data;
pub(crate) mod evaluation;
mod flags;
pub(crate) mod folder;
mod generator;
mod given;
pub(crate) mod kept;
mod learner;
mod model;
mod objective;
mod options;
mod plan;
mod published;
mod versions;

use std::ffi::OsString;

use clap::Parser as _;

use crate::console::Console;
use crate::failure::Failure;
use crate::finish;
use crate::folders::refuse_used_folder;

pub(crate) use args::{PretrainArgs, precisions, schedules};
pub(crate) use given::all as flags;
pub(crate) use learner::check_precision;
pub(crate) use plan::PretrainPlan;
pub(crate) use versions::versions;

/// Pretrains a model.
///
/// # Errors
/// If the command can't be carried out, or training fails.
pub(crate) fn run(
    args: &PretrainArgs,
    backend: &[String],
    console: Console,
) -> Result<(), Failure> {
    check_dashboard(args.run.progress.show.dashboard)?;
    refuse_used_folder(&args.run.output, "continue the run in it with: kiln resume")?;
    PretrainPlan::new(args, backend, console)?.carry_out(console, finish::train)
}

/// The arguments of `kiln pretrain` with these words behind it.
///
/// # Errors
/// If one of them is none.
pub(crate) fn parse(words: Vec<OsString>) -> Result<PretrainArgs, Failure> {
    #[derive(clap::Parser)]
    struct Words {
        #[command(flatten)]
        args: PretrainArgs,
    }
    let words = std::iter::once(OsString::from("kiln")).chain(words);
    match Words::try_parse_from(words) {
        Ok(Words { args }) => Ok(args),
        Err(error) => Err(Failure::usage(error)),
    }
}

/// Refuses the dashboard where it can't be drawn.
///
/// # Errors
/// If it is not compiled in, or stdout is no terminal.
pub(crate) fn check_dashboard(wanted: bool) -> Result<(), Failure> {
    use std::io::IsTerminal as _;
    if wanted && !std::io::stdout().is_terminal() {
        return Err(Failure::usage(
            "--dashboard: stdout is not a terminal; leave the flag out",
        ));
    }
    if wanted && !kiln_learner::HAS_DASHBOARD {
        return Err(Failure::usage(
            "--dashboard: not compiled in; build with `cargo build --release --features \
             dashboard`, or leave the flag out",
        ));
    }
    Ok(())
}
