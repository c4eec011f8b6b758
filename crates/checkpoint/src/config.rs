//! A model's config.json: the fields an architecture knows as a plain serde struct, all others kept.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::file_names::CONFIG_FILE;
use crate::foreign::{foreign_file, foreign_folder};
use crate::json::parse_json;
use crate::write::write_json;
use crate::{OpenError, WriteError};

/// All fields of a config.json, known or not, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConfigFile {
    path: PathBuf,
    fields: Map<String, Value>,
}

/// Reads the fields that `T` knows, and the file they came from, which keeps the others.
///
/// `path` is a model folder or the file itself.
///
/// # Errors
/// If the file is unreadable or not a JSON object, or a field of `T` is absent or unfit; the error
/// names the field.
pub fn read_config<T: DeserializeOwned>(path: &Path) -> Result<(T, ConfigFile), OpenError> {
    let file = ConfigFile::open(path)?;
    Ok((file.parse()?, file))
}

impl ConfigFile {
    /// Reads the config.json in a model folder, or the file itself.
    ///
    /// # Errors
    /// If it is unreadable or not a JSON object.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let folder = path.is_dir().then_some(path);
        let path = folder.map_or(path.to_path_buf(), |folder| folder.join(CONFIG_FILE));
        let text = std::fs::read(&path).map_err(|reason| match folder {
            Some(folder) if reason.kind() == ErrorKind::NotFound => {
                let path = folder.to_path_buf();
                match foreign_folder(folder) {
                    Some(what) => OpenError::Foreign { path, what },
                    None => OpenError::read(&path.join(CONFIG_FILE), reason),
                }
            }
            _ => OpenError::read(&path, reason),
        })?;
        match parse_json(&text) {
            Ok(fields) => Ok(Self { path, fields }),
            Err(reason) => Err(match foreign_file(&path) {
                Some(what) => OpenError::Foreign { path, what },
                None => OpenError::Json { path, reason },
            }),
        }
    }

    /// Gives every field that stands under another name its own; where a file has both, the other
    /// name's value counts, as in Hugging Face. `aliases` are pairs of (other name, name).
    pub fn resolve_aliases(&mut self, aliases: &[(&str, &str)]) {
        for (alias, name) in aliases {
            if let Some(value) = self.fields.shift_remove(*alias) {
                self.set(name, value);
            }
        }
    }

    /// Fields that came from `path`, which errors name.
    #[must_use]
    pub fn from_fields(path: impl Into<PathBuf>, fields: Map<String, Value>) -> Self {
        Self {
            path: path.into(),
            fields,
        }
    }

    /// A config.json to be: `config`'s fields behind `architectures` and `model_type`.
    ///
    /// # Errors
    /// If `config` has no JSON form.
    pub fn new<T: Serialize>(
        config: &T,
        model_type: &str,
        architectures: &[&str],
    ) -> Result<Self, WriteError> {
        let mut file = Self {
            path: CONFIG_FILE.into(),
            fields: Map::new(),
        };
        file.set("architectures", architectures.into());
        file.set("model_type", model_type.into());
        file.update(config)?;
        Ok(file)
    }

    /// The file that the config was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All fields.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The architecture family, such as `bert`.
    #[must_use]
    pub fn model_type(&self) -> Option<&str> {
        self.fields.get("model_type")?.as_str()
    }

    /// The classes the weights were saved from, such as `BertForPreTraining`: a list, or one name.
    #[must_use]
    pub fn architectures(&self) -> Vec<&str> {
        let names = match self.fields.get("architectures") {
            Some(Value::Array(names)) => names.as_slice(),
            Some(name) => std::slice::from_ref(name),
            None => &[],
        };
        names.iter().filter_map(Value::as_str).collect()
    }

    /// The fields that `T` knows.
    ///
    /// # Errors
    /// If one is absent or has a value it cannot have; the error names it.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, OpenError> {
        let fields = Value::Object(self.fields.clone());
        serde_path_to_error::deserialize(fields).map_err(|error| {
            let field = error.path().to_string();
            let reason = in_words(&error.into_inner().to_string());
            OpenError::Field {
                path: self.path.clone(),
                // An absent field belongs to the whole object, whose path is a dot.
                field: if field == "." {
                    CONFIG_FILE.into()
                } else {
                    field
                },
                reason,
            }
        })
    }

    /// Sets one field, in its old place if it has one.
    pub fn set(&mut self, field: &str, value: Value) {
        self.fields.insert(field.to_owned(), value);
    }

    /// Has the config say that the weights are float32, where it says anything of that: a model that
    /// started from a half-precision one would be opened as that again.
    pub fn declare_float32(&mut self) {
        for field in ["dtype", "torch_dtype"] {
            if let Some(value) = self.fields.get_mut(field) {
                *value = "float32".into();
            }
        }
    }

    /// Sets all fields of `config`, each in its old place if it has one, and leaves the rest.
    ///
    /// # Errors
    /// If `config` has no JSON form or is not an object.
    pub fn update<T: Serialize>(&mut self, config: &T) -> Result<(), WriteError> {
        let fields = serde_json::to_value(config).and_then(serde_json::from_value::<Map<_, _>>);
        match fields {
            Ok(fields) => {
                self.fields.extend(fields);
                Ok(())
            }
            Err(reason) => Err(WriteError::Json {
                path: self.path.clone(),
                reason,
            }),
        }
    }

    /// Writes config.json into a model folder, with two spaces a level and a newline at the end as
    /// Hugging Face does.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn write(&self, folder: &Path) -> Result<(), WriteError> {
        write_json(&folder.join(CONFIG_FILE), &self.fields)
    }
}

/// What serde says of a value, without the names of Rust's types.
fn in_words(reason: &str) -> String {
    reason
        .replace("expected usize", "expected a whole number from 0 up")
        .replace("expected i64", "expected a whole number")
        .replace("expected f64", "expected a number")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Known {
        hidden_size: usize,
        #[serde(default = "epsilon")]
        layer_norm_eps: f64,
    }

    fn epsilon() -> f64 {
        1e-12
    }

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CONFIG_FILE);
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn unknown_fields_stay_in_their_places_and_the_file_comes_back_byte_for_byte() {
        let text = "{\n  \"zeta\": [\n    1\n  ],\n  \"hidden_size\": 8,\n  \"layer_norm_eps\": 1e-12,\n  \
                    \"alpha\": {\n    \"b\": null,\n    \"a\": 0.02\n  }\n}\n";
        let (folder, path) = written(text);
        let (known, mut file) = read_config::<Known>(folder.path()).unwrap();
        file.update(&known).unwrap();
        file.write(folder.path()).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), text);
    }

    #[test]
    fn a_field_under_another_name_gets_its_own_and_the_other_names_value_counts() {
        let fields = r#"{"n_token": 9, "vocab_size": 7, "hidden_size": 8, "x": 1}"#;
        let fields = serde_json::from_str(fields).unwrap();
        let mut file = ConfigFile::from_fields("config.json", fields);
        file.resolve_aliases(&[("n_token", "vocab_size"), ("hidden_size", "d_model")]);
        let expected = serde_json::json!({"vocab_size": 9, "x": 1, "d_model": 8});
        assert_eq!(Value::Object(file.fields().clone()), expected);
    }

    #[test]
    fn a_lone_class_need_not_stand_in_a_list() {
        for (json, expected) in [
            (r#"{"architectures": "BertModel"}"#, vec!["BertModel"]),
            (r#"{"architectures": ["A", "B"]}"#, vec!["A", "B"]),
            (r#"{"architectures": null}"#, vec![]),
            ("{}", vec![]),
        ] {
            let fields = serde_json::from_str(json).unwrap();
            let file = ConfigFile::from_fields("config.json", fields);
            assert_eq!(file.architectures(), expected, "{json}");
        }
    }

    #[test]
    fn an_unfit_value_is_named_with_its_field() {
        let (folder, path) = written(r#"{"hidden_size": "many"}"#);
        let error = read_config::<Known>(folder.path()).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "{}: hidden_size: invalid type: string \"many\", expected a whole number from 0 up; correct this field",
                path.display()
            )
        );
    }

    #[test]
    fn an_absent_field_is_named() {
        let (folder, _) = written("{}");
        let error = read_config::<Known>(folder.path()).unwrap_err().to_string();
        assert!(error.contains("missing field `hidden_size`"), "{error}");
    }

    #[test]
    fn broken_json_is_reported_with_its_line_and_a_list_is_no_config() {
        let (folder, _) = written("{\n  \"hidden_size\": ,\n}");
        let error = read_config::<Known>(folder.path()).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        let (folder, _) = written("[]");
        assert!(matches!(
            ConfigFile::open(folder.path()),
            Err(OpenError::Json { .. })
        ));
    }

    #[test]
    fn a_new_file_states_model_type_and_architectures() {
        let known = Known {
            hidden_size: 8,
            layer_norm_eps: 1e-7,
        };
        let file = ConfigFile::new(&known, "bert", &["BertForPreTraining"]).unwrap();
        assert_eq!(file.model_type(), Some("bert"));
        assert_eq!(file.architectures(), ["BertForPreTraining"]);
        assert_eq!(file.parse::<Known>().unwrap(), known);
    }
}
