//! Opens Hugging Face's tokenizer files, with the ids that transformers' AutoTokenizer (5.23) gives,
//! or refuses them.
//!
//! Who wins, where the files of a folder disagree:
//!
//! | about | first of these |
//! | --- | --- |
//! | the class, which decides the rest | code of its own (`auto_map`): refused; `tokenizer_class` in tokenizer_config.json; `tokenizer_class` in config.json; the class of `model_type` in config.json; none ([`super::choice`]) |
//! | the vocabulary | tokenizer.json; else the files of the class, whatever lies beside them; without a class the first that is there of `tokenizer.model`, `spm.model`, `spiece.model`, vocab.json, vocab.txt, `bpe_encoder.bin` |
//! | the rules of splitting | the class's, with the options in tokenizer_config.json; a tokenizer.json with others is refused, or by SentencePiece's classes read by theirs. A class that takes tokenizer.json as it stands, or none: that file's |
//! | special tokens' names | special_tokens_map.json (unless `added_tokens_decoder` is there), tokenizer_config.json, the class's; `null`: there is none |
//! | added tokens, and how they are found | `added_tokens_decoder` in tokenizer_config.json, and then nothing else; tokenizer.json; added_tokens.json ([`super::added`]) |
//! | an added token's id | that of its text in the vocabulary, else the next free one; what a file states is only its place in the order |
//! | what stands around texts | the class's; without one tokenizer.json's |
//! | `model_max_length` | tokenizer_config.json; a number that is no length counts as none |
//!
//! A class that Kiln does not have is refused by its name. Classes that read SentencePiece's models,
//! and what is read without one, are in [`super::sentence_piece`].

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::choice::Reader;
use super::class::Class;
use super::config::Config;
use super::files::{
    BYTE_VOCABULARY, CONFIG, MERGES, SENTENCE_PIECE, TOKENIZER, TOKENIZER_MODEL, VOCABULARY,
    XLM_ROBERTA_SENTENCE_PIECE, XLNET_SENTENCE_PIECE, read, read_json, read_text, refused,
};
use super::sentence_piece::Model;
use super::sentence_piece::class_rules::{self, UnigramSource};
use super::xlnet::XlnetLetters;
use super::{Tokenizer, bert, bpe_encoder, byte_bpe, rebuilt, sentence_piece};
use crate::error::TextError;

const ENCODER: &str = "bpe_encoder.bin";

/// Names of SentencePiece's models.
const MODEL_FILES: [&str; 4] = [
    SENTENCE_PIECE,
    XLNET_SENTENCE_PIECE,
    XLM_ROBERTA_SENTENCE_PIECE,
    TOKENIZER_MODEL,
];

/// The files that hold a vocabulary, in the order in which they are tried where no class decides.
const FILES: [&str; 7] = [
    TOKENIZER,
    TOKENIZER_MODEL,
    SENTENCE_PIECE,
    XLNET_SENTENCE_PIECE,
    BYTE_VOCABULARY,
    VOCABULARY,
    ENCODER,
];

impl Tokenizer {
    /// The tokenizer in a folder, or in one of its files: with the ids that transformers'
    /// AutoTokenizer gives, by the class that the folder names. That is a tokenizer.json; or else, as
    /// the class says, vocab.txt, `spm.model`, `spiece.model`, vocab.json with merges.txt, or DeBERTa
    /// v1's `bpe_encoder.bin`; with what tokenizer_config.json, special_tokens_map.json and
    /// added_tokens.json say beside it.
    ///
    /// # Errors
    /// If a file is missing or malformed, two files contradict each other, or the class is one that
    /// Kiln does not have.
    pub fn open(path: &Path) -> Result<Self, TextError> {
        if !path.is_dir() {
            return open_file(path);
        }
        // tokenizer.json says most, so it comes first.
        let json = path.join(TOKENIZER);
        if json.exists() {
            return open_file(&json);
        }
        let config = Config::read(&json, None)?;
        let there = |names: &[&str]| -> Option<PathBuf> {
            let mut files = names.iter().map(|name| path.join(name));
            files.find(|file| file.exists())
        };
        let found = match config.class() {
            None => there(&FILES),
            Some(Class::Deberta) => there(&[BYTE_VOCABULARY, ENCODER]),
            Some(class) => class.files().first().and_then(|name| {
                let own = there(&[name]);
                there(&[TOKENIZER_MODEL])
                    .filter(|_| class.reads_pieces())
                    .or(own)
            }),
        };
        if let Some(file) = found {
            return open_with(&file, config);
        }
        let also_there = there(&FILES).or_else(|| there(&[XLM_ROBERTA_SENTENCE_PIECE]));
        let reason = match (config.class(), also_there) {
            (Some(class), Some(other)) => format!(
                "no {} in it, which {} ({} in {}) reads, though there is {}; name the class that the \
             vocabulary was made for in {CONFIG}, or add the file",
                class.files().join(" and "),
                class.name(),
                config.choice.said,
                config.choice.path.display(),
                other.file_name().unwrap_or_default().display(),
            ),
            _ => format!(
                "no {} in it; pass a folder that holds one of them",
                FILES.join(", ")
            ),
        };
        Err(refused(path)(reason))
    }
}

/// By its name; anything else is a vocab.txt.
fn open_file(path: &Path) -> Result<Tokenizer, TextError> {
    if is_tokenizer_json(path) {
        open_json(path)
    } else {
        open_with(path, Config::read(path, None)?)
    }
}

fn is_tokenizer_json(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "json")
        && !path.ends_with(BYTE_VOCABULARY)
}

/// A vocabulary without a tokenizer.json, by its name; anything unknown is a vocab.txt.
fn open_with(path: &Path, config: Config) -> Result<Tokenizer, TextError> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let is_for = |class| match extension {
        Some("json") => matches!(class, Class::Deberta | Class::Roberta | Class::Gpt2),
        Some("bin") => class == Class::Deberta,
        Some("model") => class.reads_pieces(),
        _ => class == Class::Bert,
    };
    let said = || {
        let choice = &config.choice;
        format!("{} in {}", choice.said, choice.path.display())
    };
    match (config.class(), extension) {
        (Some(class), _) if !is_for(class) => Err(refused(path)(format!(
            "not a file that {} ({}) reads; pass its {}, or name the class that this vocabulary was \
             made for",
            class.name(),
            said(),
            class.files().join(" and "),
        ))),
        (_, Some("model")) => open_sentence_piece(path, config),
        // Such a vocabulary may be for other rules. Beside byte-level BPE's own tokenizer.json, as
        // Kiln writes them, it is not.
        (_, extension)
            if config.choice.reader == Reader::AsItStands
                && (extension == Some("txt") || config.choice.has_model) =>
        {
            Err(refused(path)(format!(
                "{} reads {TOKENIZER}, which is not there, and this file does not say by which \
                 rules text is split; get that file, or name the class, as BertTokenizer",
                said()
            )))
        }
        (_, Some("json")) => open_byte_bpe(path, config),
        (_, Some("bin")) => open_encoder(path, config),
        _ => open_vocabulary(path, config),
    }
}

fn open_json(path: &Path) -> Result<Tokenizer, TextError> {
    let mut json: Value = read_json(path)?;
    let mut config = Config::read(path, Some(&json))?;
    // Something else is told of below.
    let is_tokenizer = json["model"].is_object();
    if let Some(class) = config.class().filter(|_| is_tokenizer) {
        if class.reads_pieces() {
            let source = UnigramSource::of_json(&json, class).map_err(refused(path))?;
            json = class_rules::by_class(class, source, &config.fields, &mut config.added)
                .map_err(refused(path))?;
        } else {
            rebuilt::check(class, &config, &json, path)?;
        }
        // They come with the config, in transformers' order.
        json["added_tokens"] = Value::Array(Vec::new());
    }
    config.check_written(&json, path)?;
    if json["model"]["type"] != "Unigram" {
        return config.tokenizer(&json, path);
    }
    let pieces = json["model"]["vocab"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    config.name_special_tokens(pieces.iter().filter_map(|piece| piece[0].as_str()));
    let mut tokenizer = config.tokenizer(&json, path)?;
    // Kept to be saved again, if it is the same vocabulary.
    let files = MODEL_FILES.map(|name| (name, path.with_file_name(name)));
    if let Some((name, file)) = files.iter().find(|(_, file)| file.exists()) {
        let bytes = read(file)?;
        let model = Model::parse(&bytes).map_err(refused(file))?;
        if sentence_piece::are_pieces_of(&model, pieces) {
            tokenizer.sentence_piece = Some((name, bytes.into()));
        }
    }
    Ok(tokenizer)
}

fn open_sentence_piece(path: &Path, mut config: Config) -> Result<Tokenizer, TextError> {
    let bytes = read(path)?;
    // As transformers takes it, whatever the model says itself.
    let json = match (config.class(), &config.choice.reader) {
        (Some(class), _) => {
            config.take_new_ids();
            UnigramSource::of_model(&bytes)
                .and_then(|source| {
                    class_rules::by_class(class, source, &config.fields, &mut config.added)
                })
                .map_err(refused(path))?
        }
        (None, Reader::AsItStands | Reader::Unsaid) if path.ends_with(TOKENIZER_MODEL) => {
            let json = class_rules::without_class(&bytes, &config.fields, &mut config.added)
                .map_err(refused(path))?;
            // There are none but those that have names.
            config.take_new_ids();
            config.name_only_what_is_named();
            json
        }
        _ => as_the_original(&bytes, path, &mut config)?,
    };
    let name = MODEL_FILES.into_iter().find(|name| path.ends_with(name));
    let mut tokenizer = config.tokenizer(&json, path)?;
    let name = name.unwrap_or(if tokenizer.is_xlnet() {
        XLNET_SENTENCE_PIECE
    } else {
        SENTENCE_PIECE
    });
    tokenizer.sentence_piece = Some((name, bytes.into()));
    Ok(tokenizer)
}

/// The tokenizer.json with the ids of SentencePiece's own library, where no class is named.
fn as_the_original(bytes: &[u8], path: &Path, config: &mut Config) -> Result<Value, TextError> {
    let model = Model::parse(bytes).map_err(refused(path))?;
    let letters = if config.name_special_tokens(model.names()) {
        let letters = XlnetLetters::parse(&config.fields).map_err(refused(&config.path))?;
        Some(letters)
    } else {
        None
    };
    for field in ["do_lower_case", "split_by_punct"] {
        if letters.is_none() && config.fields.get(field).is_some_and(|value| value == true) {
            return Err(refused(&config.path)(format!(
                "{field} is true, which no class is named to follow; set tokenizer_class, as \
                 {}, or pass a folder with {TOKENIZER}",
                Class::DebertaV2.name()
            )));
        }
    }
    let parsed = sentence_piece::parse(&model, &config.special, letters).map_err(refused(path))?;
    config.special = parsed.special;
    Ok(parsed.json)
}

/// vocab.json, and merges.txt beside it.
fn open_byte_bpe(path: &Path, config: Config) -> Result<Tokenizer, TextError> {
    let Value::Object(vocab) = read_json(path)? else {
        let reason = "not a JSON object of tokens and ids; get the file again";
        return Err(refused(path)(reason.to_string()));
    };
    let merges_path = path.with_file_name(MERGES);
    let merges =
        byte_bpe::parse_merges(&read_text(&merges_path)?).map_err(refused(&merges_path))?;
    byte_bpe_tokenizer(vocab, &merges, config, path)
}

fn open_encoder(path: &Path, config: Config) -> Result<Tokenizer, TextError> {
    let bytes = read(path)?;
    let (vocab, merges) = bpe_encoder::parse(&bytes, &config.special).map_err(refused(path))?;
    byte_bpe_tokenizer(vocab, &merges, config, path)
}

fn byte_bpe_tokenizer(
    vocab: Map<String, Value>,
    merges: &[byte_bpe::Merge],
    config: Config,
    path: &Path,
) -> Result<Tokenizer, TextError> {
    let space = config.add_prefix_space()?;
    let mut json = byte_bpe::tokenizer_json(vocab, merges, &config.special, space);
    if config.class().is_some() && path.ends_with(BYTE_VOCABULARY) {
        // A class's mask does not take the space before it along, unless a file says so.
        json["added_tokens"] = Value::Array(Vec::new());
        json["post_processor"] = Value::Null;
    }
    config.tokenizer(&json, path)
}

fn open_vocabulary(path: &Path, mut config: Config) -> Result<Tokenizer, TextError> {
    let vocab = read_vocabulary(path, &mut config.notes)?;
    let json = bert::json_of(vocab, config.normalisation, &config.special);
    config.tokenizer(&json, path)
}

/// One token a line; the line number from 0 is the id. As `tokenizers` reads it: without the spaces
/// at a line's end, and of equal lines the last one counts.
fn read_vocabulary(path: &Path, notes: &mut Vec<String>) -> Result<Map<String, Value>, TextError> {
    let text = read_text(path)?;
    if text.starts_with('\u{feff}') {
        return Err(refused(path)(
            "begins with a byte order mark, which would be a part of its first token; save it as \
             UTF-8 without one"
                .to_string(),
        ));
    }
    let mut vocab = Map::new();
    let mut repeated = Vec::new();
    for (token, id) in text.lines().map(str::trim_end).zip(0u32..) {
        let before = vocab.insert(token.to_string(), Value::from(id));
        if before.is_some() && !token.is_empty() {
            repeated.push(format!("{token:?} (line {})", id.saturating_add(1)));
        }
    }
    if let Some(first) = repeated.first() {
        notes.push(format!(
            "{}: {} lines repeat an earlier one, as {first}; the last of equal lines counts, as in \
             transformers",
            path.display(),
            repeated.len()
        ));
    }
    Ok(vocab)
}

#[cfg(test)]
mod tests;
