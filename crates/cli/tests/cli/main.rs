//! The `kiln` command as its users see it: exit codes, what goes to stdout and what to stderr.

#![expect(
    clippy::unwrap_used,
    reason = "a failed set-up is a failed test, in helpers as in tests"
)]

mod adapt;
mod cache;
mod command;
mod deberta;
mod electra;
mod embed;
mod errors;
mod evaluation;
mod faults;
mod folders;
mod help;
#[cfg(unix)]
mod interrupted;
mod lora;
#[cfg(target_os = "linux")]
mod memory;
mod precision;
#[cfg(unix)]
mod readme;
#[cfg(target_os = "linux")]
mod refusals;
mod roberta;
mod stalled;
mod swallowed;
mod tasks;
mod text;
mod tokenizers;
mod whole_run;
mod written;
mod xlnet;
