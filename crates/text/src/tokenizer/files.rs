//! The files of a tokenizer's folder, read with an eye for what stands in their place.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{TextError, read_failed};

pub(super) const TOKENIZER: &str = "tokenizer.json";
pub(super) const CONFIG: &str = "tokenizer_config.json";
pub(super) const VOCABULARY: &str = "vocab.txt";
pub(super) const SENTENCE_PIECE: &str = "spm.model";
/// XLNet's name for it.
pub(super) const XLNET_SENTENCE_PIECE: &str = "spiece.model";
pub(super) const BYTE_VOCABULARY: &str = "vocab.json";
pub(super) const MERGES: &str = "merges.txt";
/// transformers reads it for any class, before the class's own file.
pub(super) const TOKENIZER_MODEL: &str = "tokenizer.model";
/// XLM-RoBERTa's name for it.
pub(super) const XLM_ROBERTA_SENTENCE_PIECE: &str = "sentencepiece.bpe.model";

/// How a Git LFS pointer begins, by its specification.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// For `map_err`: what is wrong with the file at `path`.
pub(super) fn refused(path: &Path) -> impl Fn(String) -> TextError + use<> {
    let path = path.to_path_buf();
    move |reason| TextError::Tokenizer {
        path: path.clone(),
        reason,
    }
}

/// The bytes of a file.
///
/// # Errors
/// If it can't be read, or is only Git LFS's pointer to it.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, TextError> {
    let bytes = std::fs::read(path).map_err(read_failed(path))?;
    if bytes.starts_with(POINTER) {
        return Err(refused(path)(
            "a Git LFS pointer, not the file itself; fetch it with git lfs pull, or download the \
             file again"
                .to_string(),
        ));
    }
    Ok(bytes)
}

/// The text of a file.
///
/// # Errors
/// As [`read`], or if it is not UTF-8.
pub(super) fn read_text(path: &Path) -> Result<String, TextError> {
    String::from_utf8(read(path)?).map_err(|error| {
        refused(path)(format!(
            "byte {} is not UTF-8; convert the file",
            error.utf8_error().valid_up_to()
        ))
    })
}

/// A file of JSON.
///
/// # Errors
/// As [`read`], or if it is something else.
pub(super) fn read_json(path: &Path) -> Result<Value, TextError> {
    let bytes = read(path)?;
    if bytes.starts_with("\u{feff}".as_bytes()) {
        return Err(refused(path)(
            "begins with a byte order mark, which JSON may not; save it as UTF-8 without one"
                .to_string(),
        ));
    }
    serde_json::from_slice(&bytes)
        .or_else(|reason| serde_json::from_slice(&without_nan(&bytes)).map_err(|_| reason))
        .map_err(|reason| TextError::Tokenizer {
            path: path.to_path_buf(),
            reason: format!("not JSON ({reason}); get the file again"),
        })
}

/// Python writes, and reads, numbers that JSON lacks; null takes their place.
fn without_nan(bytes: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut in_string = false;
    while let Some((&byte, after)) = rest.split_first() {
        let number = ["-Infinity", "Infinity", "NaN"]
            .into_iter()
            .find(|number| !in_string && rest.starts_with(number.as_bytes()));
        if let Some(number) = number {
            clean.extend(b"null");
            rest = rest.get(number.len()..).unwrap_or_default();
            continue;
        }
        clean.push(byte);
        rest = after;
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                if let Some((&escaped, after)) = rest.split_first() {
                    clean.push(escaped);
                    rest = after;
                }
            }
            _ => {}
        }
    }
    clean
}

/// The fields of a file of JSON; none if it is not there.
///
/// # Errors
/// As [`read_json`], or if it is no object.
pub(super) fn read_fields(path: &Path) -> Result<Map<String, Value>, TextError> {
    if !path.exists() {
        return Ok(Map::new());
    }
    match read_json(path)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(refused(path)(
            "not a JSON object; write one, or remove the file".to_string(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_only_python_has_are_null() {
        let text = br#"{"a": NaN, "b": [-Infinity, Infinity], "c": "NaN \" NaN"}"#;
        let value: Value = serde_json::from_slice(&without_nan(text)).unwrap();
        let expected = serde_json::json!({"a": null, "b": [null, null], "c": "NaN \" NaN"});
        assert_eq!(value, expected);
    }

    #[test]
    fn what_stands_in_a_files_place_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vocab.txt");
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
        std::fs::write(&path, pointer).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("vocab.txt: a Git LFS pointer"), "{error}");
        std::fs::write(&path, "\u{feff}{}").unwrap();
        let error = read_fields(&path).unwrap_err().to_string();
        assert!(error.contains("byte order mark"), "{error}");
        std::fs::write(&path, "[]").unwrap();
        let error = read_fields(&path).unwrap_err().to_string();
        assert!(error.contains("not a JSON object"), "{error}");
        assert!(
            read_fields(&dir.path().join("none.json"))
                .unwrap()
                .is_empty()
        );
    }
}
