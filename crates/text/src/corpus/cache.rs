//! Shards prepared behind the scenes, found again by what they were made from.
//!
//! A shard's name is made of the files' paths, the endings of their names and the hashes of their
//! bytes, the tokenizer and the settings. Hashing reads everything, so the hashes are remembered with
//! what the system knows of each file, and made again when that has changed ([`stamps`]). Neither
//! touching a file nor writing the same bytes again makes its text be tokenised anew, and no
//! rewritten file passes for the old one, however alike in size and time. What came through a pipe is
//! known by its hash alone.

use std::ffi::OsString;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::Corpus;
use super::header::{HEADER, Header, ReadSettings};
use super::prepare::{PrepareProgress, PrepareSettings, prepare_as};
use crate::error::TextError;
use crate::reading::Inputs;
use crate::tokenizer::Tokenizer;

mod digits;
mod entries;
mod stamps;

use digits::{digits, update};
pub use entries::{CacheEntry, Cleared, EntryKind, cache_bytes, clear_cache, list_cache, note_run};

/// The corpus of these inputs, from `cache` if it was prepared before, else prepared into it. Pipes
/// have to be kept ([`Inputs::keep_pipes`]).
///
/// # Errors
/// As [`super::prepare()`] and [`Corpus::open`].
pub fn cached(
    inputs: &Inputs,
    tokenizer: &Tokenizer,
    cache: &Path,
    settings: &PrepareSettings,
    progress: &mut dyn FnMut(PrepareProgress),
) -> Result<Corpus, TextError> {
    let files = inputs.paths()?;
    let paths = inputs.identities()?;
    let read = ReadSettings::new(inputs.reading(), settings.lines_are_sentences);
    // Before anything is read: what changes later is seen next time.
    let stamps = stamps::take(&files)?;
    let known = stamps::Known::read(cache, &paths);
    if let Some(hashes) = known.hashes(&files, &stamps)? {
        let dir = cache.join(name(&paths, &hashes, tokenizer, &read)?);
        match Corpus::open(&dir, tokenizer) {
            Err(_) if !dir.join(HEADER).exists() => {}
            corpus => {
                known.update(&stamps, &hashes);
                return Ok(corpus?.found_in(inputs));
            }
        }
    }
    let provisional = name(&paths, &[], tokenizer, &read)?;
    let mut hashes = Vec::new();
    let dir = prepare_as(
        inputs,
        tokenizer,
        &cache.join(provisional),
        settings,
        progress,
        |header: &Header| {
            hashes = header
                .inputs
                .iter()
                .map(|file| file.sha256.clone())
                .collect();
            let dir = cache.join(name(&paths, &hashes, tokenizer, &read)?);
            entries::make_way(&dir)?;
            Ok(dir)
        },
    )?;
    known.update(&stamps, &hashes);
    Ok(Corpus::open(&dir, tokenizer)?.found_in(inputs))
}

/// The name of the shard folder: hexadecimal digits.
fn name(
    paths: &[OsString],
    hashes: &[String],
    tokenizer: &Tokenizer,
    settings: &ReadSettings,
) -> Result<String, TextError> {
    let mut hasher = Sha256::new_with_prefix(b"kiln corpus cache 3");
    hasher.update(tokenizer.identity());
    // All that decides about the tokens; what does not is not written.
    let settings = serde_json::to_vec(settings).map_err(|reason| TextError::Setting {
        field: "settings",
        value: format!("{settings:?}"),
        remedy: reason.to_string(),
    })?;
    update(&mut hasher, &settings);
    for path in paths {
        update(&mut hasher, path.as_encoded_bytes());
    }
    for hash in hashes {
        update(&mut hasher, hash.as_bytes());
    }
    Ok(digits(hasher))
}
