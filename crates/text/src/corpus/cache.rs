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
use crate::error::{TextError, write_failed};
use crate::reading::{Inputs, hex};
use crate::tokenizer::Tokenizer;

mod entries;
mod stamps;

pub use entries::{CacheEntry, Cleared, EntryKind, cache_bytes, clear_cache, list_cache};

/// Digits of a shard's name.
const NAME_DIGITS: usize = 32;

/// In a shard's folder: the runs that were started on it, a path a line.
const RUNS: &str = "runs.txt";

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
    let files = inputs.places()?;
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

/// Remembers in a shard's folder that a run was started on it, for whoever looks at the cache.
///
/// # Errors
/// If it can't be written.
pub fn note_run(shard: &Path, run: &Path) -> Result<(), TextError> {
    let path = shard.join(RUNS);
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let run = run.display().to_string();
    if before.lines().any(|line| line == run) {
        return Ok(());
    }
    std::fs::write(&path, format!("{before}{run}\n")).map_err(write_failed(&path))
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

/// Adds bytes so that no others give the same.
fn update(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

fn digits(hasher: Sha256) -> String {
    let mut name = hex(&hasher.finalize());
    name.truncate(NAME_DIGITS);
    name
}

/// Whether something in a cache's folder has a name that [`digits`] gives.
fn is_name(text: &str) -> bool {
    text.len() == NAME_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
