//! Temporary names beside the final ones, and their removal after a kill.
//!
//! A temporary name is `.tmp-<final name>-<process>-<counter>`, hidden and in the same folder, so that
//! the rename at the end stays within one file system. Its writer holds a lock that the operating
//! system drops when the process dies: what is locked belongs to a living writer, the rest is left
//! over. A file is its own lock; a folder has a lock file beside it, with `.lock` appended.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::WriteError;

/// What a temporary name begins with.
const TEMPORARY: &str = ".tmp-";
/// What the name of a folder that is being replaced begins with.
const REPLACED: &str = ".old-";
/// What the name of a folder's lock ends with.
const LOCK: &str = ".lock";

/// Tells apart the temporary names of one process.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A file under a temporary name; dropped without [`ScratchFile::commit`] it is removed.
#[derive(Debug)]
pub(crate) struct ScratchFile {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    committed: bool,
}

impl ScratchFile {
    /// Creates the temporary file for `target`.
    pub(crate) fn create(target: &Path) -> Result<Self, WriteError> {
        let (temporary, file) = loop {
            let temporary = Neighbours::new(target)?.temporary;
            let created = create_locked(&temporary);
            if let Some(file) = created.map_err(|reason| WriteError::io(target, reason))? {
                break (temporary, file);
            }
        };
        Ok(Self {
            file,
            temporary,
            target: target.to_path_buf(),
            committed: false,
        })
    }

    /// The file to write to.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Syncs the file and gives it its final name, in the place of a file that has it.
    pub(crate) fn commit(mut self) -> Result<(), WriteError> {
        let synced = self.file.sync_all();
        let renamed = synced.and_then(|()| fs::rename(&self.temporary, &self.target));
        renamed.map_err(|reason| WriteError::io(&self.target, reason))?;
        self.committed = true;
        sync_name(&self.target)
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        if !self.committed {
            remove(&self.temporary, fs::remove_file(&self.temporary));
        }
    }
}

/// A locked folder under a temporary name; dropped without [`ScratchFolder::commit`] it is removed.
#[derive(Debug)]
pub(crate) struct ScratchFolder {
    /// Held for as long as the folder is.
    _lock: File,
    names: Neighbours,
    target: PathBuf,
    committed: bool,
}

impl ScratchFolder {
    /// Creates the temporary folder for `target`.
    pub(crate) fn create(target: &Path) -> Result<Self, WriteError> {
        let failed = |reason| WriteError::io(target, reason);
        let (names, lock) = loop {
            let names = Neighbours::new(target)?;
            // First the lock, then the folder: a folder without a lock has no living writer.
            if let Some(lock) = create_locked(&names.lock).map_err(failed)? {
                break (names, lock);
            }
        };
        let scratch = Self {
            _lock: lock,
            names,
            target: target.to_path_buf(),
            committed: false,
        };
        fs::create_dir(&scratch.names.temporary).map_err(failed)?;
        Ok(scratch)
    }

    /// The folder to write into.
    pub(crate) fn path(&self) -> &Path {
        &self.names.temporary
    }

    /// Syncs everything in the folder and gives it its final name. A folder that has that name is
    /// put aside first and removed afterwards if `replace`, otherwise it is an error.
    pub(crate) fn commit(mut self, replace: bool) -> Result<(), WriteError> {
        let failed = |reason| WriteError::io(&self.target, reason);
        sync_tree(self.path())?;
        let exists = self.target.symlink_metadata().is_ok();
        if exists && !replace {
            return Err(WriteError::Exists {
                path: self.target.clone(),
            });
        }
        if exists {
            fs::rename(&self.target, &self.names.replaced).map_err(failed)?;
        }
        if let Err(reason) = fs::rename(self.path(), &self.target) {
            if exists && let Err(reason) = fs::rename(&self.names.replaced, &self.target) {
                return Err(failed(reason));
            }
            return Err(match reason.kind() {
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                    WriteError::Exists {
                        path: self.target.clone(),
                    }
                }
                _ => failed(reason),
            });
        }
        self.committed = true;
        sync_name(&self.target)?;
        if exists {
            remove_any(&self.names.replaced);
        }
        Ok(())
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        if !self.committed {
            remove_any(&self.names.temporary);
        }
        remove(&self.names.lock, fs::remove_file(&self.names.lock));
    }
}

/// Removes what killed writers left in `folder`, and gives a folder that was being replaced when its
/// writer died its name back. What a living writer holds is untouched; a folder that does not exist
/// needs no cleaning.
///
/// # Errors
/// If the folder cannot be listed or a leftover cannot be removed; the others are, and the first such
/// error is given.
pub fn clean_stale(folder: &Path) -> Result<(), WriteError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(reason) => return Err(WriteError::io(folder, reason)),
    };
    let mut first_error = None;
    for entry in entries {
        let entry = entry.map_err(|reason| WriteError::io(folder, reason))?;
        let Some(name) = entry.file_name().to_str().map(ToOwned::to_owned) else {
            continue;
        };
        let path = entry.path();
        let cleaned = if name.starts_with(TEMPORARY) {
            clean_temporary(&path, &name)
        } else if let Some(suffix) = name.strip_prefix(REPLACED) {
            clean_replaced(folder, &path, suffix)
        } else {
            Ok(())
        };
        match cleaned {
            Err(reason) if reason.kind() != io::ErrorKind::NotFound => {
                first_error.get_or_insert_with(|| WriteError::io(&path, reason));
            }
            // Not found: its writer has just finished, or another process cleans as well.
            _ => {}
        }
    }
    first_error.map_or(Ok(()), Err)
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
        if !is_abandoned(&file)? {
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

fn clean_replaced(folder: &Path, path: &Path, suffix: &str) -> io::Result<()> {
    match File::open(folder.join(format!("{TEMPORARY}{suffix}{LOCK}"))) {
        Ok(lock) if !is_abandoned(&lock)? => return Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // The name, then the process and the counter.
    let Some(name) = suffix.rsplitn(3, '-').nth(2) else {
        return Ok(());
    };
    let target = folder.join(name);
    if target.symlink_metadata().is_ok() {
        fs::remove_dir_all(path)
    } else {
        fs::rename(path, target)
    }
}

/// The names a writer uses beside `target`.
#[derive(Debug)]
struct Neighbours {
    temporary: PathBuf,
    lock: PathBuf,
    replaced: PathBuf,
}

impl Neighbours {
    /// Names that no living writer has.
    fn new(target: &Path) -> Result<Self, WriteError> {
        let name = target.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| WriteError::Name {
            path: target.to_path_buf(),
        })?;
        let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
        let suffix = format!("{name}-{}-{counter}", std::process::id());
        Ok(Self {
            temporary: target.with_file_name(format!("{TEMPORARY}{suffix}")),
            lock: target.with_file_name(format!("{TEMPORARY}{suffix}{LOCK}")),
            replaced: target.with_file_name(format!("{REPLACED}{suffix}")),
        })
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
fn is_abandoned(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => Ok(false),
    }
}

/// The folder that `path` lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Syncs every file below `folder`, then the folders.
///
/// # Errors
/// If the folder cannot be listed or something in it not synced.
pub fn sync_tree(folder: &Path) -> Result<(), WriteError> {
    let failed = |reason| WriteError::io(folder, reason);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            let file = File::options().read(true).write(true).open(&path);
            let synced = file.and_then(|file| file.sync_all());
            synced.map_err(|reason| WriteError::io(&path, reason))?;
        }
    }
    sync_folder(folder)
}

/// Makes the name of what lies at `path` durable, where the platform can sync a folder.
///
/// # Errors
/// If its folder can't be synced.
pub fn sync_name(path: &Path) -> Result<(), WriteError> {
    sync_folder(parent(path))
}

/// Makes the names in `folder` durable, where the platform can sync a folder.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), WriteError> {
    if cfg!(unix) {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|reason| WriteError::io(folder, reason))?;
    }
    Ok(())
}

fn remove_any(path: &Path) {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    remove(path, removed);
}

/// A leftover is a nuisance, not a failure: the next cleaning tries again.
fn remove(path: &Path, removed: io::Result<()>) {
    if let Err(reason) = removed
        && reason.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("{}: cannot be removed ({reason})", path.display());
    }
}
