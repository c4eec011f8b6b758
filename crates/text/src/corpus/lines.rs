//! One text file to lines: decompressed, hashed, and with a bound on their length.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::header::InputFile;
use super::hex;
use crate::error::{TextError, read_failed};

/// A longer line of plain text is read as several paragraphs, so that memory stays bounded.
const MAX_PARAGRAPH_BYTES: usize = 1 << 20;

/// A longer JSON line is refused: half of it has no meaning.
const MAX_RECORD_BYTES: usize = 256 << 20;

const BUFFER_BYTES: usize = 1 << 16;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstandard,
}

/// The compression, and the extension below it in lowercase.
fn kind(path: &Path) -> (Compression, String) {
    let extension = |path: &Path| {
        path.extension()
            .map(|extension| extension.to_string_lossy().to_lowercase())
            .unwrap_or_default()
    };
    let compression = match extension(path).as_str() {
        "gz" => Compression::Gzip,
        "zst" => Compression::Zstandard,
        _ => return (Compression::None, extension(path)),
    };
    (compression, extension(&path.with_extension("")))
}

/// The extension that says what kind of text it is, in lowercase: `txt` for `a.TXT.gz`.
pub(super) fn extension(path: &Path) -> String {
    kind(path).1
}

/// One file on its way to lines.
pub(super) struct LineFile {
    path: PathBuf,
    is_json: bool,
    reader: Box<dyn BufRead + Send>,
    stored: Arc<Mutex<Stored>>,
    /// The line last handed out, and what was read beyond it because it was too long.
    line: Vec<u8>,
    line_end: usize,
    /// Bytes of text handed out.
    position: u64,
    line_number: u64,
    /// The next piece goes on with the line of the last one.
    inside_line: bool,
}

/// What a file held so far, before decompression.
#[derive(Clone, Default)]
struct Stored {
    bytes: u64,
    hasher: Sha256,
}

/// What [`LineFile::next_line`] found.
pub(super) enum Line {
    /// The end of the file.
    End,
    /// A line with its line end, or a part of one that is too long.
    Piece {
        /// It goes on with the line before.
        continues: bool,
    },
}

impl LineFile {
    pub(super) fn open(path: PathBuf) -> Result<Self, TextError> {
        let file = File::open(&path).map_err(read_failed(&path))?;
        let stored = Arc::new(Mutex::new(Stored::default()));
        let raw = BufReader::with_capacity(
            BUFFER_BYTES,
            Counted {
                file,
                stored: Arc::clone(&stored),
            },
        );
        let (compression, extension) = kind(&path);
        let reader: Box<dyn BufRead + Send> = match compression {
            Compression::None => Box::new(raw),
            Compression::Gzip => Box::new(BufReader::with_capacity(
                BUFFER_BYTES,
                MultiGzDecoder::new(raw),
            )),
            Compression::Zstandard => {
                let decoder = zstd::Decoder::with_buffer(raw).map_err(read_failed(&path))?;
                Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
            }
        };
        Ok(Self {
            is_json: matches!(extension.as_str(), "jsonl" | "json"),
            path,
            reader,
            stored,
            line: Vec::new(),
            line_end: 0,
            position: 0,
            line_number: 0,
            inside_line: false,
        })
    }

    /// Moves to the next line.
    pub(super) fn next_line(&mut self) -> Result<Line, TextError> {
        let limit = if self.is_json {
            MAX_RECORD_BYTES
        } else {
            MAX_PARAGRAPH_BYTES
        };
        self.line.drain(..self.line_end);
        let room = limit.saturating_sub(self.line.len()) as u64;
        self.reader
            .by_ref()
            .take(room)
            .read_until(b'\n', &mut self.line)
            .map_err(read_failed(&self.path))?;
        let continues = self.inside_line;
        self.line_number += u64::from(!continues);
        let is_whole = self.line.last() == Some(&b'\n') || self.line.len() < limit;
        if self.line.is_empty() {
            self.line_end = 0;
            return Ok(Line::End);
        }
        if !is_whole && self.is_json {
            return Err(TextError::JsonLine {
                path: self.path.clone(),
                line: self.line_number,
                reason: format!(
                    "longer than {} MiB; split the record",
                    MAX_RECORD_BYTES >> 20
                ),
            });
        }
        self.line_end = if is_whole {
            self.line.len()
        } else {
            cut(&self.line)
        };
        self.inside_line = !is_whole;
        self.position += self.line_end as u64;
        Ok(Line::Piece { continues })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lines are JSON objects.
    pub(super) fn is_json(&self) -> bool {
        self.is_json
    }

    /// The piece of text that [`LineFile::next_line`] moved to.
    pub(super) fn line(&self) -> &[u8] {
        &self.line[..self.line_end]
    }

    /// Where that piece starts, in bytes of decompressed text.
    pub(super) fn line_start(&self) -> u64 {
        self.position - self.line_end as u64
    }

    /// Its line, from 1.
    pub(super) fn line_number(&self) -> u64 {
        self.line_number
    }

    /// Bytes of the file so far, as stored.
    pub(super) fn bytes_read(&self) -> u64 {
        self.stored().bytes
    }

    fn stored(&self) -> Stored {
        self.stored
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What is known of the file at its end.
    pub(super) fn finish(&self) -> InputFile {
        let stored = self.stored();
        InputFile {
            path: self.path.display().to_string(),
            bytes: stored.bytes,
            sha256: hex(&stored.hasher.finalize()),
        }
    }
}

/// Where to cut a line that is too long: after its last space, else before a character that may be
/// incomplete.
fn cut(line: &[u8]) -> usize {
    if let Some(space) = line.iter().rposition(u8::is_ascii_whitespace) {
        return space + 1;
    }
    match std::str::from_utf8(line) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        _ => line.len(),
    }
}

/// Counts and hashes what passes.
struct Counted {
    file: File,
    stored: Arc<Mutex<Stored>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.bytes += read as u64;
        stored.hasher.update(&buffer[..read]);
        Ok(read)
    }
}
