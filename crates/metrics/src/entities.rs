//! Entities and words of tagged sentences.
//!
//! An entity is (type, first word, last word); its type is what follows the first hyphen of a tag. Tags
//! are IOB2: `O`, `B-…`, `I-…`. Entities never cross sentences.
//!
//! Macro F1 is 0 where there are no entities, as seqeval has it.

use std::collections::{BTreeMap, BTreeSet};

use crate::tally::{Tally, mean};

/// Where entities begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As the script of CoNLL-2000 and seqeval's default: a stray `I-` begins an entity.
    Lenient,
    /// As seqeval's strict mode with IOB2: only `B-` begins one, a stray `I-` belongs to nothing.
    Strict,
}

/// An entity of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entity<'a> {
    /// What follows the first hyphen; `_` where nothing does.
    pub(crate) kind: &'a str,
    /// The number of its first word in the sentence, from 0.
    pub(crate) first: usize,
    /// The number of its last word.
    pub(crate) last: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefix {
    Begin,
    Inside,
}

/// The prefix and the type of a tag; none: `O`, or no tag of IOB2.
fn split(tag: &str) -> Option<(Prefix, &str)> {
    let (prefix, rest) = match tag.as_bytes().first()? {
        b'B' => (Prefix::Begin, tag.get(1..)?),
        b'I' => (Prefix::Inside, tag.get(1..)?),
        _ => return None,
    };
    match rest {
        "" => Some((prefix, "_")),
        _ => {
            let kind = rest.strip_prefix('-')?;
            Some((prefix, if kind.is_empty() { "_" } else { kind }))
        }
    }
}

/// Whether `tag` is one of IOB2: `O`, or `B` or `I` alone or before a hyphen.
pub(crate) fn is_iob2(tag: &str) -> bool {
    tag == "O" || split(tag).is_some()
}

/// The entities of one sentence, in order. A tag that is not of IOB2 counts as `O`.
pub(crate) fn entities<T: AsRef<str>>(tags: &[T], reading: Reading) -> Vec<Entity<'_>> {
    let mut found: Vec<Entity<'_>> = Vec::new();
    // The last entity goes on for as long as this holds.
    let mut open = false;
    for (word, tag) in tags.iter().enumerate() {
        let Some((prefix, kind)) = split(tag.as_ref()) else {
            open = false;
            continue;
        };
        let before = found.last_mut().filter(|_| open);
        match (prefix, before) {
            (Prefix::Inside, Some(entity)) if entity.kind == kind => entity.last = word,
            (Prefix::Inside, _) if reading == Reading::Strict => open = false,
            _ => {
                found.push(Entity {
                    kind,
                    first: word,
                    last: word,
                });
                open = true;
            }
        }
    }
    found
}

/// The counts of one sentence by type.
pub(crate) fn sentence_counts<'a, T: AsRef<str>, P: AsRef<str>>(
    tags: &'a [T],
    predictions: &'a [P],
    reading: Reading,
) -> BTreeMap<&'a str, Tally> {
    let mut counts: BTreeMap<&str, Tally> = BTreeMap::new();
    let actual: BTreeSet<_> = entities(tags, reading).into_iter().collect();
    for entity in &actual {
        counts.entry(entity.kind).or_default().actual += 1;
    }
    for entity in entities(predictions, reading) {
        let count = counts.entry(entity.kind).or_default();
        count.predicted += 1;
        count.correct += u64::from(actual.contains(&entity));
    }
    counts
}

/// The unweighted mean of F1 over the types that occur or are predicted; 0 where there are none.
pub(crate) fn macro_f1<'a>(counts: impl IntoIterator<Item = &'a Tally>) -> f64 {
    let present = counts.into_iter().filter(|count| count.is_present());
    mean(present.map(|count| count.f1())).unwrap_or(0.0)
}

#[cfg(test)]
mod tests;
