//! Sizes and checksums of a checkpoint's files: whether what is there is what was written.
//!
//! The atomic rename keeps half-written folders from appearing. What it cannot see (a disk that lost
//! data behind a sync, a copy cut short, an edited file) the list finds, and resuming can fall back
//! to the checkpoint before.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::write::write_json;
use crate::{OpenError, WriteError};

/// Where a sealed checkpoint keeps the list, relative to the folder.
pub const MANIFEST: &str = "training/checksums.json";
/// Bytes read at a time.
const CHUNK_BYTES: usize = 1 << 18;

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// By path relative to the folder, with `/` between its parts.
    files: BTreeMap<String, Checksum>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Checksum {
    bytes: u64,
    crc32: u32,
}

/// Writes the list for `folder`.
pub(crate) fn seal(folder: &Path) -> Result<(), WriteError> {
    let mut paths = Vec::new();
    list(folder, &mut paths).map_err(|reason| WriteError::io(folder, reason))?;
    let mut files = BTreeMap::new();
    for path in paths {
        let relative = path.strip_prefix(folder).unwrap_or(&path);
        let parts: Option<Vec<&str>> = relative.iter().map(|part| part.to_str()).collect();
        let name = parts
            .ok_or_else(|| WriteError::Name { path: path.clone() })?
            .join("/");
        let checksum = checksum(&path).map_err(|reason| WriteError::io(&path, reason))?;
        files.insert(name, checksum);
    }
    // A list says nothing of itself; that of an earlier seal must not outlive it either.
    files.remove(MANIFEST);
    let path = folder.join(MANIFEST);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|reason| WriteError::io(parent, reason))?;
    }
    write_json(&path, &Manifest { files })
}

/// Checks every file of a sealed checkpoint against the list. Files that came later are no harm.
///
/// # Errors
/// If the list or a file of it is missing, unreadable or not what was written.
pub fn verify(folder: &Path) -> Result<(), OpenError> {
    let path = folder.join(MANIFEST);
    let torn = |path: &Path, problem: String| OpenError::Torn {
        path: path.to_path_buf(),
        problem,
    };
    let unreadable = |path: &Path, reason: io::Error| match reason.kind() {
        io::ErrorKind::NotFound => torn(path, "is missing".to_owned()),
        _ => OpenError::read(path, reason),
    };
    let text = fs::read(&path).map_err(|reason| unreadable(&path, reason))?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|reason| torn(&path, format!("is not a list of checksums ({reason})")))?;
    for (name, expected) in manifest.files {
        let inside = Path::new(&name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            let problem = format!("names {name}, which is outside the checkpoint");
            return Err(torn(&path, problem));
        }
        let file = folder.join(&name);
        let found = checksum(&file).map_err(|reason| unreadable(&file, reason))?;
        if found.bytes != expected.bytes {
            let problem = format!("has {} bytes, {} were written", found.bytes, expected.bytes);
            return Err(torn(&file, problem));
        }
        if found != expected {
            return Err(torn(&file, "is not what was written".to_owned()));
        }
    }
    Ok(())
}

/// Every file below `folder`.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn checksum(path: &Path) -> io::Result<Checksum> {
    let mut file = File::open(path)?;
    let mut hasher = crc32fast::Hasher::new();
    let mut bytes = 0;
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = match file.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        if count == 0 {
            break;
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
        bytes += count as u64;
    }
    Ok(Checksum {
        bytes,
        crc32: hasher.finalize(),
    })
}
