//! Whether a language model's head shares its matrix with the word table.
//!
//! config.json's `tie_word_embeddings` says it; absent or true it does. A file whose two
//! copies differ all the same keeps both in Hugging Face, and is read so here; trained is what
//! config.json says.

use kiln_checkpoint::{LoadOptions, LoadReport, ModelFile, OpenError};
use kiln_nn::Apart;
use serde_json::{Map, Value};

use crate::model_config::{ConfigError, refuse};

const FIELD: &str = "tie_word_embeddings";

/// Whether a config with the fields `other` has the head share the word table.
pub fn ties(other: &Map<String, Value>) -> bool {
    other.get(FIELD) != Some(&Value::Bool(false))
}

/// Checks that the field is true, false or absent.
///
/// # Errors
/// If it is neither true nor false.
pub fn check_tying(other: &Map<String, Value>) -> Result<(), ConfigError> {
    match other.get(FIELD) {
        None | Some(Value::Bool(_)) => Ok(()),
        Some(value) => refuse(FIELD, value.clone(), "choose true or false"),
    }
}

/// What the head has apart that such a config's model is made with.
pub fn apart(other: &Map<String, Value>) -> Apart {
    let apart = !ties(other);
    Apart {
        weight: apart,
        bias: apart,
    }
}

/// What the head of the model in `file` has apart.
///
/// # Errors
/// If a tensor can't be read.
pub fn apart_in(
    file: &ModelFile,
    options: &LoadOptions,
    other: &Map<String, Value>,
) -> Result<Apart, OpenError> {
    let names = options.apart(file, ties(other))?;
    let has = |ending: &str| names.iter().any(|name| name.ends_with(ending));
    Ok(Apart {
        weight: has(".weight"),
        bias: has(".bias"),
    })
}

/// What is to be told of a file that lacks biases of a head which does not tie.
pub fn fresh_biases(file: &ModelFile, report: &LoadReport) -> Option<String> {
    (!report.fresh.is_empty()).then(|| {
        format!(
            "zeros, since {FIELD} is false and {} does not hold them: {}",
            file.path().display(),
            report.fresh.join(", ")
        )
    })
}
