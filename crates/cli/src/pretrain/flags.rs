//! A flag that sets what an architecture publishes: a row, from which come its parser, its help and
//! completions, its place in the settings, and what `kiln resume` says of it.

use clap::builder::PossibleValue;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use serde_json::Value;

/// A flag, and where its value goes.
pub(crate) struct Flag {
    /// Without its dashes.
    pub(crate) name: &'static str,
    /// JSON pointers below `/objective`, the objective's settings, or `/model`, the model's config. Of
    /// several keys what an architecture publishes has one at most.
    pub(super) keys: &'static [&'static str],
    pub(super) value: Kind,
    pub(super) help: &'static str,
    /// Flags that can't stand beside it.
    pub(super) conflicts: &'static [&'static str],
    /// Why a run keeps what it was begun with.
    pub(crate) kept: &'static str,
}

/// What follows a flag.
pub(super) enum Kind {
    Number,
    /// A number from 0 to below 1.
    Rate,
    Count,
    Bool,
    /// Nothing: the flag itself is this value.
    Switch(bool),
    /// The name of one of these values, with what help says of it.
    Choice(&'static str, &'static [Choice]),
    /// The names of false and true.
    Either(&'static str, &'static [Choice; 2]),
    /// A path to something of this name.
    Path(&'static str),
}

/// A name, and what help says of it.
pub(super) type Choice = (&'static str, &'static str);

/// Choices as help and completions list them.
pub(super) fn possible_values(choices: &'static [Choice]) -> Vec<PossibleValue> {
    let values = choices.iter();
    values
        .map(|(name, help)| PossibleValue::new(*name).help(*help))
        .collect()
}

impl Flag {
    /// Whether a value follows it.
    pub(crate) fn takes_value(&self) -> bool {
        !matches!(self.value, Kind::Switch(_))
    }

    pub(super) fn arg(&self, heading: &'static str) -> Arg {
        let arg = Arg::new(self.name)
            .long(self.name)
            .help(self.help)
            .help_heading(heading)
            .conflicts_with_all(self.conflicts);
        let of_choices =
            |arg: Arg, name, choices| arg.value_name(name).value_parser(possible_values(choices));
        match self.value {
            Kind::Number | Kind::Rate => arg.value_name("X").value_parser(value_parser!(f64)),
            Kind::Count => arg.value_name("N").value_parser(value_parser!(usize)),
            Kind::Bool => arg.value_name("BOOL").value_parser(value_parser!(bool)),
            Kind::Switch(_) => arg.action(ArgAction::SetTrue),
            Kind::Choice(name, choices) => of_choices(arg, name, choices),
            Kind::Either(name, choices) => of_choices(arg, name, choices),
            Kind::Path(name) => arg.value_name(name),
        }
    }

    /// The value given, as the settings have it; numbers that JSON lacks are null.
    pub(super) fn read(&self, matches: &ArgMatches) -> Option<Value> {
        if matches.value_source(self.name) != Some(ValueSource::CommandLine) {
            return None;
        }
        let text = || matches.get_one::<String>(self.name);
        match self.value {
            Kind::Number | Kind::Rate => matches
                .get_one::<f64>(self.name)
                .map(|&number| number.into()),
            Kind::Count => matches
                .get_one::<usize>(self.name)
                .map(|&count| count.into()),
            Kind::Bool => matches.get_one::<bool>(self.name).map(|&is| is.into()),
            Kind::Switch(is) => Some(is.into()),
            Kind::Choice(..) | Kind::Path(_) => text().map(|name| name.as_str().into()),
            Kind::Either(_, [_, (yes, _)]) => text().map(|name| (name == yes).into()),
        }
    }
}

#[cfg(test)]
impl Flag {
    /// A value of each kind that it can be given, as the settings have them.
    pub(super) fn values(&self) -> Vec<Value> {
        match self.value {
            Kind::Number | Kind::Rate => vec![0.5.into()],
            Kind::Count => vec![8.into()],
            Kind::Bool | Kind::Either(..) => vec![true.into(), false.into()],
            Kind::Switch(is) => vec![is.into()],
            Kind::Choice(_, choices) => choices.iter().map(|(name, _)| (*name).into()).collect(),
            Kind::Path(_) => vec!["a/path".into()],
        }
    }
}
