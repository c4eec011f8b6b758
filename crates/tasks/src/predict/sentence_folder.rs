//! The files that sentence-transformers writes beside an encoder: how its texts are read, and what is
//! made of the hidden states. Read in the form of version 6 and in the older one; what Kiln does not
//! do is refused by name.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use kiln_checkpoint::{OpenError, parse_json};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::embedding::Pooling;

const MODULES: &str = "modules.json";
const SETTINGS: &str = "config_sentence_transformers.json";
const TOKENIZER_SETTINGS: &str = "tokenizer_config.json";
const CONFIG: &str = "config.json";
const POOLING: &str = "1_Pooling";
const NORMALIZE: &str = "2_Normalize";

/// The encoder's own file: the first that is there of these.
const ENCODER_SETTINGS: [&str; 3] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_xlnet_config.json",
];

/// What a sentence-transformers folder says; of another folder nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentenceFolder {
    /// The folder that holds config.json and the weights.
    pub encoder: PathBuf,
    /// The pooling's modes in the order in which their vectors are joined; none: no file says.
    pub pooling: Vec<Pooling>,
    /// The width of the hidden states that the pooling was made for, and the file that says so.
    pub width: Option<(usize, PathBuf)>,
    /// Whether vectors are divided by their length.
    pub normalize: bool,
    /// Tokens of the longest text, special ones included.
    pub max_seq_length: Option<usize>,
    /// Whether texts are read in small letters, whatever the tokenizer does.
    pub lowercase: bool,
    /// What stands in front of every text.
    pub prompt: String,
    /// The names of prompts that are there and not used.
    pub other_prompts: Vec<String>,
    /// Whether a text that is too long loses its beginning instead of its end.
    pub cuts_beginning: bool,
}

impl SentenceFolder {
    /// Reads what `folder` says.
    ///
    /// # Errors
    /// If a file is unreadable, or asks for what Kiln does not have.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let modules = Modules::open(folder)?;
        let mut found = Self {
            encoder: modules.encoder,
            pooling: Vec::new(),
            width: None,
            normalize: modules.normalize.is_some(),
            max_seq_length: None,
            lowercase: false,
            prompt: String::new(),
            other_prompts: Vec::new(),
            cuts_beginning: false,
        };
        found.read_encoder()?;
        let mut includes_prompt = true;
        if let Some(fields) = modules
            .pooling
            .map(|folder| Fields::open(folder.join(CONFIG)))
        {
            includes_prompt = found.read_pooling(fields?)?;
        }
        if let Some(fields) = modules
            .normalize
            .map(|folder| Fields::open(folder.join(CONFIG)))
        {
            let fields = fields?;
            for field in ["module_input_name", "module_output_name"] {
                fields.require(field, "sentence_embedding")?;
            }
        }
        found.read_prompts(folder, includes_prompt)?;
        Ok(found)
    }

    fn read_encoder(&mut self) -> Result<(), OpenError> {
        let tokenizer = Fields::open(self.encoder.join(TOKENIZER_SETTINGS))?;
        self.cuts_beginning = tokenizer.get("truncation_side") == Some(&Value::from("left"));

        let files = ENCODER_SETTINGS.map(|name| self.encoder.join(name));
        let Some(file) = files.into_iter().find(|file| file.exists()) else {
            return Ok(());
        };
        let fields = Fields::open(file)?;
        self.max_seq_length = fields.number("max_seq_length")?;
        self.lowercase = fields.flag("do_lower_case")?.unwrap_or(false);
        fields.require("transformer_task", "feature-extraction")?;
        fields.require("module_output_name", "token_embeddings")?;
        if let Some(text) = fields.get("modality_config").map(|modes| &modes["text"]) {
            let is_known =
                text["method"] == "forward" && text["method_output_name"] == "last_hidden_state";
            if !is_known {
                return Err(
                    fields.refuse("modality_config", "texts are not read as last_hidden_state")
                );
            }
        }
        // How fast it runs, and what is made from other things than texts.
        fields.require_empty(&[
            "max_seq_length",
            "do_lower_case",
            "transformer_task",
            "module_output_name",
            "modality_config",
            "unpad_inputs",
        ])
    }

    /// Gives whether a prompt counts as any other part of a text.
    fn read_pooling(&mut self, fields: Fields) -> Result<bool, OpenError> {
        let mode = |field: &str, name: &Value| {
            let mode = name.as_str().map(str::parse);
            let mode = mode.unwrap_or_else(|| Err(format!("{name} is no name")));
            mode.map_err(|reason| fields.refuse(field, reason))
        };
        self.pooling = match fields.get("pooling_mode") {
            Some(Value::Array(names)) if !names.is_empty() => {
                let modes = names.iter().map(|name| mode("pooling_mode", name));
                modes.collect::<Result<_, _>>()?
            }
            Some(name) => vec![mode("pooling_mode", name)?],
            None => {
                let mut modes = Vec::new();
                for mode in Pooling::ALL {
                    if fields.flag(mode.field())? == Some(true) {
                        modes.push(mode);
                    }
                }
                let known = Pooling::ALL.map(Pooling::field);
                let mut asked = fields.fields.iter().filter(|(field, value)| {
                    field.starts_with("pooling_mode_") && **value != Value::Bool(false)
                });
                if let Some((field, _)) = asked.find(|(field, _)| !known.contains(&field.as_str()))
                {
                    let reason = format!("Kiln has no such pooling, but {}", Pooling::known());
                    return Err(fields.refuse(field, reason));
                }
                if modes.is_empty() {
                    modes.push(Pooling::Mean);
                }
                modes
            }
        };
        for field in ["embedding_dimension", "word_embedding_dimension"] {
            if let (None, Some(width)) = (&self.width, fields.number(field)?) {
                self.width = Some((width, fields.path.clone()));
            }
        }
        Ok(fields.flag("include_prompt")?.unwrap_or(true))
    }

    fn read_prompts(&mut self, folder: &Path, includes_prompt: bool) -> Result<(), OpenError> {
        let fields = Fields::open(folder.join(SETTINGS))?;
        fields.require("model_type", "SentenceTransformer")?;
        let empty = Map::new();
        let prompts = match fields.get("prompts") {
            Some(Value::Object(prompts)) => prompts,
            Some(_) => {
                return Err(fields.refuse("prompts", "an object of names and prompts is meant"));
            }
            None => &empty,
        };
        let default = fields.get("default_prompt_name").and_then(Value::as_str);
        if let Some(name) = default {
            let prompt = prompts.get(name).and_then(Value::as_str);
            let missing =
                || fields.refuse("default_prompt_name", format!("{name} is none of prompts"));
            self.prompt = prompt.ok_or_else(missing)?.to_owned();
            if !includes_prompt && !self.prompt.is_empty() {
                let reason = format!(
                    "the pooling leaves the prompt {name} out (include_prompt is false), which Kiln \
                     does not do"
                );
                return Err(fields.refuse("default_prompt_name", reason));
            }
        }
        let unused = prompts.iter().filter(|(name, prompt)| {
            Some(name.as_str()) != default
                && prompt.as_str().is_some_and(|prompt| !prompt.is_empty())
        });
        self.other_prompts = unused.map(|(name, _)| name.clone()).collect();
        Ok(())
    }
}

/// The folders of an encoder and of what stands behind it.
struct Modules {
    encoder: PathBuf,
    pooling: Option<PathBuf>,
    normalize: Option<PathBuf>,
}

impl Modules {
    fn open(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(MODULES);
        let Some(modules) = read::<Vec<Map<String, Value>>>(&path)? else {
            let there = |name: &str| Some(folder.join(name)).filter(|folder| folder.is_dir());
            return Ok(Self {
                encoder: folder.to_path_buf(),
                pooling: there(POOLING),
                normalize: there(POOLING).and_then(|_| there(NORMALIZE)),
            });
        };
        let refuse = |what: String| OpenError::Foreign {
            path: path.clone(),
            what,
        };
        let mut kinds = Vec::new();
        let mut folders = Vec::new();
        for module in &modules {
            let text = |field: &str| {
                module
                    .get(field)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let class = text("type");
            let kind = kind(class).ok_or_else(|| {
                refuse(format!(
                    "module {}: type {class:?}: Kiln has {} of sentence-transformers and no other; \
                     take a model without it",
                    text("name"),
                    KINDS.join(", ")
                ))
            })?;
            kinds.push(kind);
            folders.push(folder.join(text("path")));
        }
        let mut folders = folders.into_iter();
        match kinds.as_slice() {
            [TRANSFORMER, POOL] | [TRANSFORMER, POOL, NORM] => Ok(Self {
                encoder: folders.next().unwrap_or_default(),
                pooling: folders.next(),
                normalize: folders.next(),
            }),
            _ => Err(refuse(format!(
                "its modules are {}; Kiln runs Transformer, Pooling and Normalize in this order, the \
                 last of them or not",
                kinds.join(", ")
            ))),
        }
    }
}

const TRANSFORMER: &str = "Transformer";
const POOL: &str = "Pooling";
const NORM: &str = "Normalize";
const KINDS: [&str; 3] = [TRANSFORMER, POOL, NORM];

/// What a class of sentence-transformers is, by its older name or by that of version 6.
fn kind(class: &str) -> Option<&'static str> {
    let (module, name) = class.rsplit_once('.')?;
    let is_known = match module {
        "sentence_transformers.models" => true,
        "sentence_transformers.base.modules.transformer" => name == TRANSFORMER,
        "sentence_transformers.sentence_transformer.modules.pooling" => name == POOL,
        "sentence_transformers.base.modules.normalize" => name == NORM,
        _ => false,
    };
    KINDS.into_iter().find(|kind| is_known && *kind == name)
}

/// A JSON file's object; nothing in it where there is no such file.
struct Fields {
    path: PathBuf,
    fields: Map<String, Value>,
}

impl Fields {
    fn open(path: PathBuf) -> Result<Self, OpenError> {
        let fields = read(&path)?.unwrap_or_default();
        Ok(Self { path, fields })
    }

    /// The value of a field that is there and not null.
    fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    fn number(&self, field: &str) -> Result<Option<usize>, OpenError> {
        let Some(value) = self.get(field) else {
            return Ok(None);
        };
        let number = value
            .as_u64()
            .and_then(|number| usize::try_from(number).ok());
        let number = number.filter(|&number| number > 0);
        let refuse = || self.refuse(field, format!("{value} is no number above 0"));
        number.map(Some).ok_or_else(refuse)
    }

    fn flag(&self, field: &str) -> Result<Option<bool>, OpenError> {
        let Some(value) = self.get(field) else {
            return Ok(None);
        };
        let refuse = || self.refuse(field, format!("{value} is neither true nor false"));
        value.as_bool().map(Some).ok_or_else(refuse)
    }

    /// Refuses a field that is there with another value than the one that Kiln knows.
    fn require(&self, field: &str, known: &str) -> Result<(), OpenError> {
        match self.get(field) {
            Some(value) if value != known => Err(self.refuse(
                field,
                format!("{value}, of which Kiln knows {known:?} alone"),
            )),
            _ => Ok(()),
        }
    }

    /// Refuses any field but those `known` that says something.
    fn require_empty(&self, known: &[&str]) -> Result<(), OpenError> {
        let says_nothing = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        let mut others = self.fields.iter();
        match others.find(|(field, value)| !known.contains(&field.as_str()) && !says_nothing(value))
        {
            Some((field, value)) => {
                Err(self.refuse(field, format!("{value}, which Kiln does not do")))
            }
            None => Ok(()),
        }
    }

    fn refuse(&self, field: &str, reason: impl Into<String>) -> OpenError {
        OpenError::Field {
            path: self.path.clone(),
            field: field.to_owned(),
            reason: reason.into(),
        }
    }
}

/// The content of a JSON file, if it is there.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, OpenError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(reason) => {
            return Err(OpenError::Read {
                path: path.to_path_buf(),
                reason,
            });
        }
    };
    parse_json(&bytes)
        .map(Some)
        .map_err(|reason| OpenError::Json {
            path: path.to_path_buf(),
            reason,
        })
}

#[cfg(test)]
mod tests;
