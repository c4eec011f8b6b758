//! Flags of `kiln pretrain` that a run keeps: named, so that whoever tries learns why.

use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::failure::Failure;
use crate::pretrain::flags;
use crate::pretrain::kept::{MODEL, SEQUENCES, TASK, WEIGHTS};
use crate::wording::shell;

const WORDS: &str = "the model's words are the tokenizer's, and its text is tokenised with them";
const EVALUATION: &str = "evaluations before and after could not be compared";
const READING: &str = "the text was read so, and its tokens are what makes the run repeatable";
const SEED: &str = "every random choice follows from it: order, masks, dropout";
const PRECISION: &str = "losses before and after could not be compared";
const FOLDER: &str = "a run stays in its folder; copy the folder to keep it as it is";
const CORRECTION: &str = "the optimizer's moments were gathered with it";

/// A flag, whether a value follows it, and why it can't change.
type Entry = (&'static str, bool, &'static str);

const TABLE: [Entry; 22] = [
    ("output", true, FOLDER),
    ("seed", true, SEED),
    ("precision", true, PRECISION),
    ("seq-len", true, SEQUENCES),
    ("tokenizer", true, WORDS),
    ("vocab-size", true, WORDS),
    ("cased", false, WORDS),
    ("keep-accents", false, WORDS),
    ("skip-invalid", false, READING),
    ("lines-are-sentences", false, READING),
    ("held-out", true, EVALUATION),
    ("eval-batches", true, EVALUATION),
    ("preset", true, MODEL),
    ("config", true, MODEL),
    ("init-from", true, WEIGHTS),
    ("bias-correction", false, CORRECTION),
    ("no-bias-correction", false, CORRECTION),
    ("objective", true, TASK),
    ("text-field", true, READING),
    ("limit-alphabet", true, WORDS),
    ("tokenizer-sample", true, WORDS),
    ("character-coverage", true, WORDS),
];

/// The table, and the flags of models and objectives.
fn entries() -> impl Iterator<Item = Entry> {
    let flags = flags().map(|flag| (flag.name, flag.takes_value(), flag.kept));
    TABLE.into_iter().chain(flags)
}

/// Which of them were given.
pub(super) struct FixedArgs(Vec<Entry>);

impl FixedArgs {
    /// Refuses the first of them.
    ///
    /// # Errors
    /// If there is one.
    pub(super) fn refuse(&self, run: &Path, architecture: &str) -> Result<(), Failure> {
        match self.0.first() {
            None => Ok(()),
            Some((flag, _, reason)) if *flag == "output" => Err(Failure::usage(format_args!(
                "--{flag}: can't change in a run: {reason}"
            ))),
            Some((flag, _, reason)) => Err(Failure::usage(format_args!(
                "--{flag}: can't change in a run: {reason}; start another from this one's weights \
                 with: kiln pretrain {architecture} --init-from {} …",
                shell(run)
            ))),
        }
    }
}

impl Args for FixedArgs {
    fn augment_args(command: Command) -> Command {
        command.args(entries().map(|(flag, takes_value, _)| {
            let action = if takes_value {
                ArgAction::Append
            } else {
                ArgAction::SetTrue
            };
            Arg::new(flag).long(flag).action(action).hide(true)
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for FixedArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given =
            |(flag, ..): &Entry| matches.value_source(flag) == Some(ValueSource::CommandLine);
        Ok(Self(entries().filter(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    /// Flags of `kiln pretrain` that say nothing of the run.
    const ELSEWHERE: [&str; 1] = ["no-memory-check"];

    #[test]
    fn every_flag_of_pretrain_can_be_changed_or_says_why_it_cannot() {
        let mut command = crate::arguments::Cli::command();
        command.build();
        let flags = |name: &str| -> Vec<String> {
            let command = command.find_subcommand(name).unwrap();
            let flags = command.get_arguments().filter_map(|arg| arg.get_long());
            flags.map(str::to_owned).collect()
        };
        let resume = flags("resume");
        for flag in flags("pretrain") {
            assert!(
                resume.contains(&flag) || ELSEWHERE.contains(&flag.as_str()),
                "--{flag}: neither taken by kiln resume nor in the table"
            );
        }
    }
}
