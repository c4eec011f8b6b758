//! How tags mark where an entity begins and ends: recognised, and turned into IOB2.
//!
//! IOB1: `B-` only where an entity follows another of its type. IOB2: `B-` at every beginning. BIOES
//! and BILOU: the last word of an entity (`E-`, `L-`) and an entity of one word (`S-`, `U-`) are
//! marked as well. A type is what follows the first hyphen.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::raw::WordPlace;
use crate::DataError;

/// How tags mark entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// `B-` between entities of the same type alone.
    Iob1,
    /// `B-` at every beginning.
    Iob2,
    /// IOB2 with `E-` and `S-`; IOBES.
    Bioes,
    /// IOB2 with `L-` and `U-`.
    Bilou,
    /// Tags are labels of words: parts of speech, for example.
    None,
}

impl Scheme {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iob1 => "iob1",
            Self::Iob2 => "iob2",
            Self::Bioes => "bioes",
            Self::Bilou => "bilou",
            Self::None => "none",
        }
    }

    fn prefixes(self) -> &'static str {
        match self {
            Self::Iob1 | Self::Iob2 => "BI",
            Self::Bioes => "BIES",
            Self::Bilou => "BILU",
            Self::None => "",
        }
    }
}

/// Tags in one hundred entities that may break the rules of IOB2 where it is not given.
const STRAYS_TOLERATED: u64 = 1;

/// The prefix of a tag and its type; none of `O`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark<'a> {
    prefix: char,
    kind: &'a str,
}

/// `O` has no mark; what is no tag of any scheme is an error.
fn mark(tag: &str) -> Result<Option<Mark<'_>>, ()> {
    if tag == "O" {
        return Ok(None);
    }
    let (prefix, kind) = tag.split_once('-').unwrap_or((tag, ""));
    let mut chars = prefix.chars();
    match (chars.next(), chars.next()) {
        (Some(prefix), None) if "BIESLU".contains(prefix) => Ok(Some(Mark { prefix, kind })),
        _ => Err(()),
    }
}

/// Sees all tags of a file and tells their scheme.
#[derive(Debug, Default)]
pub(super) struct Recogniser {
    /// The first tag of no scheme.
    plain: Option<(WordPlace, String)>,
    has_hyphen: bool,
    /// The first `E` or `S`, and the first `L` or `U`.
    bioes: Option<WordPlace>,
    bilou: Option<WordPlace>,
    /// `I` that begins an entity, and the first of them.
    strays: u64,
    first_stray: Option<(WordPlace, String)>,
    /// `B` where IOB1 has none.
    needless: u64,
}

impl Recogniser {
    /// Sees the tags of a record at `line` whose words have these lines.
    pub(super) fn see(&mut self, tags: &[String], file: &Arc<Path>, line: u64, word_lines: &[u64]) {
        let mut before: Option<Mark<'_>> = None;
        for (index, tag) in tags.iter().enumerate() {
            let here = || WordPlace::new(file, line, word_lines, index);
            let Ok(found) = mark(tag) else {
                self.plain.get_or_insert_with(|| (here(), tag.clone()));
                before = None;
                continue;
            };
            if let Some(mark) = found {
                self.has_hyphen |= tag.contains('-');
                let goes_on = before.is_some_and(|it| it.kind == mark.kind);
                match mark.prefix {
                    'I' if !goes_on => {
                        self.strays += 1;
                        self.first_stray
                            .get_or_insert_with(|| (here(), tag.clone()));
                    }
                    'B' if !goes_on => self.needless += 1,
                    'E' | 'S' => drop(self.bioes.get_or_insert_with(here)),
                    'L' | 'U' => drop(self.bilou.get_or_insert_with(here)),
                    _ => {}
                }
            }
            before = found;
        }
    }

    pub(super) fn scheme(self) -> Result<Scheme, DataError> {
        let ambiguous = |place: WordPlace, problem: String| {
            let remedy = "mend the tags, or give their scheme with --scheme";
            Err(place.problem(format_args!("{problem}; {remedy}")))
        };
        if let Some((place, tag)) = self.plain {
            if !self.has_hyphen {
                return Ok(Scheme::None);
            }
            return ambiguous(
                place,
                format!("tag \"{tag}\" is of no scheme, others are (B-…, I-…)"),
            );
        }
        match (self.bioes, self.bilou) {
            (Some(_), Some(place)) => {
                return ambiguous(place, "tags of BILOU among tags of BIOES".to_owned());
            }
            (Some(_), None) => return Ok(Scheme::Bioes),
            (None, Some(_)) => return Ok(Scheme::Bilou),
            (None, None) => {}
        }
        let entities = self.strays + self.needless;
        match self.first_stray {
            None if self.needless == 0 => Ok(Scheme::None),
            None => Ok(Scheme::Iob2),
            Some(_) if self.needless == 0 => Ok(Scheme::Iob1),
            Some(_) if self.strays * 100 <= entities * STRAYS_TOLERATED => Ok(Scheme::Iob2),
            Some((place, tag)) => ambiguous(
                place,
                format!(
                    "tag \"{tag}\" begins an entity, as in IOB1, where {} of {entities} entities begin \
                     with B-, as in IOB2",
                    self.needless
                ),
            ),
        }
    }
}

/// Turns the tags of a sentence into IOB2 and counts those that their scheme does not allow there:
/// those keep their meaning as far as IOB2 has it, and are not mended.
///
/// # Errors
/// The number, from 0, of the word whose tag the scheme does not have, and what is wrong.
pub(super) fn to_iob2(tags: &mut [String], scheme: Scheme) -> Result<u64, (usize, String)> {
    if scheme == Scheme::None {
        return Ok(0);
    }
    let has_ends = matches!(scheme, Scheme::Bioes | Scheme::Bilou);
    let mut strays = 0;
    let mut before: Option<(char, String)> = None;
    for (index, tag) in tags.iter_mut().enumerate() {
        let found = match mark(tag) {
            Ok(found) if found.is_none_or(|it| scheme.prefixes().contains(it.prefix)) => found,
            _ => {
                let name = scheme.name();
                return Err((index, format!("tag \"{tag}\" is not one of scheme {name}")));
            }
        };
        // An entity is open where more of it has to come or may come.
        let open = before
            .take()
            .filter(|(prefix, _)| matches!(prefix, 'B' | 'I'));
        let Some(mark) = found else {
            strays += u64::from(has_ends && open.is_some());
            continue;
        };
        let goes_on = open.as_ref().is_some_and(|(_, kind)| kind == mark.kind);
        let begins = matches!(mark.prefix, 'B' | 'S' | 'U');
        let (is_stray, prefix) = match scheme {
            Scheme::Iob1 if begins => (!goes_on, 'B'),
            Scheme::Iob1 => (false, if goes_on { 'I' } else { 'B' }),
            _ if begins => (has_ends && open.is_some(), 'B'),
            _ => (!goes_on, 'I'),
        };
        strays += u64::from(is_stray);
        before = Some((mark.prefix, mark.kind.to_owned()));
        let mut changed = prefix.to_string();
        if tag.contains('-') {
            changed.push('-');
            changed.push_str(mark.kind);
        }
        *tag = changed;
    }
    let is_open = before.is_some_and(|(prefix, _)| matches!(prefix, 'B' | 'I'));
    Ok(strays + u64::from(has_ends && is_open))
}
