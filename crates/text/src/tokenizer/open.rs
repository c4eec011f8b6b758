//! Opens Hugging Face's tokenizer files.
//!
//! transformers takes only the vocabulary of a `BertTokenizer` from tokenizer.json and rebuilds the
//! rest from tokenizer_config.json. Where the two disagree, ids would depend on the reader, so that
//! is an error here.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Tokenizer;
use super::bert::{self, Normalisation};
use super::special::SpecialTokens;
use super::xlnet::{self, XlnetLetters};
use super::{bpe_encoder, byte_bpe, sentence_piece};
use crate::error::{TextError, read_failed};

pub(super) const TOKENIZER: &str = "tokenizer.json";
pub(super) const CONFIG: &str = "tokenizer_config.json";
pub(super) const VOCABULARY: &str = "vocab.txt";
pub(super) const SENTENCE_PIECE: &str = "spm.model";
/// XLNet's name for it.
pub(super) const XLNET_SENTENCE_PIECE: &str = "spiece.model";
pub(super) const BYTE_VOCABULARY: &str = "vocab.json";
pub(super) const MERGES: &str = "merges.txt";
const ENCODER: &str = "bpe_encoder.bin";

/// Classes for which transformers rebuilds BERT's rules from tokenizer_config.json.
const BERT_CLASSES: [&str; 4] = [
    "BertTokenizer",
    "BertTokenizerFast",
    "ElectraTokenizer",
    "ElectraTokenizerFast",
];

/// Lengths from here on mean "not known": transformers writes 1e30.
const UNKNOWN_LENGTH: f64 = 1e9;

pub(super) fn open(path: &Path) -> Result<Tokenizer, TextError> {
    if !path.is_dir() {
        return open_file(path);
    }
    // tokenizer.json says most, so it comes first.
    let names = [
        TOKENIZER,
        SENTENCE_PIECE,
        XLNET_SENTENCE_PIECE,
        BYTE_VOCABULARY,
        VOCABULARY,
        ENCODER,
    ];
    let files = names.map(|name| path.join(name));
    match files.iter().find(|file| file.exists()) {
        Some(file) => open_file(file),
        None => Err(TextError::Tokenizer {
            path: path.to_path_buf(),
            reason: format!(
                "no {} in it; pass a folder that holds one of them",
                names.join(", ")
            ),
        }),
    }
}

/// By its name; anything else is a vocab.txt.
fn open_file(path: &Path) -> Result<Tokenizer, TextError> {
    let config = Config::read(&path.with_file_name(CONFIG))?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") if path.ends_with(BYTE_VOCABULARY) => open_byte_bpe(path, config),
        Some("json") => open_json(path, config),
        Some("bin") => open_encoder(path, config),
        Some("model") => open_sentence_piece(path, config),
        _ => open_vocabulary(path, config),
    }
}

/// For `map_err`: what is wrong with the file at `path`.
fn refused(path: &Path) -> impl Fn(String) -> TextError {
    let path = path.to_path_buf();
    move |reason| TextError::Tokenizer {
        path: path.clone(),
        reason,
    }
}

fn open_json(path: &Path, mut config: Config) -> Result<Tokenizer, TextError> {
    let json: Value = read_json(path)?;
    config.check(&json, path)?;
    if json["model"]["type"] != "Unigram" {
        return config.tokenizer(&json, path);
    }
    let pieces = json["model"]["vocab"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    config.name_special_tokens(pieces.iter().filter_map(|piece| piece[0].as_str()))?;
    let mut tokenizer = config.tokenizer(&json, path)?;
    // Kept to be saved again, if it is the same vocabulary.
    let files = [SENTENCE_PIECE, XLNET_SENTENCE_PIECE].map(|name| path.with_file_name(name));
    if let Some(sentence_piece) = files.iter().find(|file| file.exists()) {
        let bytes = std::fs::read(sentence_piece).map_err(read_failed(sentence_piece))?;
        let names = sentence_piece::piece_names(&bytes).map_err(refused(sentence_piece))?;
        if names.iter().eq(pieces.iter().map(|piece| &piece[0])) {
            tokenizer.sentence_piece = Some(bytes.into());
        }
    }
    Ok(tokenizer)
}

fn open_sentence_piece(path: &Path, mut config: Config) -> Result<Tokenizer, TextError> {
    let bytes = std::fs::read(path).map_err(read_failed(path))?;
    let pieces = sentence_piece::piece_names(&bytes).map_err(refused(path))?;
    let is_xlnet = config.name_special_tokens(pieces.iter().map(String::as_str))?;
    let letters = if is_xlnet {
        let letters = XlnetLetters::parse(&config.fields).map_err(refused(&config.path))?;
        Some(letters)
    } else {
        None
    };
    for field in ["do_lower_case", "split_by_punct"] {
        if letters.is_none() && config.fields.get(field).is_some_and(|value| value == true) {
            return Err(refused(&config.path)(format!(
                "{field} is true, which is not supported with {SENTENCE_PIECE}; pass a folder with \
                 {TOKENIZER}"
            )));
        }
    }
    let parsed = sentence_piece::parse(&bytes, &config.special, letters).map_err(refused(path))?;
    config.special = parsed.special;
    let mut tokenizer = config.tokenizer(&parsed.json, path)?;
    tokenizer.sentence_piece = Some(bytes.into());
    Ok(tokenizer)
}

/// vocab.json, and merges.txt beside it.
fn open_byte_bpe(path: &Path, config: Config) -> Result<Tokenizer, TextError> {
    let Value::Object(vocab) = read_json(path)? else {
        let reason = "not a JSON object of tokens and ids; get the file again";
        return Err(refused(path)(reason.to_string()));
    };
    let merges_path = path.with_file_name(MERGES);
    let merges = std::fs::read(&merges_path).map_err(read_failed(&merges_path))?;
    let merges = String::from_utf8(merges)
        .map_err(|reason| reason.to_string())
        .and_then(|text| byte_bpe::parse_merges(&text))
        .map_err(refused(&merges_path))?;
    let space = config.add_prefix_space()?;
    let json = byte_bpe::tokenizer_json(vocab, &merges, &config.special, space);
    config.tokenizer(&json, path)
}

fn open_encoder(path: &Path, config: Config) -> Result<Tokenizer, TextError> {
    let bytes = std::fs::read(path).map_err(read_failed(path))?;
    let (vocab, merges) = bpe_encoder::parse(&bytes, &config.special).map_err(refused(path))?;
    let space = config.add_prefix_space()?;
    let json = byte_bpe::tokenizer_json(vocab, &merges, &config.special, space);
    config.tokenizer(&json, path)
}

fn open_vocabulary(path: &Path, config: Config) -> Result<Tokenizer, TextError> {
    let tokens = read_vocabulary(path)?;
    let json = bert::tokenizer_json(&tokens, config.normalisation, &config.special);
    config.tokenizer(&json, path)
}

/// One token a line; the line number from 0 is the id.
fn read_vocabulary(path: &Path) -> Result<Vec<String>, TextError> {
    let refused = refused(path);
    let bytes = std::fs::read(path).map_err(read_failed(path))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        refused(format!(
            "byte {} is not UTF-8; convert the file",
            error.utf8_error().valid_up_to()
        ))
    })?;
    let tokens: Vec<String> = text.lines().map(str::to_string).collect();
    let mut lines: HashMap<&str, usize> = HashMap::new();
    for (line, token) in (1..).zip(&tokens) {
        if let Some(before) = lines.insert(token, line) {
            return Err(refused(format!(
                "line {line} repeats {token:?} of line {before}; every token needs one id"
            )));
        }
    }
    Ok(tokens)
}

/// What tokenizer_config.json says; Hugging Face's defaults where there is none.
struct Config {
    path: PathBuf,
    fields: Map<String, Value>,
    normalisation: Normalisation,
    special: SpecialTokens,
    model_max_length: Option<u32>,
}

impl Config {
    fn read(path: &Path) -> Result<Self, TextError> {
        let fields = if path.exists() {
            match read_json(path)? {
                Value::Object(fields) => fields,
                _ => {
                    let reason = "not a JSON object; write one, or remove the file";
                    return Err(refused(path)(reason.to_string()));
                }
            }
        } else {
            Map::new()
        };
        let refused = refused(path);
        Ok(Self {
            normalisation: Normalisation::parse(&fields).map_err(&refused)?,
            special: SpecialTokens::parse(&fields, SpecialTokens::default()).map_err(&refused)?,
            model_max_length: parse_length(&fields).map_err(&refused)?,
            path: path.to_path_buf(),
            fields,
        })
    }

    /// Takes XLNet's names for the special tokens that have none here, if `pieces` are its own;
    /// whether they are.
    fn name_special_tokens<'a>(
        &mut self,
        pieces: impl Iterator<Item = &'a str>,
    ) -> Result<bool, TextError> {
        let pieces: HashSet<&str> = pieces.collect();
        let is_xlnet = xlnet::has_its_pieces(|piece| pieces.contains(piece));
        if is_xlnet {
            self.special = SpecialTokens::parse(&self.fields, xlnet::special_tokens())
                .map_err(refused(&self.path))?;
        }
        Ok(is_xlnet)
    }

    /// Whether byte-level BPE puts a space before the text; Hugging Face's default: no.
    fn add_prefix_space(&self) -> Result<bool, TextError> {
        let space = bert::parse_bool(&self.fields, "add_prefix_space");
        Ok(space.map_err(refused(&self.path))?.unwrap_or(false))
    }

    /// The tokenizer that `json`, made of the file at `path`, describes.
    fn tokenizer(self, json: &Value, path: &Path) -> Result<Tokenizer, TextError> {
        let origin = path.display().to_string();
        Tokenizer::from_json(json, self.special, self.model_max_length, origin)
            .map_err(refused(path))
    }

    /// Refuses a tokenizer.json that says something else about BERT's normalisation.
    fn check(&self, json: &Value, json_path: &Path) -> Result<(), TextError> {
        let Some(written) = json.get("normalizer").and_then(Normalisation::of) else {
            return Ok(());
        };
        let class = self.fields.get("tokenizer_class").and_then(Value::as_str);
        // Another class takes tokenizer.json as it is. Without a class transformers decides by the
        // model, so only what is written out counts.
        let rebuilds = match class {
            Some(class) if BERT_CLASSES.contains(&class) => true,
            Some(_) => return Ok(()),
            None => false,
        };
        let differs = |field: &str, in_json: bool, in_config: bool| {
            let counts = rebuilds || self.fields.get(field).is_some_and(|value| !value.is_null());
            (counts && in_json != in_config).then(|| TextError::Tokenizer {
                path: self.path.clone(),
                reason: format!(
                    "{field} is {in_config} here but {in_json} in {}; set it to the value the model \
                     was trained with, in both",
                    json_path.display()
                ),
            })
        };
        let config = self.normalisation;
        let difference = differs("do_lower_case", written.lowercase, config.lowercase)
            .or_else(|| {
                differs(
                    "strip_accents",
                    written.strips_accents(),
                    config.strips_accents(),
                )
            })
            .or_else(|| {
                differs(
                    "tokenize_chinese_chars",
                    written.split_chinese,
                    config.split_chinese,
                )
            });
        difference.map_or(Ok(()), Err)
    }
}

fn parse_length(config: &Map<String, Value>) -> Result<Option<u32>, String> {
    match config.get("model_max_length") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(length) if length >= UNKNOWN_LENGTH => Ok(None),
            Some(length) if length >= 1.0 && length.fract() == 0.0 => Ok(Some(length as u32)),
            _ => Err(format!(
                "model_max_length = {value}: write a positive whole number"
            )),
        },
    }
}

fn read_json(path: &Path) -> Result<Value, TextError> {
    let bytes = std::fs::read(path).map_err(read_failed(path))?;
    serde_json::from_slice(&bytes).map_err(|reason| TextError::Tokenizer {
        path: path.to_path_buf(),
        reason: format!("not JSON ({reason}); get the file again"),
    })
}
