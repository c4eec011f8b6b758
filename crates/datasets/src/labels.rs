//! The labels of a model, by name.

use serde::{Deserialize, Serialize};

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
