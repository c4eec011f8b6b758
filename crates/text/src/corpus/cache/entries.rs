//! What a cache's folder holds, and how it is emptied.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use kiln_files::Leftover;

use super::digits::is_name;
use super::stamps::SUFFIX;
use crate::corpus::header::{DOCUMENTS, HEADER, Header, SENTENCES, TOKENS, read_header};
use crate::error::{TextError, read_failed, write_failed};

/// The lock of a folder that an earlier version left half made.
const LOCK: &str = ".lock";

/// In a shard's folder: the runs that were started on it, a path a line.
const RUNS: &str = "runs.txt";

/// All that a shard's folder in the cache may hold.
const FILES: [&str; 6] = [HEADER, TOKENS, SENTENCES, DOCUMENTS, RUNS, LOCK];

/// What something in a cache is.
#[derive(Debug, Clone, PartialEq)]
pub enum EntryKind {
    /// A tokenised corpus.
    Corpus(Box<Header>),
    /// A tokenised corpus that can't be read: damaged, or another version's; the reason.
    Unreadable(String),
    /// What a killed process left half made.
    Leftover,
    /// Remembered hashes of the files of a corpus.
    Hashes,
}

/// Something that Kiln made in a cache's folder.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheEntry {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of its files.
    pub bytes: u64,
    /// Since it was made.
    pub age: Duration,
    /// A process has it open, or is making it.
    pub is_in_use: bool,
    /// Runs that were started on it.
    pub runs: Vec<PathBuf>,
}

/// What [`clear_cache`] did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cleared {
    /// What was deleted.
    pub deleted: Vec<CacheEntry>,
    /// What was kept because a process has it open, and the hashes that find it.
    pub in_use: Vec<CacheEntry>,
    /// What was kept because it is younger than asked for.
    pub young: Vec<CacheEntry>,
    /// What is in the folder and not Kiln's.
    pub foreign: Vec<PathBuf>,
}

/// What Kiln made in a cache's folder, by name, and what is not Kiln's there. No folder, nothing.
///
/// # Errors
/// If the folder can't be read.
pub fn list_cache(cache: &Path) -> Result<(Vec<CacheEntry>, Vec<PathBuf>), TextError> {
    let entries = match fs::read_dir(cache) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
        Err(error) => return Err(read_failed(cache)(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(read_failed(cache))?.path());
    }
    paths.sort();
    let mut found = Vec::new();
    let mut foreign = Vec::new();
    for path in paths {
        match entry(&path) {
            Some(entry) => found.push(entry),
            // The lock of a folder that is being made.
            None if Leftover::at(&path).is_some_and(|lock| is_name(&lock.target)) => {}
            None => foreign.push(path),
        }
    }
    Ok((found, foreign))
}

/// Deletes what Kiln made in a cache's folder at least `age` ago and no process has open; nothing
/// else, whatever lies there.
///
/// # Errors
/// If the folder can't be read, or something in it not be deleted.
pub fn clear_cache(cache: &Path, age: Duration) -> Result<Cleared, TextError> {
    let (entries, foreign) = list_cache(cache)?;
    let mut cleared = Cleared {
        foreign,
        ..Cleared::default()
    };
    // Last of all: they find the corpora that stay.
    let (hashes, others): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|entry| entry.kind == EntryKind::Hashes);
    for entry in others.into_iter().chain(hashes) {
        let serves = entry.kind == EntryKind::Hashes && !cleared.in_use.is_empty();
        if entry.is_in_use || serves {
            cleared.in_use.push(entry);
        } else if entry.age < age || entry.kind == EntryKind::Hashes && !cleared.young.is_empty() {
            cleared.young.push(entry);
        } else if delete(&entry.path)? {
            cleared.deleted.push(entry);
        } else {
            // Since it was listed.
            cleared.in_use.push(CacheEntry {
                is_in_use: true,
                ..entry
            });
        }
    }
    Ok(cleared)
}

/// What is at `path`, if it is Kiln's.
fn entry(path: &Path) -> Option<CacheEntry> {
    let name = path.file_name()?.to_str()?;
    let metadata = fs::symlink_metadata(path).ok()?;
    if metadata.is_file() {
        is_name(name.strip_suffix(SUFFIX)?).then_some(())?;
        return Some(CacheEntry {
            path: path.to_path_buf(),
            kind: EntryKind::Hashes,
            bytes: metadata.len(),
            age: age(&metadata),
            is_in_use: false,
            runs: Vec::new(),
        });
    }
    // A link is somebody's own.
    metadata.is_dir().then_some(())?;
    let leftover = Leftover::at(path);
    is_name(leftover.as_ref().map_or(name, |leftover| &leftover.target)).then_some(())?;
    let mut bytes = 0;
    for file in fs::read_dir(path).ok()? {
        let file = file.ok()?;
        FILES.contains(&file.file_name().to_str()?).then_some(())?;
        bytes += file.metadata().ok()?.len();
    }
    let kind = match leftover {
        Some(_) => EntryKind::Leftover,
        None => match read_header(path) {
            Ok(header) => EntryKind::Corpus(Box::new(header)),
            Err(reason) => EntryKind::Unreadable(reason.to_string()),
        },
    };
    let made = fs::metadata(path.join(HEADER)).unwrap_or(metadata);
    let runs = fs::read_to_string(path.join(RUNS)).unwrap_or_default();
    Some(CacheEntry {
        path: path.to_path_buf(),
        kind,
        bytes,
        age: age(&made),
        is_in_use: matches!(lock(path), Lock::Others),
        runs: runs.lines().map(PathBuf::from).collect(),
    })
}

fn age(metadata: &fs::Metadata) -> Duration {
    let made = metadata.modified().ok();
    made.and_then(|made| SystemTime::now().duration_since(made).ok())
        .unwrap_or_default()
}

/// Who holds the lock on a shard's folder.
enum Lock {
    /// Nobody did; now it is held for as long as this file is open, where the file system has locks
    /// and the folder has the file that is locked.
    Ours(Option<File>),
    /// A process that reads the shard, or makes it.
    Others,
}

fn lock(dir: &Path) -> Lock {
    let locked = Leftover::at(dir).map_or_else(|| dir.join(HEADER), |leftover| leftover.lock);
    let file = File::open(locked).ok();
    match file.as_ref().map(File::try_lock) {
        Some(Err(fs::TryLockError::WouldBlock)) => Lock::Others,
        _ => Lock::Ours(file),
    }
}

/// Deletes something of a cache, unless a process uses it: whether it did. Files go by their names
/// and a folder when it is empty: what came into it meanwhile stays.
fn delete(path: &Path) -> Result<bool, TextError> {
    let done = |path: &Path, result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(write_failed(path)(error)),
        _ => Ok(()),
    };
    if !path.is_dir() {
        return done(path, fs::remove_file(path)).map(|()| true);
    }
    let Lock::Ours(_lock) = lock(path) else {
        return Ok(false);
    };
    // Whole or not there under its name, whenever this is interrupted.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let leftover = Leftover::at(path);
    let aside = match leftover {
        Some(_) => path.to_path_buf(),
        None => path.with_file_name(format!(".{name}.partial-cleared")),
    };
    if aside != path {
        // What an interrupted one left has this name.
        delete(&aside)?;
        done(path, fs::rename(path, &aside))?;
    }
    for name in FILES {
        let file = aside.join(name);
        done(&file, fs::remove_file(&file))?;
    }
    done(&aside, fs::remove_dir(&aside))?;
    if let Some(Leftover { lock, .. }) = leftover {
        // Beside the folder, or gone with it.
        done(&lock, fs::remove_file(&lock))?;
    }
    Ok(true)
}

/// Deletes what lies where a shard is to be if it is part of one, without the header, and nothing
/// else: it can't be read, and there is no other place for the whole one.
pub(super) fn make_way(dir: &Path) -> Result<(), TextError> {
    if !dir.join(HEADER).exists() && entry(dir).is_some() {
        delete(dir)?;
    }
    Ok(())
}

/// Bytes of the corpora in a cache's folder, without opening them; 0 where there is none.
pub fn cache_bytes(cache: &Path) -> u64 {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let is_corpus = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(is_name);
    entries(cache)
        .filter(is_corpus)
        .flat_map(|entry| entries(&entry.path()))
        .filter_map(|file| file.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
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
