//! What the small files beside a vocabulary say: tokenizer_config.json, special_tokens_map.json,
//! added_tokens.json, and config.json, which belongs to the model.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::added::{self, Added};
use super::bert::{self, Normalisation};
use super::choice::{Choice, Reader};
use super::class::{Class, NAMED};
use super::files::{CONFIG, TOKENIZER, read_fields, refused};
use super::special::SpecialTokens;
use super::template::Template;
use super::{Parts, Tokenizer, xlnet};
use crate::error::TextError;

const SPECIAL_TOKENS_MAP: &str = "special_tokens_map.json";
const ADDED_TOKENS: &str = "added_tokens.json";
const MODEL_CONFIG: &str = "config.json";

/// Lengths from here on mean "not known": transformers writes 1e30.
const UNKNOWN_LENGTH: f64 = 1e9;

/// What the files say; Hugging Face's defaults where they are silent.
pub(super) struct Config {
    /// tokenizer_config.json, whether it is there or not.
    pub(super) path: PathBuf,
    /// Its fields, with those of special_tokens_map.json over them.
    pub(super) fields: Map<String, Value>,
    /// Which class reads the folder.
    pub(super) choice: Choice,
    pub(super) normalisation: Normalisation,
    pub(super) special: SpecialTokens,
    /// The special tokens where no file names them.
    usual: SpecialTokens,
    pub(super) added: Added,
    model_max_length: Option<u32>,
    /// What the user should know.
    pub(super) notes: Vec<String>,
}

impl Config {
    /// Reads the files beside `file`; `json`: what stands in it, if it is a tokenizer.json.
    ///
    /// # Errors
    /// If one of them is damaged or says what can't be.
    pub(super) fn read(file: &Path, json: Option<&Value>) -> Result<Self, TextError> {
        let beside = |name: &str| file.with_file_name(name);
        let (path, model_path) = (beside(CONFIG), beside(MODEL_CONFIG));
        let mut fields = read_fields(&path)?;
        let model = if file.file_name().is_some_and(|name| name == MODEL_CONFIG) {
            Map::new()
        } else {
            read_fields(&model_path)?
        };
        let choice = Choice::of((&path, &fields), (&model_path, &model));
        choice
            .check(json.is_some())
            .map_err(refused(&choice.path))?;
        let special_tokens_map = read_fields(&beside(SPECIAL_TOKENS_MAP))?;
        let added_tokens = read_fields(&beside(ADDED_TOKENS))?;
        let refuse = refused(&path);
        if let Some(newer) = other_version(&fields) {
            return Err(refuse(format!(
                "fast_tokenizer_files names {newer}, which transformers may take instead of \
                 {TOKENIZER}; give the right one that name, and remove the field"
            )));
        }
        let class = choice.class();
        let of_json = json
            .map_or(Ok(Vec::new()), added::of_json)
            .map_err(refused(file))?;
        if class.is_none()
            && let Some(pad) = json.map(|json| &json["padding"]["pad_token"])
            && pad.is_string()
        {
            fields.entry("pad_token").or_insert_with(|| pad.clone());
        }
        let added = Added::read(
            &mut fields,
            &special_tokens_map,
            &added_tokens,
            &of_json,
            class,
        )
        .map_err(&refuse)?;
        if let (Some(class), Some(field)) = (class, null_name(&fields)) {
            return Err(refuse(format!(
                "{field} is null, and {} can't do without; name the token",
                class.name()
            )));
        }
        let usual = class.map_or_else(SpecialTokens::default, SpecialTokens::of_class);
        Ok(Self {
            normalisation: Normalisation::parse(&fields).map_err(&refuse)?,
            special: named(&usual, &fields, &added),
            usual,
            notes: Vec::new(),
            model_max_length: parse_length(&fields).map_err(&refuse)?,
            path,
            fields,
            choice,
            added,
        })
    }

    /// The class that reads the folder, if the files name one that Kiln has.
    pub(super) fn class(&self) -> Option<Class> {
        self.choice.class()
    }

    /// Takes XLNet's names for the special tokens that have none here, if `pieces` are its own and no
    /// class is named that has others; whether they are XLNet's.
    pub(super) fn name_special_tokens<'a>(
        &mut self,
        pieces: impl Iterator<Item = &'a str>,
    ) -> bool {
        if let Some(class) = self.class() {
            return class == Class::Xlnet;
        }
        let pieces: HashSet<&str> = pieces.collect();
        let is_xlnet = xlnet::has_its_pieces(|piece| pieces.contains(piece));
        if is_xlnet {
            self.usual = SpecialTokens::of_class(Class::Xlnet);
            self.special = named(&self.usual, &self.fields, &self.added);
        }
        is_xlnet
    }

    /// Special tokens that the vocabulary lacks get new ids, also those that the class names:
    /// `[MASK]` in all of DeBERTa's.
    pub(super) fn take_new_ids(&mut self) {
        self.usual = SpecialTokens::by(|_| String::new());
    }

    /// Special tokens that have no name here have none at all.
    pub(super) fn name_only_what_is_named(&mut self) {
        self.special =
            SpecialTokens::by(|field| self.added.name(field).unwrap_or_default().to_string());
    }

    /// Whether byte-level BPE puts a space before the text; Hugging Face's default: no.
    pub(super) fn add_prefix_space(&self) -> Result<bool, TextError> {
        let space = bert::parse_bool(&self.fields, "add_prefix_space");
        Ok(space.map_err(refused(&self.path))?.unwrap_or(false))
    }

    /// The tokenizer that `json`, made of the file at `path`, describes.
    pub(super) fn tokenizer(self, json: &Value, path: &Path) -> Result<Tokenizer, TextError> {
        let origin = path.display().to_string();
        let splits_special = bert::parse_bool(&self.fields, "split_special_tokens")
            .map_err(refused(&self.path))?
            .unwrap_or(false);
        let mut written = self.fields;
        if let Some(class) = self.choice.class() {
            written
                .entry("model_input_names")
                .or_insert_with(|| class.inputs().into());
            for field in NAMED {
                if let Some(token) = class.special_token(field) {
                    written.entry(field).or_insert_with(|| token.into());
                }
            }
        }
        let parts = Parts {
            special: self.special,
            usual: self.usual,
            model_max_length: self.model_max_length,
            added: self.added,
            template: self.choice.class().and_then(Template::of),
            splits_special,
            written,
            notes: self.notes,
        };
        Tokenizer::from_parts(json, parts, origin).map_err(refused(path))
    }

    /// Refuses a tokenizer.json that says something else about BERT's normalisation than the fields
    /// that are written out, where no class decides.
    pub(super) fn check_written(&self, json: &Value, json_path: &Path) -> Result<(), TextError> {
        if self.choice.reader != Reader::Unsaid {
            return Ok(());
        }
        let Some(written) = json.get("normalizer").and_then(Normalisation::of) else {
            return Ok(());
        };
        let is_given = |field: &str| self.fields.get(field).is_some_and(|value| !value.is_null());
        match self.normalisation.difference(written, is_given) {
            Some((field, in_config, in_json)) => {
                Err(self.contradiction(field, in_config, in_json, json_path))
            }
            None => Ok(()),
        }
    }

    /// The error for a Boolean field that tokenizer.json contradicts.
    pub(super) fn contradiction(
        &self,
        field: &str,
        in_config: bool,
        in_json: bool,
        json_path: &Path,
    ) -> TextError {
        let is_given = self.fields.get(field).is_some_and(|value| !value.is_null());
        let json_path = json_path.display();
        refused(&self.path)(if is_given {
            format!(
                "{field} is {in_config} here but {in_json} in {json_path}; set it to the value the \
                 model was trained with, in both"
            )
        } else {
            format!(
                "{field} is not given here, which transformers takes for {in_config} ({} in {}), \
                 but {in_json} in {json_path}; write the value the model was trained with, in both",
                self.choice.said,
                self.choice.path.display()
            )
        })
    }

    /// The error for a part of a tokenizer.json that is not what transformers makes of it.
    pub(super) fn rebuilt(&self, part: &str, class: Class, json_path: &Path) -> TextError {
        refused(json_path)(format!(
            "its {part} is not what transformers gives {}, for which it takes only the vocabulary \
             from this file ({} in {}); to use {TOKENIZER} as it stands, set tokenizer_class to \
             PreTrainedTokenizerFast in {CONFIG}",
            class.name(),
            self.choice.said,
            self.choice.path.display()
        ))
    }
}

/// The names in the files, and the usual ones where no file says anything; null is none.
fn named(usual: &SpecialTokens, fields: &Map<String, Value>, added: &Added) -> SpecialTokens {
    let mut usual = usual.names().into_iter();
    SpecialTokens::by(|field| {
        let usual = usual.next().unwrap_or_default();
        match fields.get(field) {
            Some(Value::Null) => String::new(),
            _ => added.name(field).unwrap_or(usual).to_string(),
        }
    })
}

/// A tokenizer.json for some versions of transformers only.
fn other_version(config: &Map<String, Value>) -> Option<&str> {
    let files = config.get("fast_tokenizer_files")?.as_array()?;
    let mut names = files.iter().filter_map(Value::as_str);
    names.find(|name| *name != TOKENIZER)
}

/// The first special token that must have a name and is said to have none.
fn null_name(fields: &Map<String, Value>) -> Option<&'static str> {
    ["unk_token", "cls_token", "sep_token"]
        .into_iter()
        .find(|field| fields.get(*field).is_some_and(Value::is_null))
}

/// The longest sequence. transformers takes any number; one that is none means "not known".
fn parse_length(config: &Map<String, Value>) -> Result<Option<u32>, String> {
    let value = match config.get("model_max_length") {
        None => config.get("max_len"),
        value => value,
    };
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(length) if length.is_finite() && !(1.0..UNKNOWN_LENGTH).contains(&length) => {
                Ok(None)
            }
            Some(length) if length.fract() == 0.0 => Ok(Some(length as u32)),
            _ => Err(format!(
                "model_max_length = {value}: write a positive whole number"
            )),
        },
    }
}
