//! Names to numbers.

use std::collections::HashMap;

use crate::scores::{Confusion, ScoreOptions};

/// Names, each with a number: the model's first, then others as they come.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    names: Vec<&'a str>,
    numbers: HashMap<&'a str, usize>,
    known: usize,
}

impl<'a> Names<'a> {
    /// The model's names.
    pub(crate) fn new(known: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names = Self {
            names: Vec::new(),
            numbers: HashMap::new(),
            known: 0,
        };
        for name in known {
            names.number(name);
        }
        names.known = names.names.len();
        names
    }

    /// Those that are asked for; where there are none, those that the first row has probabilities of.
    pub(crate) fn chosen(options: &'a ScoreOptions, of_row: Option<&'a [(String, f64)]>) -> Self {
        if options.labels.is_empty() {
            Self::new(of_row.into_iter().flatten().map(|(name, _)| name.as_str()))
        } else {
            Self::new(options.labels.iter().map(String::as_str))
        }
    }

    /// The number of `name`, a new one if there is none yet.
    pub(crate) fn number(&mut self, name: &'a str) -> usize {
        let next = self.names.len();
        let number = *self.numbers.entry(name).or_insert(next);
        if number == next {
            self.names.push(name);
        }
        number
    }

    /// The numbers of `names`, rising, none twice.
    pub(crate) fn set(&mut self, names: &'a [String]) -> Vec<usize> {
        let mut set: Vec<usize> = names.iter().map(|name| self.number(name)).collect();
        set.sort_unstable();
        set.dedup();
        set
    }

    /// How many of the names are the model's.
    pub(crate) fn known(&self) -> usize {
        self.known
    }

    /// The number of `name`, if it has one.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    /// All names by their numbers.
    pub(crate) fn owned(&self) -> Vec<String> {
        self.names.iter().map(|&name| name.to_owned()).collect()
    }

    /// What a reader must know of names that are not the model's.
    pub(crate) fn note(&self) -> Option<String> {
        let others = self.names.get(self.known..).filter(|o| !o.is_empty())?;
        let shown: Vec<&str> = others.iter().copied().take(5).collect();
        (self.known > 0).then(|| {
            format!(
                "{} labels are not among the model's: {}{}",
                others.len(),
                shown.join(", "),
                if others.len() > 5 { ", …" } else { "" }
            )
        })
    }
}

/// How many names a confusion table may have: a larger one is not read.
const LARGEST_TABLE: usize = 200;

/// How often each target (row) got each prediction (column): `counts` says it of pairs of them.
///
/// # Errors
/// The note in its place if it would be too large.
pub(crate) fn confusion(
    names: &[String],
    counts: impl IntoIterator<Item = (usize, usize, u64)>,
) -> Result<Confusion, String> {
    let size = names.len();
    if size > LARGEST_TABLE {
        return Err(format!(
            "no confusion table: it would have {size} rows, more than {LARGEST_TABLE}"
        ));
    }
    let mut table = vec![vec![0; size]; size];
    for (target, prediction, times) in counts {
        if let Some(cell) = table
            .get_mut(target)
            .and_then(|row| row.get_mut(prediction))
        {
            *cell += times;
        }
    }
    Ok(Confusion {
        names: names.to_vec(),
        counts: table,
    })
}

/// The best value of each score; none: undefined in all.
pub(crate) fn best_of(
    scores: impl IntoIterator<Item = Vec<Option<f64>>>,
) -> Option<Vec<Option<f64>>> {
    scores.into_iter().reduce(|mut best, values| {
        for (best, value) in best.iter_mut().zip(values) {
            *best = better(*best, value);
        }
        best
    })
}

/// The larger of two scores, undefined ones below all.
fn better(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confusions_have_targets_in_rows() {
        let names = ["a", "b"].map(str::to_owned);
        let table = confusion(&names, [(0, 1, 1), (0, 1, 1), (1, 1, 1)]).unwrap();
        assert_eq!(table.counts, vec![vec![0, 2], vec![0, 1]]);
        let names = vec![String::new(); LARGEST_TABLE + 1];
        assert!(confusion(&names, []).is_err());
    }
}
