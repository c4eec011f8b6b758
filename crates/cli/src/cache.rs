//! `kiln cache`: tokenised corpora that are kept, and how to be rid of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use kiln_text::corpus::{CacheEntry, EntryKind, cache_bytes, clear_cache, list_cache};
use serde_json::{Value, json};

use crate::console::Console;
use crate::failure::Failure;
use crate::wording::{bytes, count, shell};

const LIST_EXAMPLES: &str = "Examples:
  kiln cache list
  kiln cache list --cache-dir /data/tokens --json";

const CLEAR_EXAMPLES: &str = "Examples:
  kiln cache clear
  kiln cache clear --older-than 30";

/// A larger cache is mentioned by whoever adds to it.
const LARGE_BYTES: u64 = 5_000_000_000;

/// Input files that are named of each corpus.
const NAMED_INPUTS: usize = 3;

const SECONDS_A_DAY: u64 = 24 * 60 * 60;

// The commands under `kiln cache`.
#[derive(Subcommand)]
pub(crate) enum CacheCommand {
    /// List the tokenised corpora in the cache: size, age, text, runs, and which are in use
    List(ListArgs),
    /// Delete the tokenised corpora in the cache, without asking; not those in use, and nothing that
    /// is not Kiln's
    Clear(ClearArgs),
}

// Which cache.
#[derive(Args)]
#[command(after_help = LIST_EXAMPLES)]
pub(crate) struct ListArgs {
    /// Folder of the cache. Default: kiln/corpora in $XDG_CACHE_HOME, else in ~/.cache
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Print one JSON object instead of a list
    #[arg(long)]
    json: bool,
}

// Which cache, and what of it.
#[derive(Args)]
#[command(after_help = CLEAR_EXAMPLES)]
pub(crate) struct ClearArgs {
    /// Folder of the cache. Default: kiln/corpora in $XDG_CACHE_HOME, else in ~/.cache
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Keep what was made less than so many days ago. Default: nothing is kept for its age
    #[arg(
        long,
        value_name = "DAYS",
        default_value_t = 0,
        hide_default_value = true
    )]
    older_than: u32,
    /// Print one JSON object instead of sentences
    #[arg(long)]
    json: bool,
}

/// Runs a command under `kiln cache`.
///
/// # Errors
/// If the cache can't be read, or something in it not be deleted.
pub(crate) fn run(command: &CacheCommand, console: Console) -> Result<(), Failure> {
    match command {
        CacheCommand::List(args) => list(args, console),
        CacheCommand::Clear(args) => clear(args, console),
    }
}

/// The cache's folder: the one that is given, or else the user's.
///
/// # Errors
/// If no environment variable tells where the user's is.
pub(crate) fn folder(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(given) = given {
        return Ok(given.to_path_buf());
    }
    // As the XDG base directory specification says: relative paths in it count as none.
    let from = |variable: &str| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    from("XDG_CACHE_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".cache")))
        .or_else(|| from("LOCALAPPDATA"))
        .map(|cache| cache.join("kiln").join("corpora"))
        .ok_or_else(|| Failure::usage("no place for tokenised text known; pass --cache-dir"))
}

/// Mentions a cache that has become large; `given` is what was said of its place.
pub(crate) fn tell_size(cache: &Path, given: Option<&Path>, console: Console) {
    let size = cache_bytes(cache);
    if size > LARGE_BYTES {
        let place = given.map_or(String::new(), |dir| format!(" --cache-dir {}", shell(dir)));
        console.note(format_args!(
            "the cache of tokenised text has grown to {}: kiln cache list{place} shows what it holds, \
             kiln cache clear{place} empties it",
            bytes(size)
        ));
    }
}

fn list(args: &ListArgs, console: Console) -> Result<(), Failure> {
    let cache = folder(args.cache_dir.as_deref())?;
    let (entries, foreign) = list_cache(&cache)?;
    let all: u64 = entries.iter().map(|entry| entry.bytes).sum();
    if args.json {
        let foreign: Vec<String> = foreign
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return console.json(&json!({
            "cache": cache.display().to_string(),
            "bytes": all,
            "entries": entries.iter().map(to_json).collect::<Vec<_>>(),
            "not_kilns": foreign,
        }));
    }
    let corpora = entries.iter().filter(|entry| is_corpus(entry)).count();
    console.out(format_args!(
        "{}: {} tokenised {}, {}",
        cache.display(),
        count(corpora as u64),
        if corpora == 1 { "corpus" } else { "corpora" },
        bytes(all)
    ))?;
    for entry in entries
        .iter()
        .filter(|entry| entry.kind != EntryKind::Hashes)
    {
        console.out(format_args!("{}", line(entry)))?;
        for run in &entry.runs {
            console.out(format_args!("    run {}", run.display()))?;
        }
    }
    if !foreign.is_empty() {
        console.out(format_args!(
            "and {} that Kiln did not make, first {}",
            count(foreign.len() as u64),
            first_name(&foreign)
        ))?;
    }
    Ok(())
}

fn clear(args: &ClearArgs, console: Console) -> Result<(), Failure> {
    let cache = folder(args.cache_dir.as_deref())?;
    let age = Duration::from_secs(u64::from(args.older_than) * SECONDS_A_DAY);
    let cleared = clear_cache(&cache, age)?;
    let freed: u64 = cleared.deleted.iter().map(|entry| entry.bytes).sum();
    let corpora = cleared
        .deleted
        .iter()
        .filter(|entry| is_corpus(entry))
        .count() as u64;
    if args.json {
        let paths = |entries: &[CacheEntry]| -> Vec<String> {
            let paths = entries.iter().map(|entry| entry.path.display().to_string());
            paths.collect()
        };
        let foreign = cleared
            .foreign
            .iter()
            .map(|path| path.display().to_string());
        return console.json(&json!({
            "cache": cache.display().to_string(),
            "freed_bytes": freed,
            "deleted": cleared.deleted.iter().map(to_json).collect::<Vec<_>>(),
            "in_use": paths(&cleared.in_use),
            "younger": paths(&cleared.young),
            "not_kilns": foreign.collect::<Vec<_>>(),
        }));
    }
    console.out(format_args!(
        "{}: {} freed, {} tokenised {} deleted",
        cache.display(),
        bytes(freed),
        count(corpora),
        if corpora == 1 { "corpus" } else { "corpora" },
    ))?;
    let runs = cleared.deleted.iter().flat_map(|entry| &entry.runs);
    for run in runs.filter(|run| run.is_dir()) {
        console.out(format_args!(
            "to resume {}, its text is needed again",
            run.display()
        ))?;
    }
    for entry in cleared
        .in_use
        .iter()
        .filter(|entry| is_corpus(entry) || entry.is_in_use)
    {
        console.out(format_args!("kept, in use: {}", line(entry)))?;
    }
    for entry in cleared.young.iter().filter(|entry| is_corpus(entry)) {
        console.out(format_args!("kept, younger: {}", line(entry)))?;
    }
    if !cleared.foreign.is_empty() {
        console.out(format_args!(
            "left alone: {} that Kiln did not make, first {}",
            count(cleared.foreign.len() as u64),
            first_name(&cleared.foreign)
        ))?;
    }
    Ok(())
}

fn is_corpus(entry: &CacheEntry) -> bool {
    matches!(entry.kind, EntryKind::Corpus(_) | EntryKind::Unreadable(_))
}

fn first_name(paths: &[PathBuf]) -> String {
    paths
        .first()
        .map(|path| path.display().to_string())
        .unwrap_or_default()
}

/// `NAME  312.4 MB  2 days  a.txt, b.txt and 7 more; 1,234 tokens of tokenizer 8c1d2e3f4a5b; in use`
fn line(entry: &CacheEntry) -> String {
    let name = entry.path.file_name().unwrap_or_default().to_string_lossy();
    let what = match &entry.kind {
        EntryKind::Corpus(header) => {
            let inputs = header.inputs.iter().take(NAMED_INPUTS);
            let inputs: Vec<&str> = inputs.map(|input| input.path.as_str()).collect();
            let more = header.inputs.len() - inputs.len();
            let more = if more > 0 {
                format!(" and {} more", count(more as u64))
            } else {
                String::new()
            };
            let tokenizer = header.tokenizer.get(..12).unwrap_or(&header.tokenizer);
            format!(
                "{}{more}; {} tokens of tokenizer {tokenizer}",
                inputs.join(", "),
                count(header.num_tokens)
            )
        }
        EntryKind::Unreadable(reason) => format!("can't be read: {reason}"),
        EntryKind::Leftover => "half made".to_owned(),
        EntryKind::Hashes => "hashes of text files".to_owned(),
    };
    let used = if entry.is_in_use { "; in use" } else { "" };
    format!(
        "{name}  {}  {}  {what}{used}",
        bytes(entry.bytes),
        age(entry.age)
    )
}

/// `3 days`, `5 h`, `2 min`
fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / SECONDS_A_DAY),
    }
}

fn to_json(entry: &CacheEntry) -> Value {
    let mut json = json!({
        "path": entry.path.display().to_string(),
        "bytes": entry.bytes,
        "age_seconds": entry.age.as_secs(),
        "in_use": entry.is_in_use,
        "runs": entry.runs.iter().map(|run| run.display().to_string()).collect::<Vec<_>>(),
    });
    match &entry.kind {
        EntryKind::Corpus(header) => {
            let inputs = header.inputs.iter().map(|input| input.path.as_str());
            json["kind"] = "corpus".into();
            json["inputs"] = inputs.collect::<Vec<_>>().into();
            json["tokenizer"] = header.tokenizer.as_str().into();
            json["tokens"] = header.num_tokens.into();
            json["text_bytes"] = header.text_bytes.into();
        }
        EntryKind::Unreadable(reason) => {
            json["kind"] = "unreadable".into();
            json["reason"] = reason.as_str().into();
        }
        EntryKind::Leftover => json["kind"] = "leftover".into(),
        EntryKind::Hashes => json["kind"] = "hashes".into(),
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_one_unit() {
        let ages = [59, 61, 7_199, 7_200, 172_799, 172_800].map(|s| age(Duration::from_secs(s)));
        assert_eq!(ages, ["0 min", "1 min", "1 h", "2 h", "47 h", "2 days"]);
    }
}
