//! Temporary names beside the final ones, and the locks that tell of living writers.
//!
//! A temporary name is `.tmp-<final name>-<process>-<counter>`, hidden and in the same folder, so that
//! the rename at the end stays within one file system. Its writer holds a lock that the operating
//! system drops when the process dies: what is locked belongs to a living writer, the rest is left
//! over. A file is its own lock; a folder has a lock file beside it, with `.lock` appended.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::FileError;

/// What a temporary name begins with.
pub(crate) const TEMPORARY: &str = ".tmp-";
/// What the name of a folder that is being replaced begins with.
pub(crate) const REPLACED: &str = ".old-";
/// What the name of a folder's lock ends with.
pub(crate) const LOCK: &str = ".lock";

/// Tells apart the temporary names of one process.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// The names a writer uses beside its target.
#[derive(Debug)]
pub(crate) struct Names {
    /// What is written.
    pub(crate) temporary: PathBuf,
    /// The lock of a folder.
    pub(crate) lock: PathBuf,
    /// A folder that is being replaced.
    pub(crate) replaced: PathBuf,
}

impl Names {
    /// Names that no living writer has, and the lock on one of them, which `lock` picks.
    pub(crate) fn locked(
        target: &Path,
        lock: impl Fn(&Self) -> &Path,
    ) -> Result<(Self, File), FileError> {
        let name = target.file_name().ok_or_else(|| FileError::Name {
            path: target.to_path_buf(),
        })?;
        loop {
            let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
            let numbers = format!("-{}-{counter}", std::process::id());
            let beside = |first: &str, last: &str| {
                let mut beside = OsString::from(first);
                beside.push(name);
                beside.push(&numbers);
                beside.push(last);
                target.with_file_name(beside)
            };
            let names = Self {
                temporary: beside(TEMPORARY, ""),
                lock: beside(TEMPORARY, LOCK),
                replaced: beside(REPLACED, ""),
            };
            if let Some(file) = create_locked(lock(&names)).map_err(FileError::io(target))? {
                return Ok((names, file));
            }
        }
    }
}

/// A new file at `path`, locked; `None` if the name is taken or somebody cleaned it away at once.
fn create_locked(path: &Path) -> io::Result<Option<File>> {
    let file = match File::options().write(true).create_new(true).open(path) {
        Ok(file) => file,
        // Left by a killed process that had our number; its cleaning is not our business here.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        // Between creation and lock a cleaner may have taken it for a leftover.
        Ok(()) => Ok(path.exists().then_some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        // A file system without locks: nobody can lock, so nobody takes this for a leftover.
        Err(TryLockError::Error(_)) => Ok(Some(file)),
    }
}

/// Whether nobody holds the lock on `file`. Where locks do not work that cannot be known: no.
pub(crate) fn is_abandoned(file: &File) -> bool {
    file.try_lock().is_ok()
}

/// Tells of a leftover that can't be removed: a nuisance, not a failure, since the next cleaning tries
/// again.
pub(crate) fn removed(path: &Path, result: io::Result<()>) {
    if let Err(reason) = result
        && reason.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("{}: cannot be removed ({reason})", path.display());
    }
}
