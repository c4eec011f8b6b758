//! Hashes of files, remembered for as long as the files stay as they are.
//!
//! Size and time of change are not enough to know that: `touch -r`, `cp -p`, `rsync --inplace` and
//! unpacking an archive set the time. The system's own time of change (ctime), which nothing sets,
//! tells on Unix; so does the number of the file (inode). A change in the very moment of looking can
//! have the time that was seen, so what was changed just before is not trusted. Elsewhere there is no
//! such time, and files are hashed every time: a second or two for a gigabyte, tokenising takes a
//! minute.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::digits::{digits, update};
use crate::error::{TextError, read_failed};
use crate::reading::file_digest;

/// What follows the digits in the name of a file of hashes.
pub(super) const SUFFIX: &str = ".files.json";

/// A file changed this shortly before it was looked at may change again within the same tick of
/// its file system's clock: FAT's has two seconds.
const UNSETTLED_NANOSECONDS: i64 = 3_000_000_000;

/// What the system knows of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    bytes: u64,
    modified: u64,
    /// Device, inode and ctime.
    identity: Option<(u64, u64, i64)>,
    /// Nothing changed it just before.
    settled: bool,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let since = |time: SystemTime| {
            time.duration_since(UNIX_EPOCH)
                .map_or(0, |time| time.as_nanos() as u64)
        };
        let identity = identity(metadata);
        let now = since(SystemTime::now());
        let settled = identity.is_some_and(|(_, _, changed)| {
            (now as i64).saturating_sub(changed) > UNSETTLED_NANOSECONDS
        });
        Self {
            bytes: metadata.len(),
            modified: metadata.modified().map_or(0, since),
            identity,
            settled,
        }
    }

    /// Whether a file with this stamp is the one that had the stamp `before`.
    fn is_unchanged(&self, before: &Self) -> bool {
        before.settled
            && self.identity.is_some()
            && (self.bytes, self.modified, self.identity)
                == (before.bytes, before.modified, before.identity)
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Option<(u64, u64, i64)> {
    use std::os::unix::fs::MetadataExt as _;
    let seconds = metadata.ctime().saturating_mul(1_000_000_000);
    let changed = seconds.saturating_add(metadata.ctime_nsec());
    Some((metadata.dev(), metadata.ino(), changed))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<(u64, u64, i64)> {
    None
}

/// The stamps of files now.
pub(super) fn take(files: &[PathBuf]) -> Result<Vec<Stamp>, TextError> {
    let stamp = |path: &PathBuf| {
        let metadata = fs::metadata(path).map_err(read_failed(path))?;
        Ok(Stamp::of(&metadata))
    };
    files.iter().map(stamp).collect()
}

/// What is remembered of a list of files.
pub(super) struct Known {
    path: PathBuf,
    /// None if they were not seen before, or what was written of them is damaged.
    entries: Option<Vec<Entry>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    stamp: Stamp,
    sha256: String,
}

impl Known {
    pub(super) fn read(cache: &Path, paths: &[OsString]) -> Self {
        let mut hasher = Sha256::new_with_prefix(b"kiln corpus files 1");
        for path in paths {
            update(&mut hasher, path.as_encoded_bytes());
        }
        let path = cache.join(format!("{}{SUFFIX}", digits(hasher)));
        let entries = fs::read(&path).ok();
        let entries = entries.and_then(|json| serde_json::from_slice::<Vec<Entry>>(&json).ok());
        Self {
            path,
            entries: entries.filter(|entries| entries.len() == paths.len()),
        }
    }

    /// The hashes of the files, which are read where they may have changed; none if they were not
    /// seen before, so that whoever reads them then can find out.
    pub(super) fn hashes(
        &self,
        files: &[PathBuf],
        stamps: &[Stamp],
    ) -> Result<Option<Vec<String>>, TextError> {
        let Some(entries) = &self.entries else {
            return Ok(None);
        };
        let files = files.iter().zip(stamps).zip(entries);
        let hashes = files.map(|((path, stamp), entry)| {
            if stamp.is_unchanged(&entry.stamp) {
                Ok(entry.sha256.clone())
            } else {
                let file = file_digest(path).map_err(read_failed(path))?;
                Ok(file.sha256)
            }
        });
        hashes.collect::<Result<_, _>>().map(Some)
    }

    /// Remembers hashes of files that had these stamps before they were read.
    pub(super) fn update(&self, stamps: &[Stamp], hashes: &[String]) {
        let entries: Vec<Entry> = stamps
            .iter()
            .zip(hashes)
            .map(|(stamp, sha256)| Entry {
                stamp: stamp.clone(),
                sha256: sha256.clone(),
            })
            .collect();
        if self.entries.as_ref() != Some(&entries) {
            // Without it the files are hashed next time: a cache may be read-only.
            if let Ok(json) = serde_json::to_vec(&entries) {
                let _ = kiln_files::write(&self.path, &json);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_unchanged_only_if_all_that_is_known_of_it_is_and_it_was_settled() {
        let stamp = Stamp {
            bytes: 5,
            modified: 10,
            identity: Some((1, 2, 30)),
            settled: true,
        };
        assert!(stamp.is_unchanged(&stamp));
        let edits: [fn(&mut Stamp); 5] = [
            |stamp| stamp.bytes = 6,
            |stamp| stamp.modified = 11,
            |stamp| stamp.identity = Some((1, 2, 31)),
            |stamp| stamp.identity = Some((1, 3, 30)),
            |stamp| stamp.settled = false,
        ];
        for edit in edits {
            let mut before = stamp.clone();
            edit(&mut before);
            assert!(!stamp.is_unchanged(&before), "{before:?}");
        }
        let nowhere = Stamp {
            identity: None,
            ..stamp
        };
        assert!(!nowhere.is_unchanged(&nowhere));
    }

    #[test]
    fn a_file_that_was_written_just_now_is_not_settled() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stamps = take(&[file.path().to_path_buf()]).unwrap();
        assert!(!stamps[0].settled);
    }
}
