//! A file for whoever reads more out of it than text: unpacked, and not yet cut into anything.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::bytes::BUFFER_BYTES;
use super::known::NotText;
use super::{Found, extension, look_into, peek};
use crate::error::{TextError, read_failed};

/// A file, unpacked as often as it is compressed.
pub struct Unpacked {
    /// What it holds.
    pub content: Content,
    /// The ending that says what kind of text it is, in lower case and without those of compression.
    pub extension: String,
    /// The first bytes of its text, 8 KiB at most, without a byte order mark.
    pub head: Vec<u8>,
}

/// What an unpacked file holds.
pub enum Content {
    /// Text in UTF-8, or what should be, without a byte order mark.
    Text(Box<dyn BufRead + Send>),
    /// A Parquet file at this path.
    Parquet(PathBuf),
}

impl Unpacked {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// If it can't be read, is no file, or holds neither text nor Parquet.
    pub fn open(path: &Path) -> Result<Self, TextError> {
        let kind = fs::metadata(path).map_err(read_failed(path))?;
        if !kind.is_file() {
            let kind = if kind.is_dir() {
                "a folder"
            } else {
                "a pipe or a device"
            };
            let remedy = "pass a file: it is read more than once";
            return Err(NotText::new(kind, remedy).error(&path.display().to_string()));
        }
        let file = File::open(path).map_err(read_failed(path))?;
        let reader = Box::new(BufReader::with_capacity(BUFFER_BYTES, file));
        Self::new(path, reader, Some(path))
    }

    /// Unpacks what comes from `reader` and is called `name` in messages: nothing is read at that path.
    ///
    /// # Errors
    /// If it can't be read, or is no text.
    pub fn unpack(name: &Path, reader: Box<dyn BufRead + Send>) -> Result<Self, TextError> {
        Self::new(name, reader, None)
    }

    /// `path`: where what `reader` gives lies, if it lies anywhere.
    fn new(
        name: &Path,
        reader: Box<dyn BufRead + Send>,
        path: Option<&Path>,
    ) -> Result<Self, TextError> {
        let refused = |kind: &'static str, remedy: &'static str| {
            Err(NotText::new(kind, remedy).error(&name.display().to_string()))
        };
        let extension = extension(name);
        let mut reader = match (look_into(name, reader, true)?, path) {
            (Found::Text(text), _) => text.reader,
            (Found::Parquet, Some(path)) => {
                return Ok(Self {
                    content: Content::Parquet(path.to_path_buf()),
                    extension,
                    head: Vec::new(),
                });
            }
            (Found::Parquet, None) => {
                return refused("a Parquet file in a pipe", "pass the file itself");
            }
            (Found::Tar(_), _) => return refused("a tar archive", "unpack it, and pass its files"),
            (Found::Zip, _) => return refused("a zip archive", "unpack it, and pass its files"),
            (Found::NotText(not_text), _) => {
                return Err(not_text.error(&name.display().to_string()));
            }
        };
        let (mut head, _) = peek(&mut reader).map_err(read_failed(name))?;
        let mark = b"\xef\xbb\xbf";
        if head.starts_with(mark) {
            let mut byte = [0; 3];
            reader.read_exact(&mut byte).map_err(read_failed(name))?;
            head.drain(..mark.len());
        }
        Ok(Self {
            content: Content::Text(reader),
            extension,
            head,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_never_taken_for_the_file_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stdin");
        let parquet = b"PAR1\x15\x04 columns PAR1";
        fs::write(&path, parquet).unwrap();
        let piped = Unpacked::unpack(&path, Box::new(parquet.as_slice()));
        let error = piped.err().unwrap().to_string();
        assert!(error.contains("a Parquet file in a pipe"), "{error}");
        let opened = Unpacked::open(&path).unwrap();
        assert!(matches!(opened.content, Content::Parquet(found) if found == path));
    }
}
