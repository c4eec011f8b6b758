//! A model or checkpoint folder that appears under its final name whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use kiln_files::WholeFolder;

use crate::WriteError;
use crate::seal;

/// A folder being written under a temporary name beside its final one.
///
/// [`CheckpointFolder::commit`] syncs it and renames it; dropping it without removes it, and after a
/// kill [`clean_stale`](kiln_files::clean_stale) does.
#[derive(Debug)]
pub struct CheckpointFolder(WholeFolder);

impl CheckpointFolder {
    /// Begins a folder whose name must not be taken yet but by an empty one; missing parents are
    /// created.
    ///
    /// # Errors
    /// If the name is taken or nothing can be written there.
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        Ok(Self(WholeFolder::create(path)?))
    }

    /// Begins a folder that takes the place of one with this name, if there is one, at the very end:
    /// until then, and if writing fails, the old one stays.
    ///
    /// # Errors
    /// If nothing can be written there.
    pub fn replace(path: &Path) -> Result<Self, WriteError> {
        Ok(Self(WholeFolder::replace(path)?))
    }

    /// Where to write for now.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Creates a folder inside, such as `training` or `generator`.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn subfolder(&self, name: &str) -> Result<PathBuf, WriteError> {
        let path = self.path().join(name);
        fs::create_dir_all(&path).map_err(|reason| WriteError::io(&path, reason))?;
        Ok(path)
    }

    /// Writes [`MANIFEST`](crate::MANIFEST), the sizes and checksums of all files so far, by which
    /// [`verify`](crate::verify) tells a whole checkpoint from a torn one. The last thing before
    /// [`CheckpointFolder::commit`].
    ///
    /// # Errors
    /// If a file cannot be read back or the list not written.
    pub fn seal(&self) -> Result<(), WriteError> {
        seal::seal(self.path())
    }

    /// Makes everything durable and gives the folder its final name.
    ///
    /// # Errors
    /// If syncing or renaming fails, or the name has been taken in the meantime. Then nothing is left
    /// under the final name but what was there before.
    pub fn commit(self) -> Result<(), WriteError> {
        Ok(self.0.commit()?)
    }
}
