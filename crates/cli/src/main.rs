//! The `kiln` command.
//!
//! | file | what |
//! | --- | --- |
//! | `arguments.rs`, `swallowed.rs` | the commands and the flags that all of them take |
//! | `backends.rs`, `tokenizer.rs`, `prepare.rs`, `pretrain/`, `resume/`, `finetune/`, `merge.rs`, `evaluate.rs`, `predict.rs`, `predict/`, `forward.rs`, `report.rs`, `cache.rs` | one command each |
//! | `labelled/` | labelled files and models with a head |
//! | `architectures.rs` | the one list of architectures |
//! | `console.rs`, `progress.rs`, `live_line.rs`, `task_progress.rs`, `wording.rs` | what the user sees |
//! | `failure.rs`, `interrupt.rs` | how a command ends |
//! | `tokenizer_text.rs`, `corpus_notes.rs` | what is told of a text |
//! | `devices.rs`, `model_folder.rs`, `run_scores.rs`, `folders.rs` | `--backend` and `--model`, folders to write into |
//! | `corpus_place.rs` | where a run's tokenised text is, or is made again |
//! | `finish.rs`, `samples.rs`, `discriminator_sample.rs`, `ending.rs` | training, and the end of a run |
//! | `allocator.rs`, `out_of_memory.rs`, `memory.rs` | the memory allocator, what happens where there is none left, and whether a run fits |

mod allocator;
mod architectures;
mod arguments;
mod backends;
mod cache;
mod console;
mod corpus;
mod corpus_notes;
mod corpus_place;
mod devices;
mod discriminator_sample;
mod ending;
mod evaluate;
mod failure;
mod finetune;
mod finish;
mod folders;
mod forward;
mod interrupt;
mod labelled;
mod live_line;
mod memory;
mod merge;
mod model_folder;
mod out_of_memory;
mod overwriting;
mod predict;
mod prepare;
mod pretrain;
mod progress;
mod ready_run;
mod report;
mod resume;
mod run_scores;
mod samples;
mod show_args;
mod swallowed;
mod task_progress;
mod tokenizer;
mod tokenizer_text;
mod wording;

use std::process::ExitCode;

use crate::arguments::Cli;
use crate::console::Console;
use crate::failure::{Failure, caught};

/// Matrix products write their results into fresh memory; see `allocator.rs`.
#[global_allocator]
static GLOBAL: out_of_memory::Allocator = out_of_memory::Allocator;

fn main() -> ExitCode {
    allocator::keep_freed_memory();
    let console = Console::new();
    match Cli::read().and_then(|cli| run(cli, console)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                console.note(format_args!("error: {message}"));
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: Cli, console: Console) -> Result<(), Failure> {
    arguments::start_diagnostics(cli.global.verbose);
    // What Burn answers with a panic, such as a device without memory, is a failure like others.
    caught(|| cli.run(console)).unwrap_or_else(|reason| {
        Err(Failure::run(format_args!(
            "internal fault ({reason}); please report it with the command, and with what it prints \
             when RUST_BACKTRACE=1 is set"
        )))
    })
}
