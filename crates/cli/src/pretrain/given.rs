//! The flags of models and objectives as a command line gives them.

use clap::{ArgMatches, Args, Command, FromArgMatches};
use serde_json::Value;

use super::flags::Flag;
use super::options::GROUPS;

/// All of these flags.
pub(crate) fn all() -> impl Iterator<Item = &'static Flag> {
    GROUPS.iter().flat_map(|(_, flags)| *flags)
}

/// The flags that were given, with their values.
pub(crate) struct Given(Vec<(&'static Flag, Value)>);

impl Given {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static Flag, &Value)> {
        self.0.iter().map(|(flag, value)| (*flag, value))
    }

    /// The value of the flag called `name`, if it was given.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let mut given = self.iter();
        given.find_map(|(flag, value)| (flag.name == name).then_some(value))
    }
}

impl Args for Given {
    fn augment_args(command: Command) -> Command {
        GROUPS.iter().fold(command, |command, (heading, flags)| {
            command.args(flags.iter().map(|flag| flag.arg(heading)))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = all().filter_map(|flag| Some((flag, flag.read(matches)?)));
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
