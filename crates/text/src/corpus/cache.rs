//! Shards prepared behind the scenes, found again by what they were made from.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use super::prepare::{PrepareProgress, PrepareSettings, prepare};
use super::reader::{OnInvalid, list_files};
use super::{Corpus, hex};
use crate::error::{TextError, read_failed};
use crate::tokenizer::Tokenizer;

/// The corpus of these inputs, from `cache` if it was prepared before, else prepared into it.
///
/// The key is made of the files' paths, sizes and times of change, the tokenizer and the settings.
///
/// # Errors
/// As [`prepare`] and [`Corpus::open`].
pub fn cached(
    inputs: &[PathBuf],
    tokenizer: &Tokenizer,
    cache: &Path,
    settings: &PrepareSettings,
    progress: &mut dyn FnMut(PrepareProgress),
) -> Result<Corpus, TextError> {
    let dir = cache.join(key(inputs, tokenizer, settings)?);
    if !dir.exists() {
        match prepare(inputs, tokenizer, &dir, settings, progress) {
            // Another process was faster.
            Ok(_) | Err(TextError::Exists { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Corpus::open(&dir, tokenizer)
}

/// The name of the shard folder: hexadecimal digits.
fn key(
    inputs: &[PathBuf],
    tokenizer: &Tokenizer,
    settings: &PrepareSettings,
) -> Result<String, TextError> {
    let mut hasher = Sha256::new_with_prefix(b"kiln corpus cache 1");
    hasher.update(tokenizer.identity());
    hasher.update([
        u8::from(settings.on_invalid == OnInvalid::Skip),
        u8::from(settings.lines_are_sentences),
    ]);
    for path in list_files(inputs)? {
        let absolute = std::fs::canonicalize(&path).map_err(read_failed(&path))?;
        let metadata = std::fs::metadata(&path).map_err(read_failed(&path))?;
        let changed = metadata
            .modified()
            .map_err(read_failed(&path))?
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_nanos());
        let name = absolute.as_os_str().as_encoded_bytes();
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name);
        hasher.update(metadata.len().to_le_bytes());
        hasher.update(changed.to_le_bytes());
    }
    Ok(hex(&hasher.finalize())[..32].to_string())
}
