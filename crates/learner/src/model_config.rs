//! A model's config.json: opened, and checked for what no architecture can have.

use std::path::Path;

use kiln_checkpoint::{CONFIG_FILE, ConfigFile, OpenError, read_config};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::LearnError;

/// More than any model has; a config.json beyond it is damaged.
const MOST_PARAMETERS: u128 = 100_000_000_000;

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

/// Reads a folder's config.json and checks it by `validate`.
///
/// # Errors
/// If the file is unreadable, or as `validate`; the error names the file and the field.
pub fn open_config<T: DeserializeOwned>(
    folder: &Path,
    validate: impl Fn(&T) -> Result<(), ConfigError>,
) -> Result<T, OpenError> {
    let (config, file) = read_config::<T>(folder)?;
    validate(&config).map_err(|error| error.in_file(file.path()))?;
    Ok(config)
}

/// A model's config from the run's settings, checked by `validate`. What settings mean together is
/// for the architecture to check.
///
/// # Errors
/// If a field has another type than its architecture gives it, or as `validate`; names the field.
pub fn parse_config<T: DeserializeOwned>(
    model: &Value,
    validate: impl Fn(&T) -> Result<(), ConfigError>,
) -> Result<T, LearnError> {
    let fields = model.as_object().cloned().unwrap_or_default();
    let config = match ConfigFile::from_fields(CONFIG_FILE, fields).parse() {
        Ok(config) => config,
        Err(OpenError::Field { field, reason, .. }) => {
            return Err(LearnError::Config { field, reason });
        }
        Err(error) => return Err(error.into()),
    };
    validate(&config)?;
    Ok(config)
}

/// A config as the run's settings hold it.
///
/// # Errors
/// If it has no JSON form.
pub fn config_value<T: Serialize>(config: &T) -> Result<Value, LearnError> {
    serde_json::to_value(config)
        .map_err(|error| LearnError::Settings(format!("the model's config: {error}")))
}

/// Refuses a field's value.
///
/// # Errors
/// Always.
pub fn refuse(
    field: &'static str,
    value: impl Into<Value>,
    remedy: impl Into<String>,
) -> Result<(), ConfigError> {
    Err(ConfigError {
        field,
        value: value.into().to_string(),
        remedy: remedy.into(),
    })
}

/// Checks fields that a config may have although nothing but one value is supported.
///
/// # Errors
/// With the first that has another.
pub fn check_demands(
    other: &Map<String, Value>,
    demands: &[(&'static str, Value)],
) -> Result<(), ConfigError> {
    for (field, supported) in demands {
        match other.get(*field) {
            None | Some(Value::Null) => {}
            Some(value) if value == supported => {}
            Some(value) => {
                return refuse(
                    field,
                    value.clone(),
                    format!("only {supported} is supported"),
                );
            }
        }
    }
    Ok(())
}

/// Checks the name of a sequence classifier's loss.
///
/// # Errors
/// If Hugging Face has none of that name.
pub fn check_problem_type(problem_type: Option<&str>) -> Result<(), ConfigError> {
    match problem_type {
        None
        | Some("single_label_classification" | "multi_label_classification" | "regression") => {
            Ok(())
        }
        Some(problem) => refuse(
            "problem_type",
            problem,
            "choose single_label_classification, multi_label_classification or regression",
        ),
    }
}

/// Checks sizes that have to be above 0 and fit a 32-bit integer.
///
/// # Errors
/// With the first that does not.
pub fn check_sizes(sizes: &[(&'static str, usize)]) -> Result<(), ConfigError> {
    for &(field, size) in sizes {
        if size == 0 || size > i32::MAX as usize {
            return refuse(field, size, "choose a number from 1 to 2147483647");
        }
    }
    Ok(())
}

/// Checks that heads divide the width.
///
/// # Errors
/// If they do not.
pub fn check_heads(
    (field, heads): (&'static str, usize),
    (width_field, width): (&str, usize),
) -> Result<(), ConfigError> {
    if width.is_multiple_of(heads) {
        return Ok(());
    }
    refuse(
        field,
        heads,
        format!("choose a divisor of {width_field} ({width})"),
    )
}

/// Checks the id of padding and the names of labels.
///
/// # Errors
/// If the id has no row in the word table, or there are names but not one.
pub fn check_vocabulary(
    pad_token_id: Option<usize>,
    vocab_size: usize,
    id2label: Option<&Map<String, Value>>,
) -> Result<(), ConfigError> {
    if let Some(pad_token_id) = pad_token_id
        && pad_token_id >= vocab_size
    {
        return refuse(
            "pad_token_id",
            pad_token_id,
            format!("choose an id below vocab_size ({vocab_size})"),
        );
    }
    if id2label.is_some_and(Map::is_empty) {
        return refuse("id2label", Map::new(), "name at least one label");
    }
    Ok(())
}

/// Checks the number of all parameters together; `field` is the width's.
///
/// # Errors
/// If no model has as many: a config.json beyond it is damaged.
pub fn check_parameters(
    (field, width): (&'static str, usize),
    parameters: u128,
) -> Result<(), ConfigError> {
    if parameters <= MOST_PARAMETERS {
        return Ok(());
    }
    refuse(
        field,
        width,
        "the sizes together give more than 100 billion parameters; correct the wrong one",
    )
}

/// Checks rates of dropout, the initial weights' deviation and LayerNorm's epsilon.
///
/// # Errors
/// With the first that is out of range.
pub fn check_rates(
    dropout: &[(&'static str, f64)],
    initializer_range: f64,
    layer_norm_eps: f64,
) -> Result<(), ConfigError> {
    for &(field, rate) in dropout {
        if !(0.0..1.0).contains(&rate) {
            return refuse(field, rate, "choose a number from 0 to below 1");
        }
    }
    if !(initializer_range.is_finite() && initializer_range >= 0.0) {
        return refuse("initializer_range", initializer_range, "choose 0 or more");
    }
    if !(layer_norm_eps.is_finite() && layer_norm_eps > 0.0) {
        return refuse("layer_norm_eps", layer_norm_eps, "choose a number above 0");
    }
    Ok(())
}
