//! Writes the files that transformers opens with the same ids.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use tokenizers::{AddedToken, PostProcessorWrapper};

use super::Tokenizer;
use super::added::Token;
use super::bert::{self, Normalisation};
use super::class::Class;
use super::files::{BYTE_VOCABULARY, CONFIG, MERGES, TOKENIZER, VOCABULARY};
use super::special::SpecialTokens;
use super::template::Template;
use super::{byte_bpe, byte_level, rebuilt, xlnet};
use crate::error::{TextError, write_failed};

const EXTRA: &str = "extra_special_tokens";

/// Fields that tell of other files, or that are written anew.
const NOT_WRITTEN: [&str; 16] = [
    "added_tokens_decoder",
    "additional_special_tokens",
    "auto_map",
    "fast_tokenizer_files",
    "init_inputs",
    "is_local",
    "local_files_only",
    "max_len",
    "merges_file",
    "model_max_length",
    "name_or_path",
    "special_tokens_map_file",
    "tokenizer_class",
    "tokenizer_file",
    "vocab_file",
    "model_input_names",
];

impl Tokenizer {
    /// Writes tokenizer.json and tokenizer_config.json into `dir`, so that transformers opens the
    /// folder with the same ids, and the vocabulary in the older form of its kind: vocab.txt for
    /// WordPiece, `spm.model` for SentencePiece (XLNet's `spiece.model`), vocab.json and merges.txt
    /// for byte-level BPE.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn save(&self, dir: &Path) -> Result<(), TextError> {
        let is_new = !dir.exists();
        kiln_files::create_folders(dir)?;
        let saved = save_files(self, dir);
        if saved.is_err() && is_new {
            // Half a tokenizer would be opened as a whole one. What can't be removed stays: the error
            // says more than another one would.
            let _ = fs::remove_dir_all(dir);
        }
        saved
    }
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
    if let Some((name, model)) = &tokenizer.sentence_piece {
        write(&dir.join(name), model)?;
    }
    Ok(())
}

/// As transformers writes it: two spaces of indentation, a line end at the end.
fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// tokenizer_config.json. For exactly BERT's rules the class is BertTokenizer, for exactly RoBERTa's
/// RobertaTokenizer, both of which transformers rebuilds from the fields here; for others a class that
/// takes tokenizer.json as it is. Not DebertaV2Tokenizer: transformers 5 rebuilds that with NFC instead
/// of the model's own rules, and with DebertaTokenizer a pair gets two `[SEP]` in its middle and no
/// types. Not XLNetTokenizer: it drops accents always, and gives no types unless asked.
///
/// What the files said that the tokenizer was opened from is written again.
fn config(tokenizer: &Tokenizer, full: &Value) -> Value {
    let written = &tokenizer.written;
    let mut config = Map::new();
    match (tokenizer.model_max_length, written.get("model_max_length")) {
        (Some(length), _) => {
            config.insert("model_max_length".to_string(), Value::from(length));
        }
        // No length, as -1; numbers beyond all lengths are left out, which means the same.
        (None, Some(Value::Number(none))) if none.as_i64().is_some_and(|none| none < 1) => {
            config.insert("model_max_length".to_string(), none.clone().into());
        }
        (None, _) => {}
    }
    let inputs = &written.get("model_input_names");
    let normalisation = bert_normalisation(tokenizer, full);
    let class = match normalisation {
        Some(_) => Some(Class::Bert),
        None => is_roberta(tokenizer, full).then_some(Class::Roberta),
    };
    if let Some(class) = class {
        config.insert("tokenizer_class".to_string(), Value::from(class.name()));
        if let Some(normalisation) = normalisation {
            normalisation.write(&mut config);
        }
        if let Some(inputs) = inputs.filter(|inputs| **inputs != json!(class.inputs())) {
            config.insert("model_input_names".to_string(), inputs.clone());
        }
    } else {
        config.insert(
            "tokenizer_class".to_string(),
            Value::from("PreTrainedTokenizerFast"),
        );
        let usual = || json!(["input_ids", "token_type_ids", "attention_mask"]);
        config.insert(
            "model_input_names".to_string(),
            inputs.cloned().unwrap_or_else(usual),
        );
        if xlnet::is_xlnet(&full["post_processor"]) {
            xlnet::write_config(full, &mut config);
        }
    }
    tokenizer.special.write(&mut config);
    write_again(written, &mut config);
    if has_odd_tokens(tokenizer, full, &config) {
        config.insert("added_tokens_decoder".to_string(), decoder(full));
    }
    Value::Object(config)
}

/// Adds the fields of the files that the tokenizer was opened from, tokens by their text:
/// tokenizer.json has the rest of them.
fn write_again(written: &Map<String, Value>, config: &mut Map<String, Value>) {
    for (field, value) in written {
        if NOT_WRITTEN.contains(&field.as_str()) || config.contains_key(field) {
            continue;
        }
        let text = |value: &Value| match Token::parse(value) {
            Some(token) => Value::from(token.content()),
            None => value.clone(),
        };
        let value = match value {
            Value::Array(tokens) if field == EXTRA => tokens.iter().map(text).collect(),
            Value::Object(tokens) if field == EXTRA => Value::Object(
                tokens
                    .iter()
                    .map(|(name, token)| (name.clone(), text(token)))
                    .collect(),
            ),
            value if field.ends_with("_token") => text(value),
            value => value.clone(),
        };
        config.insert(field.clone(), value);
    }
}

/// Whether there are added tokens that the names in tokenizer_config.json do not tell all of: the
/// vocabulary's own file beside it would lose them where tokenizer.json is taken away. A SentencePiece
/// model tells of its own.
fn has_odd_tokens(tokenizer: &Tokenizer, full: &Value, config: &Map<String, Value>) -> bool {
    let named: HashSet<&str> = config
        .iter()
        .filter(|(field, _)| field.ends_with("_token") || *field == EXTRA)
        .flat_map(|(_, value)| match value {
            Value::Array(tokens) => tokens.iter().collect(),
            Value::Object(tokens) => tokens.values().collect(),
            token => vec![token],
        })
        .filter_map(Value::as_str)
        .collect();
    let in_model = full["model"]["type"] == "Unigram";
    let tokens = tokenizer.inner.get_added_tokens_decoder();
    tokens.iter().any(|(id, token)| {
        let is_plain = *token == AddedToken::from(&token.content, true);
        let is_told =
            named.contains(token.content.as_str()) || in_model && *id < tokenizer.base_size;
        !is_plain || !is_told
    })
}

/// All added tokens as `added_tokens_decoder`.
fn decoder(full: &Value) -> Value {
    let tokens = full["added_tokens"].as_array().into_iter().flatten();
    let tokens = tokens.map(|token| {
        let mut fields = token.clone();
        let id = fields["id"].to_string();
        if let Value::Object(fields) = &mut fields {
            fields.shift_remove("id");
        }
        (id, fields)
    });
    Value::Object(tokens.collect())
}

/// The normalisation, if everything else is what transformers' BertTokenizer builds.
fn bert_normalisation(tokenizer: &Tokenizer, full: &Value) -> Option<Normalisation> {
    let model = &full["model"];
    let id = |token: &str| tokenizer.id(token).map(u64::from);
    let special = &tokenizer.special;
    let is_around = match (id(&special.cls), id(&special.sep)) {
        (Some(cls), Some(sep)) => {
            let template: Option<PostProcessorWrapper> =
                serde_json::from_str(&bert::template_json(special, cls, sep).to_string()).ok();
            full["post_processor"].is_null()
                || serde_json::to_value(template).is_ok_and(|own| own == full["post_processor"])
        }
        _ => true,
    };
    let is_bert = full["pre_tokenizer"]["type"] == "BertPreTokenizer"
        && model["type"] == "WordPiece"
        && model["continuing_subword_prefix"] == bert::CONTINUATION
        && model["max_input_chars_per_word"] == bert::MAX_WORD_CHARS
        && model["unk_token"] == special.unk.as_str()
        && is_around;
    if is_bert {
        Normalisation::of(&full["normalizer"])
    } else {
        None
    }
}

/// Whether everything is what transformers' RobertaTokenizer builds of a vocabulary and merges.
fn is_roberta(tokenizer: &Tokenizer, full: &Value) -> bool {
    let special = &tokenizer.special;
    let id = |token: &str| tokenizer.id(token).map(u64::from);
    let (Some(cls), Some(sep)) = (id(&special.cls), id(&special.sep)) else {
        return false;
    };
    *special == SpecialTokens::of_class(Class::Roberta)
        && full["post_processor"] == Template::Roberta.json(special, cls, sep)
        && full["pre_tokenizer"] == byte_level::splitter_json(false)
        && full["normalizer"].is_null()
        && rebuilt::other_field(&byte_bpe::model_rules(), &full["model"]).is_none()
}

/// vocab.txt, for a WordPiece model whose ids have no gaps and whose tokens have no line ends.
fn vocabulary(tokenizer: &Tokenizer, full: &Value) -> Option<String> {
    if full["model"]["type"] != "WordPiece" {
        return None;
    }
    let mut tokens = vec![None; tokenizer.base_size as usize];
    for (token, id) in full["model"]["vocab"].as_object()? {
        *tokens.get_mut(usize::try_from(id.as_u64()?).ok()?)? = Some(token);
    }
    let mut text = String::new();
    for token in tokens {
        let token = token?;
        // Spaces at a line's end are not read again.
        if token.contains(['\n', '\r']) || token.trim_end() != token {
            return None;
        }
        text.push_str(token);
        text.push('\n');
    }
    Some(text)
}

/// A file as a whole: a reader never sees half of it.
fn write(path: &Path, bytes: &[u8]) -> Result<(), TextError> {
    kiln_files::write(path, bytes)?;
    // What an earlier version left when it was killed.
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let _ = fs::remove_file(partial);
    Ok(())
}
