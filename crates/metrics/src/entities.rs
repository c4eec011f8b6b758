//! Entities and words of tagged sentences.
//!
//! An entity is (type, first word, last word); its type is what follows the first hyphen of a tag. Tags
//! are IOB2: `O`, `B-…`, `I-…`. Entities never cross sentences.
//!
//! Precision, recall and F1 are 0 where there is nothing to divide by, as seqeval has it. The accuracy of
//! words is undefined without words.

use std::collections::{BTreeMap, BTreeSet};

use crate::classes::{f1, mean, ratio};

/// Where entities begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As the script of CoNLL-2000 and seqeval's default: a stray `I-` begins an entity.
    Lenient,
    /// As seqeval's strict mode with IOB2: only `B-` begins one, a stray `I-` belongs to nothing.
    Strict,
}

/// An entity of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entity<'a> {
    /// What follows the first hyphen; `_` where nothing does.
    pub kind: &'a str,
    /// The number of its first word in the sentence, from 0.
    pub first: usize,
    /// The number of its last word.
    pub last: usize,
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
pub fn is_iob2(tag: &str) -> bool {
    tag == "O" || split(tag).is_some()
}

/// The entities of one sentence, in order. A tag that is not of IOB2 counts as `O`.
pub fn entities<T: AsRef<str>>(tags: &[T], reading: Reading) -> Vec<Entity<'_>> {
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

/// Entities of one type, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EntityCounts {
    /// Those both true and predicted.
    pub correct: u64,
    /// True ones.
    pub actual: u64,
    /// Predicted ones.
    pub predicted: u64,
}

impl EntityCounts {
    /// Adds `other` `times` times.
    pub fn add(&mut self, other: Self, times: u64) {
        self.correct += times * other.correct;
        self.actual += times * other.actual;
        self.predicted += times * other.predicted;
    }

    /// |true ∩ predicted| / |predicted|; 0 where none is predicted.
    pub fn precision(&self) -> f64 {
        ratio(self.correct, self.predicted).unwrap_or(0.0)
    }

    /// |true ∩ predicted| / |true|; 0 where there is none.
    pub fn recall(&self) -> f64 {
        ratio(self.correct, self.actual).unwrap_or(0.0)
    }

    /// The harmonic mean of both; 0 where there are no entities.
    pub fn f1(&self) -> f64 {
        f1(self.correct, self.actual, self.predicted)
    }
}

/// The counts of one sentence by type.
pub fn sentence_counts<'a, T: AsRef<str>, P: AsRef<str>>(
    tags: &'a [T],
    predictions: &'a [P],
    reading: Reading,
) -> BTreeMap<&'a str, EntityCounts> {
    let mut counts: BTreeMap<&str, EntityCounts> = BTreeMap::new();
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

/// The counts of many sentences by type.
pub fn counts<'a, T, P>(
    sentences: impl IntoIterator<Item = (&'a [T], &'a [P])>,
    reading: Reading,
) -> BTreeMap<String, EntityCounts>
where
    T: AsRef<str> + 'a,
    P: AsRef<str> + 'a,
{
    let mut all: BTreeMap<String, EntityCounts> = BTreeMap::new();
    for (tags, predictions) in sentences {
        for (kind, count) in sentence_counts(tags, predictions, reading) {
            all.entry(kind.to_owned()).or_default().add(count, 1);
        }
    }
    all
}

/// All types' counts together.
pub fn micro<'a>(counts: impl IntoIterator<Item = &'a EntityCounts>) -> EntityCounts {
    let mut all = EntityCounts::default();
    for count in counts {
        all.add(*count, 1);
    }
    all
}

/// The unweighted mean of F1 over the types that occur or are predicted; 0 where there are none.
pub fn macro_f1<'a>(counts: impl IntoIterator<Item = &'a EntityCounts>) -> f64 {
    mean(
        counts
            .into_iter()
            .filter(|count| count.actual + count.predicted > 0)
            .map(EntityCounts::f1),
    )
    .unwrap_or(0.0)
}

/// The share of words with the right tag, `O` included.
pub fn word_accuracy<'a, T, P>(
    sentences: impl IntoIterator<Item = (&'a [T], &'a [P])>,
) -> Option<f64>
where
    T: AsRef<str> + 'a,
    P: AsRef<str> + 'a,
{
    let (mut right, mut total) = (0, 0);
    for (tags, predictions) in sentences {
        total += tags.len() as u64;
        let equal = tags
            .iter()
            .zip(predictions)
            .filter(|(tag, prediction)| tag.as_ref() == prediction.as_ref());
        right += equal.count() as u64;
    }
    ratio(right, total)
}

#[cfg(test)]
mod tests;
