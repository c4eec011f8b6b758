//! The labels of a model, by name.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Labels of a model that a message names.
const NAMES_SHOWN: usize = 8;

/// Names of labels; a label's id is its place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(Vec<String>);

impl Labels {
    /// Labels in the order of their ids.
    pub fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// The names in the order of their ids.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The id of the label called `name`.
    pub fn id(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|known| known == name)
    }

    /// The name of the label with this id.
    pub fn name(&self, id: usize) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }
}

/// Sorts names of labels: by number where all are integers, else as they are spelled.
pub fn sort_names(names: &mut [String]) {
    if names.iter().all(|name| is_integer(name)) {
        names.sort_by_key(|name| (name.parse::<i64>().unwrap_or(i64::MAX), name.clone()));
    } else {
        names.sort();
    }
}

fn is_integer(name: &str) -> bool {
    name.parse::<i64>().is_ok()
}

/// What the labels of a file are to a model.
#[derive(Debug, Clone, Default)]
pub struct LabelMap {
    labels: Labels,
    ids: HashMap<String, usize>,
    /// The file has ids in the place of names.
    has_ids: bool,
}

impl LabelMap {
    /// Labels by name alone.
    pub fn new(labels: Labels) -> Self {
        let ids = labels.names().iter().cloned().zip(0..).collect();
        Self {
            labels,
            ids,
            has_ids: false,
        }
    }

    /// What labels called `found` are to a model that has `labels`: integers are its ids where the
    /// file has nothing else, and the model has none of them for a name.
    pub fn fit(labels: Labels, found: &Labels) -> Self {
        let mut map = Self::new(labels);
        let is_new = |name: &String| is_integer(name) && !map.ids.contains_key(name);
        map.has_ids = !found.is_empty() && found.names().iter().all(is_new);
        map
    }

    /// The model's labels.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// What to tell the user: a sentence each.
    pub fn notes(&self) -> Vec<String> {
        if !self.has_ids {
            return Vec::new();
        }
        let ids: Vec<String> = self
            .labels
            .names()
            .iter()
            .take(NAMES_SHOWN)
            .enumerate()
            .map(|(id, name)| format!("{id} {name}"))
            .collect();
        let more = if self.labels.len() > NAMES_SHOWN {
            ", …"
        } else {
            ""
        };
        vec![format!(
            "the file has numbers for labels; they are taken as the model's ids: {}{more}",
            ids.join(", ")
        )]
    }

    /// The id of the label that a file calls `name`.
    ///
    /// # Errors
    /// If the model lacks it: what is wrong, and the remedy.
    pub fn id(&self, name: &str) -> Result<usize, String> {
        let id = if self.has_ids {
            name.parse().ok().filter(|id| *id < self.labels.len())
        } else {
            self.ids.get(name).copied()
        };
        id.ok_or_else(|| {
            let names = self.labels.names();
            let shown = names.get(..NAMES_SHOWN.min(names.len())).unwrap_or_default();
            let more = match names.len() {
                len if len > NAMES_SHOWN => format!(", … ({len} in all)"),
                _ => String::new(),
            };
            format!(
                "label \"{name}\": the model lacks it (it has {}{more}); mend it, or train with a file \
                 that has it (kiln predict --unlabelled reads none)",
                shown.join(", ")
            )
        })
    }
}
