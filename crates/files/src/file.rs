//! A file that appears whole or not at all.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::FileError;
use crate::leftover::clean_stale_of;
use crate::sync::sync_name;
use crate::temporary::{Names, removed};

/// A file under a temporary name; dropped without [`WholeFile::commit`] it is removed.
#[derive(Debug)]
pub struct WholeFile {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    is_committed: bool,
}

impl WholeFile {
    /// Creates the temporary file for `target`, and removes what killed writers of it left.
    ///
    /// # Errors
    /// If `target` has no name or nothing can be written beside it.
    pub fn create(target: &Path) -> Result<Self, FileError> {
        clean_stale_of(target);
        let (names, file) = Names::locked(target, |names| &names.temporary)?;
        Ok(Self {
            file,
            temporary: names.temporary,
            target: target.to_path_buf(),
            is_committed: false,
        })
    }

    /// The file to write to.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Syncs the file and gives it its final name, in the place of a file that has it.
    ///
    /// # Errors
    /// If syncing or renaming fails; what had the name keeps it.
    pub fn commit(mut self) -> Result<(), FileError> {
        let synced = self.file.sync_all();
        let renamed = synced.and_then(|()| fs::rename(&self.temporary, &self.target));
        renamed.map_err(FileError::io(&self.target))?;
        self.is_committed = true;
        sync_name(&self.target)
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if !self.is_committed {
            removed(&self.temporary, fs::remove_file(&self.temporary));
        }
    }
}

/// Writes `bytes` to `path` as a whole.
///
/// # Errors
/// If the file system refuses; `path` is then as it was before.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = WholeFile::create(path)?;
    file.file().write_all(bytes).map_err(FileError::io(path))?;
    file.commit()
}
