//! A file that appears whole or not at all.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::FileError;
use crate::leftover::clean_stale_of;
use crate::sync::sync_name;
use crate::temporary::{Names, removed};

/// A file under a temporary name; dropped without [`WholeFile::commit`] it is removed.
///
/// A link is followed, and what it leads to replaced. What is neither file nor folder, such as `/dev/null`
/// or a pipe, is never replaced but written to.
#[derive(Debug)]
pub struct WholeFile {
    file: File,
    /// None: what is written to has its name already.
    temporary: Option<PathBuf>,
    target: PathBuf,
    is_committed: bool,
}

impl WholeFile {
    /// Creates the temporary file for `target`, and removes what killed writers of it left.
    ///
    /// # Errors
    /// If `target` has no name or nothing can be written beside it.
    pub fn create(target: &Path) -> Result<Self, FileError> {
        let target = behind_links(target);
        if fs::metadata(&target).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            let file = File::options().write(true).open(&target);
            return Ok(Self {
                file: file.map_err(FileError::io(&target))?,
                temporary: None,
                target,
                is_committed: false,
            });
        }
        clean_stale_of(&target);
        let (names, file) = Names::locked(&target, |names| &names.temporary)?;
        Ok(Self {
            file,
            temporary: Some(names.temporary),
            target,
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
        let Some(temporary) = &self.temporary else {
            return Ok(());
        };
        let synced = self.file.sync_all();
        let renamed = synced.and_then(|()| fs::rename(temporary, &self.target));
        renamed.map_err(FileError::io(&self.target))?;
        self.is_committed = true;
        sync_name(&self.target)
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.as_ref().filter(|_| !self.is_committed) {
            removed(temporary, fs::remove_file(temporary));
        }
    }
}

/// What a path leads to, or would if it were there.
fn behind_links(path: &Path) -> PathBuf {
    /// As many as Linux follows.
    const MOST: usize = 40;
    let mut path = path.to_path_buf();
    for _ in 0..MOST {
        let Ok(next) = fs::read_link(&path) else {
            break;
        };
        // What a link in /proc leads to may have no name in the file system.
        let next = match path.parent() {
            Some(parent) => parent.join(next),
            None => next,
        };
        if fs::symlink_metadata(&next).is_err() && fs::metadata(&path).is_ok() {
            break;
        }
        path = next;
    }
    path
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
