//! Why something can't appear under its name.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file or folder could not be written or cleaned. Nothing is left under the final name.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum FileError {
    /// The name is taken.
    #[error("{}: exists already; choose another name or remove it", path.display())]
    Exists { path: PathBuf },
    /// The path has no last part that could be a name.
    #[error("{}: is not a name a file or folder can have; pass a path such as run/model", path.display())]
    Name { path: PathBuf },
    /// The file system refused.
    #[error("{}: cannot be written ({reason}); check free space and permissions", path.display())]
    Io { path: PathBuf, reason: io::Error },
}

impl FileError {
    /// Makes an I/O error one that tells of `path`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |reason| Self::Io { path, reason }
    }
}
