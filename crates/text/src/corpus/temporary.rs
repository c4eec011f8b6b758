//! A folder that appears under its name complete or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{TextError, write_failed};

/// Held locked while a folder is being written, so that the next run can tell a killed writer's
/// folder from a working one's.
pub(super) const LOCK: &str = ".lock";

/// A folder being written beside its final place; removed unless [`Temporary::publish`] succeeds.
#[derive(Debug)]
pub(super) struct Temporary {
    dir: tempfile::TempDir,
    target: PathBuf,
    lock: File,
}

impl Temporary {
    /// Refuses a target that is there (unless it is an empty folder), removes what killed runs left,
    /// and makes a folder beside the target.
    pub(super) fn create(target: &Path) -> Result<Self, TextError> {
        refuse_existing(target)?;
        let name = target.file_name().ok_or_else(|| TextError::Exists {
            path: target.to_path_buf(),
        })?;
        let parent = parent(target);
        fs::create_dir_all(&parent).map_err(write_failed(&parent))?;
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".partial-");
        remove_stale(&parent, &prefix);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        // Temporary folders are private; a shard is an ordinary one.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let dir = builder.tempdir_in(&parent).map_err(write_failed(target))?;
        let path = dir.path().join(LOCK);
        let lock = File::create_new(&path).map_err(write_failed(&path))?;
        lock.lock().map_err(write_failed(&path))?;
        Ok(Self {
            dir,
            target: target.to_path_buf(),
            lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Gives the folder its final name. What is in it must be on the disk already.
    pub(super) fn publish(self) -> Result<(), TextError> {
        let target = self.target.clone();
        self.publish_as(&target)
    }

    /// Gives the folder another name than it was made for, in the same folder.
    pub(super) fn publish_as(self, target: &Path) -> Result<(), TextError> {
        let Self { dir, lock, .. } = self;
        sync_dir(dir.path())?;
        refuse_existing(target)?;
        // Renaming onto an empty folder works on Unix only.
        let _ = fs::remove_dir(target);
        fs::rename(dir.path(), target).map_err(write_failed(target))?;
        // Nothing is left under the temporary name.
        let _ = dir.keep();
        drop(lock);
        let _ = fs::remove_file(target.join(LOCK));
        sync_dir(&parent(target))
    }
}

fn refuse_existing(target: &Path) -> Result<(), TextError> {
    let is_free = match fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => fs::symlink_metadata(target).is_err(),
    };
    if is_free {
        Ok(())
    } else {
        Err(TextError::Exists {
            path: target.to_path_buf(),
        })
    }
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Removes folders whose writer is gone. What can't be removed stays: it harms nobody.
fn remove_stale(parent: &Path, prefix: &OsString) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !name
            .as_encoded_bytes()
            .starts_with(prefix.as_encoded_bytes())
        {
            continue;
        }
        let path = entry.path();
        match File::open(path.join(LOCK)) {
            Ok(lock) if lock.try_lock().is_ok() => {
                let _ = fs::remove_dir_all(&path);
            }
            Ok(_) => {}
            // Killed before it had a lock: it is empty.
            Err(_) => {
                let _ = fs::remove_dir(&path);
            }
        }
    }
}

/// Brings a folder's entries to the disk where the system can.
fn sync_dir(path: &Path) -> Result<(), TextError> {
    if cfg!(unix) {
        File::open(path)
            .and_then(|dir| dir.sync_all())
            .map_err(write_failed(path))?;
    }
    Ok(())
}
