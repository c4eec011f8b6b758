//! Which part an example belongs to: a held-out share, or folds.
//!
//! A part is drawn by a function of the seed, within each group of alike examples: those of a label
//! (the first, where there are several), of a range of numbers. Questions on a text stay together.
//! Four bytes an example are kept.

use std::collections::BTreeMap;

use kiln_text::rng::{Purpose, Rng};

use crate::labels::LabelMap;
use crate::reading::Dataset;
use crate::{DataError, Input, Target};

/// Ranges of equal share that numbers are split by.
const RANGES: usize = 10;

/// The stratum of examples without a label.
const NO_LABEL: u32 = u32::MAX;

/// The part of every example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    parts: Vec<u32>,
    counts: Vec<u64>,
}

impl Parts {
    /// The part of an example by its number, from 0; none behind the last.
    pub fn part(&self, example: u64) -> Option<u32> {
        self.parts.get(usize::try_from(example).ok()?).copied()
    }

    /// How many parts there are.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// How many examples each part has.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    fn new(parts: Vec<u32>, len: usize) -> Self {
        let mut counts = vec![0; len];
        for part in &parts {
            if let Some(count) = counts.get_mut(*part as usize) {
                *count += 1;
            }
        }
        Self { parts, counts }
    }
}

/// What examples are split by.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Alike {
    /// Each part gets its share of every stratum.
    Strata(Vec<u32>),
    /// Examples of a group stay together.
    Groups(Vec<u32>),
}

/// Part 0 is to train on, part 1 is held out: about `share` of the examples, and of each label within
/// one. A label's only example is never held out.
///
/// # Errors
/// If `share` is not between 0 and 1, leaves a part empty, or a file can't be used.
pub fn held_out(
    dataset: &Dataset,
    labels: &LabelMap,
    share: f64,
    seed: u64,
) -> Result<Parts, DataError> {
    let refused = |remedy: &str| DataError::Settings(format!("held-out share {share}: {remedy}"));
    if !(share > 0.0 && share < 1.0) {
        return Err(refused("choose one between 0 and 1"));
    }
    let quotas = |start: u64, count: u64| {
        if count < 2 {
            return vec![count, 0];
        }
        let slot = |place: u64| (place as f64 * share + 0.5).floor() as u64;
        let held = slot(start + count) - slot(start);
        // Of a label with few examples one stays to be learned.
        let held = held.min(count - 1);
        vec![count - held, held]
    };
    let parts = match alike(dataset, labels)? {
        Alike::Strata(strata) => drawn(strata, seed, 0, quotas),
        Alike::Groups(groups) => {
            let wanted = (groups.len() as f64 * share).round().max(1.0) as u64;
            let mut held = 0;
            grouped(groups, seed, 0, |count| {
                // As near to the share as the group brings it.
                let is_held = held < wanted && (held + count).abs_diff(wanted) <= wanted - held;
                held += if is_held { count } else { 0 };
                u32::from(is_held)
            })
        }
    };
    let parts = Parts::new(parts, 2);
    if parts.counts.contains(&0) {
        return Err(refused(
            "it leaves a part without examples; choose another, or use --dev FILE",
        ));
    }
    Ok(parts)
}

/// `folds` parts of equal size within one, and of each label within one.
///
/// # Errors
/// If there are fewer than two folds or more than examples, or a file can't be used.
pub fn folds(
    dataset: &Dataset,
    labels: &LabelMap,
    folds: u32,
    seed: u64,
) -> Result<Parts, DataError> {
    let refused = |remedy: &str| DataError::Settings(format!("{folds} folds: {remedy}"));
    // Quotas of every label and fold are held.
    if !(2..=1000).contains(&folds) {
        return Err(refused("choose 2 to 1000"));
    }
    let wide = u64::from(folds);
    let quotas = |start: u64, count: u64| {
        let slots = |end: u64, fold: u64| end / wide + u64::from(end % wide > fold);
        (0..wide)
            .map(|fold| slots(start + count, fold) - slots(start, fold))
            .collect()
    };
    let parts = match alike(dataset, labels)? {
        Alike::Strata(strata) => drawn(strata, seed, wide, quotas),
        Alike::Groups(groups) => {
            let mut counts = vec![0; folds as usize];
            grouped(groups, seed, wide, |count| {
                let smallest = counts.iter().enumerate().min_by_key(|(_, count)| **count);
                let fold = smallest.map_or(0, |(fold, _)| fold);
                if let Some(sum) = counts.get_mut(fold) {
                    *sum += count;
                }
                fold as u32
            })
        }
    };
    let parts = Parts::new(parts, folds as usize);
    if parts.counts.contains(&0) {
        return Err(refused(
            "there are not enough examples for so many; choose fewer",
        ));
    }
    Ok(parts)
}

/// A part for each example, so that each stratum fills its quotas; every choice is as likely as any
/// other. `quotas` gets how many examples the strata before have, and how many this one.
fn drawn(
    mut strata: Vec<u32>,
    seed: u64,
    kind: u64,
    quotas: impl Fn(u64, u64) -> Vec<u64>,
) -> Vec<u32> {
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    for stratum in &strata {
        *counts.entry(*stratum).or_default() += 1;
    }
    let mut start = 0;
    let mut left: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for (stratum, count) in counts {
        left.insert(stratum, quotas(start, count));
        start += count;
    }
    let mut rng = Rng::at(seed, Purpose::Split, kind, 0);
    for slot in &mut strata {
        let Some(left) = left.get_mut(slot) else {
            continue;
        };
        let mut draw = rng.below(left.iter().sum());
        for (part, left) in left.iter_mut().enumerate() {
            if draw < *left {
                *left -= 1;
                *slot = part as u32;
                break;
            }
            draw -= *left;
        }
    }
    strata
}

/// A part for each example: groups are handed to `part` in a random order, with their sizes.
fn grouped(
    mut groups: Vec<u32>,
    seed: u64,
    kind: u64,
    mut part: impl FnMut(u64) -> u32,
) -> Vec<u32> {
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    for group in &groups {
        *counts.entry(*group).or_default() += 1;
    }
    let mut order: Vec<(u32, u64)> = counts.into_iter().collect();
    Rng::at(seed, Purpose::Split, kind, 1).shuffle(&mut order);
    let parts: BTreeMap<u32, u32> = order
        .into_iter()
        .map(|(group, count)| (group, part(count)))
        .collect();
    for group in &mut groups {
        *group = parts.get(group).copied().unwrap_or(0);
    }
    groups
}

fn alike(dataset: &Dataset, labels: &LabelMap) -> Result<Alike, DataError> {
    let mut strata = Vec::new();
    let mut numbers = false;
    let mut groups = false;
    for example in dataset.examples(labels) {
        let example = example?;
        let stratum = match (&example.input, &example.target) {
            (Input::Question { context, .. }, _) => {
                groups = true;
                hash(context)
            }
            (_, Some(Target::Class(id))) => u32::try_from(*id).unwrap_or(NO_LABEL),
            (_, Some(Target::Classes(ids))) => {
                let first = ids.first().and_then(|id| u32::try_from(*id).ok());
                first.unwrap_or(NO_LABEL)
            }
            (_, Some(Target::Numbers(found))) => {
                numbers = true;
                found.first().map_or(NO_LABEL, |number| ordered(*number))
            }
            _ => NO_LABEL,
        };
        strata.push(stratum);
    }
    if groups {
        return Ok(Alike::Groups(strata));
    }
    if numbers {
        let mut sorted = strata.clone();
        sorted.sort_unstable();
        let bounds = (1..RANGES).filter_map(|range| sorted.get(sorted.len() * range / RANGES));
        let mut bounds: Vec<u32> = bounds.copied().collect();
        bounds.dedup();
        for stratum in &mut strata {
            *stratum = bounds.partition_point(|bound| bound <= stratum) as u32;
        }
    }
    Ok(Alike::Strata(strata))
}

/// Bits that are ordered as the numbers are.
fn ordered(number: f32) -> u32 {
    let bits = number.to_bits();
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    }
}

/// FNV-1a, folded. Two texts with the same hash stay together, which does no harm.
fn hash(text: &str) -> u32 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (hash ^ (hash >> 32)) as u32
}

#[cfg(test)]
mod tests;
