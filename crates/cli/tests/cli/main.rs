//! The `kiln` command as its users see it: exit codes, what goes to stdout and what to stderr.

mod command;
mod errors;
mod help;
#[cfg(unix)]
mod interrupted;
mod whole_run;
