//! Names to numbers.

use std::collections::HashMap;

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

/// Whether a confusion table of so many names is written, and the note if not.
pub(crate) fn table_fits(names: usize) -> Result<(), String> {
    if names <= LARGEST_TABLE {
        return Ok(());
    }
    Err(format!(
        "no confusion table: it would have {names} rows, more than {LARGEST_TABLE}"
    ))
}

/// The larger of two scores, undefined ones below all.
pub(crate) fn better(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}
