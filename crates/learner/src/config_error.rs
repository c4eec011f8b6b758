//! What is wrong with a model's config.json.

use std::path::Path;

use kiln_checkpoint::OpenError;

use crate::error::LearnError;

/// A field of a configuration with a value that its architecture, or Kiln, cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {value}: {remedy}")]
pub struct ConfigError {
    /// Its name in config.json.
    pub field: &'static str,
    /// Its value, as JSON.
    pub value: String,
    /// What to do.
    pub remedy: String,
}

impl ConfigError {
    /// The same of the file at `path`.
    pub fn in_file(self, path: &Path) -> OpenError {
        OpenError::Field {
            path: path.to_path_buf(),
            field: self.field.to_owned(),
            reason: format!("{}, {}", self.value, self.remedy),
        }
    }
}

impl From<ConfigError> for LearnError {
    /// The same of a run's own config.
    fn from(error: ConfigError) -> Self {
        Self::Config {
            field: error.field.to_owned(),
            reason: format!("{}, {}", error.value, error.remedy),
        }
    }
}
