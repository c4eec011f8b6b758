//! What files are known by: their sizes and the hashes of their bytes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{TextError, read_failed};

/// A file: its size and what its bytes hash to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFile {
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// A file that text was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFile {
    /// The path as it was given.
    pub path: String,
    /// Size in bytes, as stored.
    pub bytes: u64,
    /// SHA-256 of the bytes as stored, hexadecimal.
    pub sha256: String,
    /// Whether the text came through a pipe: there is no such file to read again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_pipe: bool,
}

impl InputFile {
    /// Reads the file at `path` to its end.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn of(path: &Path) -> Result<Self, TextError> {
        let file = file_digest(path).map_err(read_failed(path))?;
        Ok(Self {
            path: path.display().to_string(),
            bytes: file.bytes,
            sha256: file.sha256,
            is_pipe: false,
        })
    }
}

/// The size of a file and what its bytes hash to.
pub(crate) fn file_digest(path: &Path) -> io::Result<DataFile> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => {
                return Ok(DataFile {
                    bytes,
                    sha256: hex(&hasher.finalize()),
                });
            }
            Ok(read) => {
                hasher.update(buffer.get(..read).unwrap_or_default());
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Lowercase hexadecimal digits, as identities and checksums are written.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
