//! Files that were left out, by the reason.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Files that a folder or an archive holds and that were not read, counted by the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeftOut {
    reasons: BTreeMap<String, LeftOutFiles>,
}

/// Files that were left out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOutFiles {
    /// How many.
    pub files: u64,
    /// The first of them.
    pub first: String,
}

impl LeftOut {
    /// One more, for `reason`.
    pub(crate) fn add(&mut self, reason: impl Into<String>, name: impl fmt::Display) {
        self.reasons
            .entry(reason.into())
            .or_insert_with(|| LeftOutFiles {
                files: 0,
                first: name.to_string(),
            })
            .files += 1;
    }

    /// Adds what another counted.
    pub(crate) fn extend(&mut self, other: &Self) {
        for (reason, more) in &other.reasons {
            match self.reasons.get_mut(reason) {
                Some(known) => known.files += more.files,
                None => {
                    self.reasons.insert(reason.clone(), more.clone());
                }
            }
        }
    }

    /// These, and what another counted.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.extend(other);
        both
    }

    /// How many files were left out.
    pub fn files(&self) -> u64 {
        self.reasons.values().map(|it| it.files).sum()
    }

    /// Whether no file was left out.
    pub fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }

    /// The reasons in alphabetical order, with what was left out for each.
    pub fn reasons(&self) -> impl Iterator<Item = (&str, &LeftOutFiles)> {
        self.reasons
            .iter()
            .map(|(reason, files)| (reason.as_str(), files))
    }
}

/// `a PNG image: 2 (a.png, …); hidden file or folder: 1 (.b)`
impl fmt::Display for LeftOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (reason, files)) in self.reasons().enumerate() {
            let comma = if index == 0 { "" } else { "; " };
            let more = if files.files > 1 { ", …" } else { "" };
            write!(
                formatter,
                "{comma}{reason}: {} ({}{more})",
                files.files, files.first
            )?;
        }
        Ok(())
    }
}
