//! What killed writers leave, and its removal.
//!
//! Earlier versions wrote folders of shards as `.<final name>.partial-<letters>`, with their lock
//! inside; those are known as well.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::FileError;
use crate::sync::parent;
use crate::temporary::{LOCK, REPLACED, TEMPORARY, is_abandoned};

/// What stands between the final name and the letters of a shard's folder of an earlier version.
const PARTIAL: &str = ".partial-";

/// A temporary name: what a killed writer left under it, or what a living one is writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The final name that it would have had.
    pub target: String,
    /// The file whose lock a living writer holds; a file is its own lock, and so is a folder's lock.
    pub lock: PathBuf,
}

impl Leftover {
    /// What `path` tells by its name; `None` for other names than temporary ones.
    pub fn at(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        if let Some(numbered) = name.strip_prefix(TEMPORARY) {
            let is_lock = numbered.ends_with(LOCK);
            let target = numbered_target(numbered.strip_suffix(LOCK).unwrap_or(numbered))?;
            let mut lock = path.as_os_str().to_owned();
            if path.is_dir() && !is_lock {
                lock.push(LOCK);
            }
            return Some(Self {
                target,
                lock: lock.into(),
            });
        }
        if let Some(numbered) = name.strip_prefix(REPLACED) {
            return Some(Self {
                target: numbered_target(numbered)?,
                lock: path.with_file_name(format!("{TEMPORARY}{numbered}{LOCK}")),
            });
        }
        let (target, _) = name.strip_prefix('.')?.split_once(PARTIAL)?;
        Some(Self {
            target: target.to_owned(),
            lock: path.join(LOCK),
        })
    }
}

/// The final name before the numbers of the process and of its counter.
fn numbered_target(numbered: &str) -> Option<String> {
    let mut parts = numbered.rsplitn(3, '-');
    let is_number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u64>().is_ok());
    let is_numbered = is_number(parts.next()) && is_number(parts.next());
    is_numbered
        .then(|| parts.next().map(str::to_owned))
        .flatten()
}

/// Removes what killed writers left in `folder`, and gives a folder that was being replaced when its
/// writer died its name back. What a living writer holds is untouched; a folder that does not exist
/// needs no cleaning.
///
/// # Errors
/// If the folder cannot be listed or a leftover cannot be removed; the others are, and the first such
/// error is given.
pub fn clean_stale(folder: &Path) -> Result<(), FileError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(reason) => return Err(FileError::io(folder)(reason)),
    };
    let mut first_error = None;
    for entry in entries {
        let entry = entry.map_err(FileError::io(folder))?;
        let Some(name) = entry.file_name().to_str().map(ToOwned::to_owned) else {
            continue;
        };
        let path = entry.path();
        match clean(&path, &name) {
            Err(reason) if reason.kind() != io::ErrorKind::NotFound => {
                first_error.get_or_insert_with(|| FileError::io(&path)(reason));
            }
            // Not found: its writer has just finished, or another process cleans as well.
            _ => {}
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// Removes what killed writers of `target` left beside it, in a folder that may be anybody's. What
/// can't be removed stays: it harms nobody.
pub(crate) fn clean_stale_of(target: &Path) {
    // Other names than UTF-8 would lead to other folders' locks.
    let Some(wanted) = target.file_name().and_then(|name| name.to_str()) else {
        return;
    };
    let entries = fs::read_dir(parent(target));
    for path in entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
    {
        if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && Leftover::at(&path).is_some_and(|leftover| leftover.target == wanted)
        {
            let _ = clean(&path, name);
        }
    }
}

/// Removes what lies under a temporary name, or gives it the name back that it had; other names are
/// left alone.
fn clean(path: &Path, name: &str) -> io::Result<()> {
    // Without the numbers too: what is being deleted has a name of that kind.
    if name.starts_with(TEMPORARY) {
        return clean_temporary(path, name);
    }
    let Some(leftover) = Leftover::at(path) else {
        return Ok(());
    };
    if name.starts_with(REPLACED) {
        clean_replaced(path, &leftover)
    } else {
        clean_partial(path, &leftover.lock)
    }
}

fn clean_temporary(path: &Path, name: &str) -> io::Result<()> {
    if path.is_dir() {
        let lock = path.with_file_name(format!("{name}{LOCK}"));
        match File::open(&lock) {
            // The lock's own turn comes, or came.
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::remove_dir_all(path),
            Err(error) => Err(error),
        }
    } else {
        let file = File::open(path)?;
        if !is_abandoned(&file) {
            return Ok(());
        }
        if let Some(folder) = name.strip_suffix(LOCK) {
            let folder = path.with_file_name(folder);
            if folder.is_dir() {
                fs::remove_dir_all(folder)?;
            }
        }
        fs::remove_file(path)
    }
}

fn clean_replaced(path: &Path, leftover: &Leftover) -> io::Result<()> {
    match File::open(&leftover.lock) {
        Ok(lock) if !is_abandoned(&lock) => return Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let target = path.with_file_name(&leftover.target);
    if target.symlink_metadata().is_ok() {
        fs::remove_dir_all(path)
    } else {
        fs::rename(path, target)
    }
}

/// Removes a shard's folder of an earlier version whose writer is gone.
fn clean_partial(path: &Path, lock: &Path) -> io::Result<()> {
    match File::open(lock) {
        Ok(lock) if is_abandoned(&lock) => fs::remove_dir_all(path),
        Ok(_) => Ok(()),
        // Killed before it had a lock: it is empty.
        Err(_) => fs::remove_dir(path),
    }
}
