//! Names and bytes that outlive a crash.

use std::fs::{self, File};
use std::path::Path;

use crate::FileError;

/// The folder that `path` lies in; `.` for a mere name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Makes the name of what lies at `path` durable, where the platform can sync a folder.
///
/// # Errors
/// If its folder can't be synced.
pub fn sync_name(path: &Path) -> Result<(), FileError> {
    sync_folder(parent(path))
}

/// Makes the names in `folder` durable, where the platform can sync a folder.
fn sync_folder(folder: &Path) -> Result<(), FileError> {
    if cfg!(unix) {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(FileError::io(folder))?;
    }
    Ok(())
}

/// Syncs every file below `folder`, then the folders.
pub(crate) fn sync_tree(folder: &Path) -> Result<(), FileError> {
    for entry in fs::read_dir(folder).map_err(FileError::io(folder))? {
        let path = entry.map_err(FileError::io(folder))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            // Windows syncs what may be written to; elsewhere a file of others may be in the folder.
            let file = File::options().read(true).write(cfg!(windows)).open(&path);
            let synced = file.and_then(|file| file.sync_all());
            synced.map_err(FileError::io(&path))?;
        }
    }
    sync_folder(folder)
}

/// Creates `path` and its parents, durably: what lies in a folder that a crash takes back is lost.
///
/// # Errors
/// If one can't be made or synced.
pub fn create_folders(path: &Path) -> Result<(), FileError> {
    let missing = path
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    let missing: Vec<&Path> = missing.collect();
    fs::create_dir_all(path).map_err(FileError::io(path))?;
    missing.into_iter().try_for_each(sync_name)
}
