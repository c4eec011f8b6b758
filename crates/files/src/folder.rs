//! A folder that appears whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::FileError;
use crate::leftover::clean_stale_of;
use crate::sync::{create_folders, parent, sync_name, sync_tree};
use crate::temporary::{Names, removed};

/// A locked folder under a temporary name; dropped without [`WholeFolder::commit`] it is removed.
#[derive(Debug)]
pub struct WholeFolder {
    /// Held for as long as the folder is.
    _lock: File,
    names: Names,
    target: PathBuf,
    replaces: bool,
    is_committed: bool,
}

impl WholeFolder {
    /// Begins a folder whose name must not be taken yet but by an empty one; missing parents are
    /// created, what killed writers of it left is removed.
    ///
    /// # Errors
    /// If the name is taken or nothing can be written there.
    pub fn create(target: &Path) -> Result<Self, FileError> {
        refuse_taken(target)?;
        Self::begin(target, false)
    }

    /// Begins a folder that takes the place of one with this name, if there is one, at the very end:
    /// until then, and if writing fails, the old one stays.
    ///
    /// # Errors
    /// If nothing can be written there.
    pub fn replace(target: &Path) -> Result<Self, FileError> {
        Self::begin(target, true)
    }

    fn begin(target: &Path, replaces: bool) -> Result<Self, FileError> {
        create_folders(parent(target))?;
        clean_stale_of(target);
        // First the lock, then the folder: a folder without a lock has no living writer.
        let (names, lock) = Names::locked(target, |names| &names.lock)?;
        let folder = Self {
            _lock: lock,
            names,
            target: target.to_path_buf(),
            replaces,
            is_committed: false,
        };
        fs::create_dir(folder.path()).map_err(FileError::io(target))?;
        Ok(folder)
    }

    /// The folder to write into.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.names.temporary
    }

    /// Syncs everything in the folder and gives it its final name. A folder that is replaced is put
    /// aside first and removed afterwards.
    ///
    /// # Errors
    /// If syncing or renaming fails, or the name has been taken in the meantime. Then nothing is left
    /// under the final name but what was there before.
    pub fn commit(mut self) -> Result<(), FileError> {
        sync_tree(self.path())?;
        if !self.replaces {
            refuse_taken(&self.target)?;
            // Renaming onto an empty folder works on Unix only.
            let _ = fs::remove_dir(&self.target);
        }
        let failed = |reason| FileError::io(&self.target)(reason);
        let is_put_aside = self.replaces && self.target.symlink_metadata().is_ok();
        if is_put_aside {
            fs::rename(&self.target, &self.names.replaced).map_err(failed)?;
        }
        if let Err(reason) = fs::rename(self.path(), &self.target) {
            if is_put_aside && let Err(reason) = fs::rename(&self.names.replaced, &self.target) {
                return Err(failed(reason));
            }
            return Err(match reason.kind() {
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                    FileError::Exists {
                        path: self.target.clone(),
                    }
                }
                _ => failed(reason),
            });
        }
        self.is_committed = true;
        sync_name(&self.target)?;
        if is_put_aside {
            remove_any(&self.names.replaced);
        }
        Ok(())
    }

    /// Commits the folder under another name than it was made for, in the same folder.
    ///
    /// # Errors
    /// As [`WholeFolder::commit`].
    pub fn commit_as(mut self, target: &Path) -> Result<(), FileError> {
        self.target = target.to_path_buf();
        self.commit()
    }
}

impl Drop for WholeFolder {
    fn drop(&mut self) {
        if !self.is_committed {
            remove_any(self.path());
        }
        removed(&self.names.lock, fs::remove_file(&self.names.lock));
    }
}

/// Refuses a name that something has, unless it is an empty folder.
fn refuse_taken(target: &Path) -> Result<(), FileError> {
    let is_free = match fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => target.symlink_metadata().is_err(),
    };
    if is_free {
        Ok(())
    } else {
        Err(FileError::Exists {
            path: target.to_path_buf(),
        })
    }
}

fn remove_any(path: &Path) {
    let result = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed(path, result);
}
