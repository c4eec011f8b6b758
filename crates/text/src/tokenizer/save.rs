//! Writes the files that transformers opens with the same ids.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Tokenizer;
use super::bert::{self, Normalisation};
use super::byte_bpe;
use super::open::{
    BYTE_VOCABULARY, CONFIG, MERGES, SENTENCE_PIECE, TOKENIZER, VOCABULARY, XLNET_SENTENCE_PIECE,
};
use super::xlnet;
use crate::error::{TextError, write_failed};

pub(super) fn save(tokenizer: &Tokenizer, dir: &Path) -> Result<(), TextError> {
    let is_new = !dir.exists();
    fs::create_dir_all(dir).map_err(write_failed(dir))?;
    let saved = save_files(tokenizer, dir);
    if saved.is_err() && is_new {
        // Half a tokenizer would be opened as a whole one. What can't be removed stays: the error
        // says more than another one would.
        let _ = fs::remove_dir_all(dir);
    }
    saved
}

fn save_files(tokenizer: &Tokenizer, dir: &Path) -> Result<(), TextError> {
    let full = serde_json::to_value(&tokenizer.inner)
        .map_err(|reason| write_failed(&dir.join(TOKENIZER))(reason.into()))?;
    write(&dir.join(TOKENIZER), pretty(&full).as_bytes())?;
    write(
        &dir.join(CONFIG),
        pretty(&config(tokenizer, &full)).as_bytes(),
    )?;
    if let Some(vocabulary) = vocabulary(tokenizer, &full) {
        write(&dir.join(VOCABULARY), vocabulary.as_bytes())?;
    }
    if let Some((vocabulary, merges)) = byte_bpe::files(&full) {
        write(&dir.join(BYTE_VOCABULARY), vocabulary.as_bytes())?;
        write(&dir.join(MERGES), merges.as_bytes())?;
    }
    if let Some(model) = &tokenizer.sentence_piece {
        let name = if xlnet::is_xlnet(&full["post_processor"]) {
            XLNET_SENTENCE_PIECE
        } else {
            SENTENCE_PIECE
        };
        write(&dir.join(name), model)?;
    }
    Ok(())
}

/// As transformers writes it: two spaces of indentation, a line end at the end.
fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// tokenizer_config.json. For exactly BERT's rules the class is BertTokenizer, which transformers
/// rebuilds from the fields here; for others a class that takes tokenizer.json as it is. Not
/// DebertaV2Tokenizer: transformers 5 rebuilds that with NFC instead of the model's own rules, and
/// with DebertaTokenizer a pair gets two `[SEP]` in its middle and no types. Not XLNetTokenizer: it
/// drops accents always, and gives no types unless asked.
fn config(tokenizer: &Tokenizer, full: &Value) -> Value {
    let mut config = Map::new();
    if let Some(length) = tokenizer.model_max_length {
        config.insert("model_max_length".to_string(), Value::from(length));
    }
    if let Some(normalisation) = bert_normalisation(full) {
        config.insert("tokenizer_class".to_string(), Value::from("BertTokenizer"));
        normalisation.write(&mut config);
    } else {
        config.insert(
            "tokenizer_class".to_string(),
            Value::from("PreTrainedTokenizerFast"),
        );
        config.insert(
            "model_input_names".to_string(),
            json!(["input_ids", "token_type_ids", "attention_mask"]),
        );
        if xlnet::is_xlnet(&full["post_processor"]) {
            xlnet::write_config(full, &mut config);
        }
    }
    tokenizer.special.write(&mut config);
    Value::Object(config)
}

/// The normalisation, if everything else is what transformers' BertTokenizer builds.
fn bert_normalisation(full: &Value) -> Option<Normalisation> {
    let model = &full["model"];
    let is_bert = full["pre_tokenizer"]["type"] == "BertPreTokenizer"
        && model["type"] == "WordPiece"
        && model["continuing_subword_prefix"] == bert::CONTINUATION
        && model["max_input_chars_per_word"] == bert::MAX_WORD_CHARS;
    if is_bert {
        Normalisation::of(&full["normalizer"])
    } else {
        None
    }
}

/// vocab.txt, for a WordPiece model whose ids have no gaps and whose tokens have no line ends.
fn vocabulary(tokenizer: &Tokenizer, full: &Value) -> Option<String> {
    if full["model"]["type"] != "WordPiece" {
        return None;
    }
    let mut text = String::new();
    for id in 0..tokenizer.vocab_size {
        let token = tokenizer.token(id)?;
        if token.contains(['\n', '\r']) {
            return None;
        }
        text.push_str(&token);
        text.push('\n');
    }
    Some(text)
}

/// Beside, to the disk, then under its name: a reader never sees half a file.
fn write(path: &Path, bytes: &[u8]) -> Result<(), TextError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let written = File::create(partial)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(partial, path));
    if written.is_err() {
        let _ = fs::remove_file(partial);
    }
    written.map_err(write_failed(path))
}
