//! Which class of transformers reads a folder's tokenizer, and whether Kiln has it.
//!
//! transformers' AutoTokenizer (5.23) goes by a name: `tokenizer_class` in tokenizer_config.json,
//! else `tokenizer_class` in config.json, else the class that belongs to config.json's `model_type`.
//! The class decides which files are read and by which rules; nothing is taken from what the files
//! look like.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

mod names;

use names::{AS_IT_STANDS, CLASSES, MODEL_TYPES, MODEL_TYPES_AS_THEY_STAND, REBUILT, WITH_CODE};

use super::class::Class;

/// How a folder's tokenizer is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reader {
    /// The folder is read as this class reads it.
    Class(Class),
    /// tokenizer.json as it stands.
    AsItStands,
    /// tokenizer.json as it stands: transformers does not know the class.
    Unknown,
    /// Not at all: transformers has the class, Kiln has not, and it reads no tokenizer.json.
    WithCode,
    /// Not at all: transformers has the class, Kiln has not.
    Rebuilt,
    /// Not at all: code that comes with the folder reads it.
    Custom,
    /// Not at all: a `model_type` without a class that Kiln knows.
    UnknownModel,
    /// Nothing is said; a tokenizer.json as it stands, else by the names of the files.
    Unsaid,
}

/// How a folder's tokenizer is to be read, and who says so.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) reader: Reader,
    /// The file that says so.
    pub(super) path: PathBuf,
    /// What it says, as `tokenizer_class = BertTokenizer`.
    pub(super) said: String,
    /// Whether a model's config.json stands beside.
    pub(super) has_model: bool,
}

impl Choice {
    /// From the fields of tokenizer_config.json and of config.json, each with its path.
    pub(super) fn of(
        (config_path, config): (&Path, &Map<String, Value>),
        (model_path, model): (&Path, &Map<String, Value>),
    ) -> Self {
        fn text<'a>(fields: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
            fields
                .get(field)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        }
        let has_model = model.contains_key("model_type");
        if let Some(code) = custom(config) {
            return Self {
                reader: Reader::Custom,
                path: config_path.to_path_buf(),
                said: format!("auto_map names code of its own ({code})"),
                has_model,
            };
        }
        let model_type = text(model, "model_type");
        let named = text(config, "tokenizer_class")
            .map(|name| (config_path, name))
            .or_else(|| text(model, "tokenizer_class").map(|name| (model_path, name)));
        let stands = model_type.is_some_and(|kind| MODEL_TYPES_AS_THEY_STAND.contains(&kind));
        match (named, model_type) {
            (Some((path, name)), _) => Self {
                reader: if stands {
                    Reader::AsItStands
                } else {
                    reader(name)
                },
                path: path.to_path_buf(),
                said: format!("tokenizer_class = {name}"),
                has_model,
            },
            (None, Some(model_type)) => Self {
                reader: if stands {
                    Reader::AsItStands
                } else {
                    find(MODEL_TYPES, model_type).map_or(Reader::UnknownModel, Reader::Class)
                },
                path: model_path.to_path_buf(),
                said: format!("model_type = {model_type}"),
                has_model,
            },
            (None, None) => Self {
                reader: Reader::Unsaid,
                path: config_path.to_path_buf(),
                said: "no tokenizer_class".to_string(),
                has_model,
            },
        }
    }

    /// The class, if it is one that Kiln has.
    pub(super) fn class(&self) -> Option<Class> {
        match self.reader {
            Reader::Class(class) => Some(class),
            _ => None,
        }
    }

    /// Refuses what Kiln can't read as transformers does; `has_json`: there is a tokenizer.json.
    pub(super) fn check(&self, has_json: bool) -> Result<(), String> {
        let said = &self.said;
        let as_it_stands =
            "set tokenizer_class to PreTrainedTokenizerFast in tokenizer_config.json";
        match (&self.reader, has_json) {
            (Reader::WithCode, _) => Err(format!(
                "{said}: not a tokenizer that Kiln has, and one that reads its files with code of \
                 its own; pass a folder with a tokenizer of another class"
            )),
            (Reader::Custom, false) => Err(format!(
                "{said}, which Kiln does not run; pass a folder with its tokenizer.json"
            )),
            (Reader::Custom, true) => Err(format!(
                "{said}, which Kiln does not run; if its tokenizer.json gives the right ids, remove \
                 auto_map and {as_it_stands}"
            )),
            (Reader::Rebuilt, true) => Err(format!(
                "{said}: not a tokenizer that Kiln has, and transformers takes only the vocabulary \
                 from tokenizer.json for it; to use that file as it stands, {as_it_stands}"
            )),
            (Reader::Rebuilt, false) => Err(format!(
                "{said}: not a tokenizer that Kiln has; open the folder with transformers' \
                 AutoTokenizer and save it, which writes a tokenizer.json, then {as_it_stands}"
            )),
            (Reader::Unknown, false) => Err(format!(
                "{said}: neither Kiln nor transformers has this tokenizer; pass a folder with its \
                 tokenizer.json, or name the class whose rules its vocabulary was made for"
            )),
            (Reader::UnknownModel, true) => Err(format!(
                "{said} says nothing that Kiln knows about its tokenizer; to use tokenizer.json as \
                 it stands, {as_it_stands}"
            )),
            (Reader::UnknownModel, false) => Err(format!(
                "{said} says nothing that Kiln knows about its tokenizer; set tokenizer_class in \
                 tokenizer_config.json to the class whose rules its vocabulary was made for"
            )),
            _ => Ok(()),
        }
    }
}

/// The code that `auto_map` names for the tokenizer.
fn custom(config: &Map<String, Value>) -> Option<String> {
    let auto_map = config.get("auto_map")?;
    let classes = match auto_map {
        Value::Object(classes) => classes.get("AutoTokenizer")?,
        classes => classes,
    };
    match classes {
        Value::String(name) => Some(name.clone()),
        Value::Array(names) => names
            .iter()
            .rev()
            .find_map(Value::as_str)
            .map(str::to_string),
        _ => None,
    }
}

/// What a class's name says, with or without the `Fast` of older versions.
fn reader(name: &str) -> Reader {
    let name = name.strip_suffix("Fast").unwrap_or(name);
    if let Some(class) = find(CLASSES, name) {
        Reader::Class(class)
    } else if AS_IT_STANDS.contains(&name) {
        Reader::AsItStands
    } else if WITH_CODE.contains(&name) {
        Reader::WithCode
    } else if REBUILT.contains(&name) {
        Reader::Rebuilt
    } else {
        Reader::Unknown
    }
}

fn find(table: &[(Class, &[&str])], name: &str) -> Option<Class> {
    table
        .iter()
        .find(|(_, names)| names.contains(&name))
        .map(|(class, _)| *class)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn choice(config: &Value, model: &Value) -> Choice {
        let fields = |value: &Value| value.as_object().cloned().unwrap_or_default();
        Choice::of(
            (Path::new("tokenizer_config.json"), &fields(config)),
            (Path::new("config.json"), &fields(model)),
        )
    }

    #[test]
    fn the_class_is_read_where_transformers_reads_it() {
        let bert = json!({"model_type": "bert"});
        let named = |name: &str| json!({ "tokenizer_class": name });
        for (config, model, expected) in [
            (json!({}), json!({}), Reader::Unsaid),
            (json!({}), bert.clone(), Reader::Class(Class::Bert)),
            (
                json!({}),
                json!({"model_type": "electra"}),
                Reader::Class(Class::Bert),
            ),
            (
                json!({}),
                json!({"model_type": "deberta"}),
                Reader::Class(Class::Deberta),
            ),
            (
                json!({}),
                json!({"model_type": "deberta-v2"}),
                Reader::Class(Class::DebertaV2),
            ),
            (
                json!({}),
                json!({"model_type": "xlnet"}),
                Reader::Class(Class::Xlnet),
            ),
            (json!({}), json!({"model_type": "t5"}), Reader::UnknownModel),
            (
                named("ElectraTokenizerFast"),
                bert.clone(),
                Reader::Class(Class::Bert),
            ),
            (
                named("RobertaTokenizerFast"),
                bert.clone(),
                Reader::Class(Class::Roberta),
            ),
            (
                named("PreTrainedTokenizerFast"),
                bert.clone(),
                Reader::AsItStands,
            ),
            (
                named("BertJapaneseTokenizer"),
                bert.clone(),
                Reader::WithCode,
            ),
            (named("HerbertTokenizerFast"), bert.clone(), Reader::Rebuilt),
            (named("KoBertTokenizer"), bert.clone(), Reader::Unknown),
            (named(""), bert.clone(), Reader::Class(Class::Bert)),
            // tokenizer_config.json before config.json.
            (
                named("BertTokenizer"),
                json!({"model_type": "bert", "tokenizer_class": "KoBertTokenizer"}),
                Reader::Class(Class::Bert),
            ),
            (
                json!({}),
                json!({"model_type": "bert", "tokenizer_class": "PhobertTokenizer"}),
                Reader::WithCode,
            ),
            // A type whose published classes transformers does not believe.
            (
                named("BertTokenizer"),
                json!({"model_type": "modernbert"}),
                Reader::AsItStands,
            ),
            (
                json!({"auto_map": {"AutoTokenizer": ["mine.Slow", null]}, "tokenizer_class": "X"}),
                bert.clone(),
                Reader::Custom,
            ),
            (
                json!({"auto_map": {"AutoModel": "mine.Model"}}),
                bert,
                Reader::Class(Class::Bert),
            ),
        ] {
            assert_eq!(choice(&config, &model).reader, expected, "{config} {model}");
        }
    }

    #[test]
    fn what_kiln_does_not_have_is_refused_by_name() {
        let refused = |name: &str, has_json| {
            let config = json!({ "tokenizer_class": name });
            choice(&config, &json!({})).check(has_json).unwrap_err()
        };
        for has_json in [false, true] {
            let error = refused("BertJapaneseTokenizer", has_json);
            assert!(
                error.starts_with("tokenizer_class = BertJapaneseTokenizer: "),
                "{error}"
            );
            let error = refused("HerbertTokenizer", has_json);
            assert!(
                error.starts_with("tokenizer_class = HerbertTokenizer: "),
                "{error}"
            );
        }
        assert!(refused("KoBertTokenizer", false).contains("neither Kiln nor transformers"));
        let unknown = json!({"tokenizer_class": "KoBertTokenizer"});
        assert!(choice(&unknown, &json!({})).check(true).is_ok());
    }
}
