//! The flags of `kiln resume` that were given: a fine-tuning run takes none of those that change a run.

use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::changes::ChangeArgs;
use super::fixed::FixedArgs;
use crate::corpus_place::PlaceArgs;
use crate::failure::Failure;
use crate::wording::shell;

/// Those flags that are of pretraining runs alone, in the order of help.
pub(super) struct GivenFlags(Vec<String>);

impl GivenFlags {
    /// Refuses the first of them for the fine-tuning run, or the runs, in `run`.
    ///
    /// # Errors
    /// If there is one.
    pub(super) fn refuse(&self, run: &Path) -> Result<(), Failure> {
        match self.0.first() {
            None => Ok(()),
            Some(flag) => Err(Failure::usage(format_args!(
                "--{flag}: a fine-tuning run goes on as it was begun, at most on another --backend; \
                 leave it out, or train another model from this one with: kiln finetune TASK --model \
                 {} --train F --output NEW",
                shell(run)
            ))),
        }
    }
}

fn flags() -> Vec<(String, String)> {
    let command = ChangeArgs::augment_args(Command::new("resume"));
    let command = FixedArgs::augment_args(PlaceArgs::augment_args(command));
    let named = command.get_arguments().filter_map(|arg| {
        let flag = arg.get_long()?;
        Some((arg.get_id().to_string(), flag.to_owned()))
    });
    let from_step = ("from_step".to_owned(), "from-step".to_owned());
    std::iter::once(from_step).chain(named).collect()
}

impl Args for GivenFlags {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl FromArgMatches for GivenFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let is_given = |(id, _): &(String, String)| {
            matches.try_contains_id(id).is_ok()
                && matches.value_source(id) == Some(ValueSource::CommandLine)
        };
        let given = flags().into_iter().filter(is_given);
        Ok(Self(given.map(|(_, flag)| flag).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Flags of `kiln resume` that a fine-tuning run takes too.
    const TAKEN: [&str; 3] = ["dashboard", "json", "help"];

    #[test]
    fn every_flag_is_taken_by_a_fine_tuning_run_or_refused() {
        let mut command = crate::arguments::Cli::command();
        command.build();
        let resume = command.find_subcommand("resume").unwrap();
        let globals: Vec<&str> = command
            .get_arguments()
            .filter_map(|arg| arg.get_long())
            .collect();
        let refused = flags();
        for flag in resume.get_arguments().filter_map(|arg| arg.get_long()) {
            let is_known = TAKEN.contains(&flag) || globals.contains(&flag);
            let is_refused = refused.iter().any(|(_, name)| name == flag);
            assert!(
                is_known != is_refused,
                "--{flag}: taken and refused, or neither"
            );
        }
    }
}
