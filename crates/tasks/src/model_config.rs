//! A model's config.json: opened, and checked for what no architecture can have.

use std::path::Path;

use kiln_checkpoint::{CONFIG_FILE, ConfigFile, ModelFile, OpenError};
use kiln_learner::LearnError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// More than any model has; a config.json beyond it is damaged.
const MOST_PARAMETERS: u128 = 100_000_000_000;

/// A field of a configuration with a value that its architecture, or Kiln, cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {value}: {remedy}")]
pub struct ConfigError {
    /// The field's name in config.json.
    pub field: &'static str,
    /// The field's value, as JSON.
    pub value: String,
    /// What to do.
    pub remedy: String,
}

impl ConfigError {
    /// This error, told of the file at `path`.
    pub fn in_file(self, path: &Path) -> OpenError {
        OpenError::Field {
            path: path.to_path_buf(),
            field: self.field.to_owned(),
            reason: format!("{}, {}", self.value, self.remedy),
        }
    }

    /// This error, told of the config.json beside a model's weights.
    pub fn beside(self, weights: &ModelFile) -> OpenError {
        self.in_file(&weights.path().with_file_name(CONFIG_FILE))
    }
}

impl From<ConfigError> for LearnError {
    /// This error, told of a run's own config.
    fn from(error: ConfigError) -> Self {
        Self::Config {
            field: error.field.to_owned(),
            reason: format!("{}, {}", error.value, error.remedy),
        }
    }
}

/// More labels than any classifier has; beyond them a config.json is damaged.
const MOST_LABELS: u64 = 1_000_000;

/// Reads a folder's config.json and checks it by `validate`. `aliases` are pairs of another name of
/// a field and its name.
///
/// # Errors
/// If the file is unreadable, or as `validate`; the error names the file and the field.
pub fn open_config<T: DeserializeOwned>(
    folder: &Path,
    aliases: &[(&str, &str)],
    validate: impl Fn(&T) -> Result<(), ConfigError>,
) -> Result<T, OpenError> {
    let mut file = ConfigFile::open(folder)?;
    let config = parse_file(&mut file, aliases)?;
    validate(&config).map_err(|error| error.in_file(file.path()))?;
    Ok(config)
}

fn parse_file<T: DeserializeOwned>(
    file: &mut ConfigFile,
    aliases: &[(&str, &str)],
) -> Result<T, OpenError> {
    file.resolve_aliases(aliases);
    let number = |field: &str| file.fields().get(field).and_then(Value::as_i64);
    // PyTorch counts a row below 0 from the table's end.
    if let (Some(row @ ..0), Some(rows)) = (number("pad_token_id"), number("vocab_size"))
        && let Some(row @ 0..) = rows.checked_add(row)
    {
        file.set("pad_token_id", row.into());
    }
    if let Some(class @ Value::String(_)) = file.fields().get("architectures") {
        let classes = vec![class.clone()];
        file.set("architectures", classes.into());
    }
    file.parse()
}

/// A model's config from the run's settings, checked by `validate`. What settings mean together is
/// for the architecture to check. `aliases` are as in [`open_config`].
///
/// # Errors
/// If a field has another type than its architecture gives it, or as `validate`; names the field.
pub fn parse_config<T: DeserializeOwned>(
    model: &Value,
    aliases: &[(&str, &str)],
    validate: impl Fn(&T) -> Result<(), ConfigError>,
) -> Result<T, LearnError> {
    let fields = model.as_object().cloned().unwrap_or_default();
    let mut file = ConfigFile::from_fields(CONFIG_FILE, fields);
    let config = match parse_file(&mut file, aliases) {
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

/// Gives the error of a field with a value that can't be had.
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

/// Checks that a config is of the architecture `expected`, called `name` in a sentence.
///
/// # Errors
/// If it is another's.
pub fn check_model_type(model_type: &str, expected: &str, name: &str) -> Result<(), ConfigError> {
    if model_type == expected {
        return Ok(());
    }
    let remedy = format!("this is no {name}; choose its own architecture");
    refuse("model_type", model_type, remedy)
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

/// Checks the id of padding.
///
/// # Errors
/// If it has no row in the word table.
pub fn check_padding(pad_token_id: Option<usize>, vocab_size: usize) -> Result<(), ConfigError> {
    if let Some(pad_token_id) = pad_token_id
        && pad_token_id >= vocab_size
    {
        return refuse(
            "pad_token_id",
            pad_token_id,
            format!("choose an id below vocab_size ({vocab_size})"),
        );
    }
    Ok(())
}

/// Labels of a config that says nothing of them.
const LABELS: usize = 2;

/// The number of labels of a fine-tuning head: `num_labels`, which stands in configs of years ago and
/// in those written by hand, or else as many as have names, as in Hugging Face; two where neither is
/// there.
pub fn num_labels(id2label: Option<&Map<String, Value>>, other: &Map<String, Value>) -> usize {
    let number = other.get("num_labels").and_then(Value::as_u64);
    let number = number.and_then(|number| number.try_into().ok());
    number.unwrap_or_else(|| id2label.map_or(LABELS, Map::len))
}

/// Checks the number of labels, or their names.
///
/// # Errors
/// If the number is none, or there is no number and not one name.
pub fn check_labels(
    id2label: Option<&Map<String, Value>>,
    other: &Map<String, Value>,
) -> Result<(), ConfigError> {
    match (other.get("num_labels"), id2label) {
        (None | Some(Value::Null), Some(names)) if names.is_empty() => {
            refuse("id2label", Map::new(), "name at least one label")
        }
        (None | Some(Value::Null), _) => Ok(()),
        (Some(number), _) => match number.as_u64() {
            Some(1..=MOST_LABELS) => Ok(()),
            _ => refuse(
                "num_labels",
                number.clone(),
                format!("choose a number from 1 to {MOST_LABELS}"),
            ),
        },
    }
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
