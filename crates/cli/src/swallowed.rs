//! Words that a flag with several values took although they were meant for something else.
//!
//! In `kiln pretrain --corpus a.txt bert`, `--corpus` takes every word up to the next flag, so that
//! nothing is left to be the architecture. What was meant is plain as long as no file has that name.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::architectures;
use crate::failure::Failure;
use crate::wording::shell;

/// The command that has both a word of its own and flags with several values.
const COMMAND: &str = "pretrain";

/// Its word, as clap names it.
const ARCHITECTURE: &str = "<A>";

/// A word that a flag took.
struct Taken<'a> {
    flag: &'a str,
    place: usize,
    word: &'a str,
}

/// The arguments as they were meant, if `error` is that a flag took the architecture; none if it is
/// another.
///
/// # Errors
/// If there is no architecture among the words that were taken, or more than one thing is meant.
pub(crate) fn as_meant(
    arguments: &[OsString],
    command: &clap::Command,
    error: &Error,
) -> Result<Option<Vec<OsString>>, Failure> {
    let command_place = arguments.iter().position(|argument| argument == COMMAND);
    let (Some(start), true) = (command_place, lacks_architecture(error)) else {
        return Ok(None);
    };
    let flags = flags_with_several_values(command);
    let taken = taken(arguments, start + 1, &flags);
    let Some(first) = taken.first() else {
        return Ok(None);
    };
    let names = architectures::names();
    let mut meant = taken.iter().filter(|taken| names.contains(&taken.word));
    match (meant.next(), meant.next()) {
        (Some(one), None) if !Path::new(one.word).exists() => {
            let mut arguments = arguments.to_vec();
            let word = arguments.remove(one.place);
            arguments.insert(start + 1, word);
            Ok(Some(arguments))
        }
        (Some(one), None) => Err(Failure::usage(format_args!(
            "{} {}: the architecture, or the file of that name? Write the architecture right after \
             {COMMAND}, and ./{} for the file",
            one.flag, one.word, one.word
        ))),
        _ => Err(Failure::usage(format_args!(
            "no architecture: {} took every word after it ({}); write one of {} right after \
             {COMMAND}",
            first.flag,
            shell(Path::new(first.word)),
            names.join(", ")
        ))),
    }
}

/// Whether clap misses the architecture.
fn lacks_architecture(error: &Error) -> bool {
    let is_missing = error.kind() == ErrorKind::MissingRequiredArgument;
    is_missing
        && match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::Strings(missing)) => missing.iter().any(|name| name == ARCHITECTURE),
            Some(ContextValue::String(missing)) => missing == ARCHITECTURE,
            _ => false,
        }
}

/// `--corpus` and its like.
fn flags_with_several_values(command: &clap::Command) -> Vec<String> {
    let Some(command) = command.find_subcommand(COMMAND) else {
        return Vec::new();
    };
    let several = |argument: &&clap::Arg| {
        let values = argument.get_num_args();
        values.is_some_and(|values| values.max_values() > 1)
    };
    let arguments = command.get_arguments().filter(several);
    let names = arguments.filter_map(|argument| argument.get_long());
    names.map(|name| format!("--{name}")).collect()
}

/// The words after each of `flags` up to the next flag, but for the first: a flag needs one.
fn taken<'a>(arguments: &'a [OsString], start: usize, flags: &'a [String]) -> Vec<Taken<'a>> {
    let mut taken = Vec::new();
    let mut flag = None;
    for (place, argument) in arguments.iter().enumerate().skip(start) {
        let Some(word) = OsStr::to_str(argument) else {
            continue;
        };
        if word == "--" {
            break;
        }
        if word.starts_with('-') && word != "-" {
            flag = flags
                .iter()
                .find(|flag| *flag == word)
                .map(|flag| (flag, 0));
        } else if let Some((name, before)) = &mut flag {
            if *before > 0 {
                taken.push(Taken {
                    flag: name.as_str(),
                    place,
                    word,
                });
            }
            *before += 1;
        }
    }
    taken
}
