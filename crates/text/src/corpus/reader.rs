//! Text files to paragraphs, block by block, in memory that does not grow with the files.
//!
//! Plain text has one paragraph a line, and a blank line ends a document. Files named `.jsonl` or
//! `.json` have one object a line with a field `text`: each is a document, the lines in its text
//! are paragraphs. Either may be compressed (`.gz`, `.zst`). A new file starts a new document.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::hex;
use super::shard::InputFile;
use crate::error::{TextError, read_failed};

/// A longer line of plain text is read as several paragraphs, so that memory stays bounded.
const MAX_PARAGRAPH_BYTES: usize = 1 << 20;

/// A longer JSON line is refused: half of it has no meaning.
const MAX_RECORD_BYTES: usize = 256 << 20;

const BUFFER_BYTES: usize = 1 << 16;

/// What to do with a line that is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInvalid {
    /// Stop, and name the file and the byte (of the decompressed text).
    #[default]
    Refuse,
    /// Leave the line out and count it.
    Skip,
}

/// Some paragraphs in a row.
#[derive(Debug, Default)]
pub(crate) struct Block {
    text: String,
    paragraphs: Vec<ParagraphEnd>,
}

#[derive(Debug, Clone, Copy)]
struct ParagraphEnd {
    end: usize,
    starts_document: bool,
}

/// A line of text, not blank, without its line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paragraph<'a> {
    pub(crate) text: &'a str,
    pub(crate) starts_document: bool,
}

impl Block {
    pub(crate) fn paragraphs(&self) -> Vec<Paragraph<'_>> {
        let mut start = 0;
        self.paragraphs
            .iter()
            .map(|paragraph| {
                let text = &self.text[start..paragraph.end];
                start = paragraph.end;
                Paragraph {
                    text,
                    starts_document: paragraph.starts_document,
                }
            })
            .collect()
    }

    fn push(&mut self, paragraph: &str, starts_document: bool) {
        self.text.push_str(paragraph);
        self.paragraphs.push(ParagraphEnd {
            end: self.text.len(),
            starts_document,
        });
    }
}

/// Reads all inputs, one after the other.
pub(crate) struct Reader {
    waiting: VecDeque<PathBuf>,
    open: Option<OpenFile>,
    finished: Vec<InputFile>,
    on_invalid: OnInvalid,
    at_boundary: bool,
    total_bytes: u64,
    finished_bytes: u64,
    text_bytes: u64,
    skipped_lines: u64,
}

impl Reader {
    /// Lists the files; none is opened yet.
    pub(crate) fn new(inputs: &[PathBuf], on_invalid: OnInvalid) -> Result<Self, TextError> {
        let waiting = list_files(inputs)?;
        let mut total_bytes = 0;
        for path in &waiting {
            total_bytes += std::fs::metadata(path).map_err(read_failed(path))?.len();
        }
        Ok(Self {
            waiting: waiting.into(),
            open: None,
            finished: Vec::new(),
            on_invalid,
            at_boundary: true,
            total_bytes,
            finished_bytes: 0,
            text_bytes: 0,
            skipped_lines: 0,
        })
    }

    /// The next paragraphs, until they exceed `block_bytes`; nothing at the end of all files.
    pub(crate) fn next_block(&mut self, block_bytes: usize) -> Result<Option<Block>, TextError> {
        let mut block = Block::default();
        while block.text.len() < block_bytes {
            let Some(file) = &mut self.open else {
                let Some(path) = self.waiting.pop_front() else {
                    break;
                };
                self.open = Some(OpenFile::open(path)?);
                self.at_boundary = true;
                continue;
            };
            match file.next_line()? {
                Line::End => {
                    let finished = file.finish();
                    self.finished_bytes += finished.bytes;
                    self.finished.push(finished);
                    self.open = None;
                }
                Line::Piece { continues } => {
                    let bytes = &file.line[..file.line_end];
                    self.text_bytes += bytes.len() as u64;
                    let byte = file.position - bytes.len() as u64;
                    let text = match std::str::from_utf8(bytes) {
                        Ok(text) => text,
                        Err(_) if self.on_invalid == OnInvalid::Skip => {
                            self.skipped_lines += 1;
                            continue;
                        }
                        Err(error) => {
                            return Err(TextError::Encoding {
                                path: file.path.clone(),
                                byte: byte + error.valid_up_to() as u64,
                            });
                        }
                    };
                    let text = if byte == 0 {
                        text.strip_prefix('\u{feff}').unwrap_or(text)
                    } else {
                        text
                    };
                    if file.is_json {
                        push_record(&mut block, text, &file.path, file.line_number)?;
                    } else {
                        let is_blank = text.trim().is_empty();
                        if is_blank {
                            self.at_boundary |= !continues;
                        } else {
                            block.push(trim_line_end(text), self.at_boundary);
                            self.at_boundary = false;
                        }
                    }
                }
            }
        }
        Ok((!block.paragraphs.is_empty()).then_some(block))
    }

    /// Bytes of all files, as stored.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Bytes read so far, as stored.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.finished_bytes + self.open.as_ref().map_or(0, |file| file.stored().bytes)
    }

    /// Bytes of text so far, decompressed.
    pub(crate) fn text_bytes(&self) -> u64 {
        self.text_bytes
    }

    /// Lines left out so far because they are not UTF-8.
    pub(crate) fn skipped_lines(&self) -> u64 {
        self.skipped_lines
    }

    /// The files read to their end.
    pub(crate) fn into_finished(self) -> Vec<InputFile> {
        self.finished
    }
}

/// The inputs' files in order: a folder stands for the text files in it, by name.
pub(crate) fn list_files(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, TextError> {
    let mut files = Vec::new();
    for input in inputs {
        if !std::fs::metadata(input)
            .map_err(read_failed(input))?
            .is_dir()
        {
            files.push(input.clone());
            continue;
        }
        let before = files.len();
        for entry in std::fs::read_dir(input).map_err(read_failed(input))? {
            let path = entry.map_err(read_failed(input))?.path();
            if is_text_file(&path) && path.is_file() {
                files.push(path);
            }
        }
        files[before..].sort();
        if files.len() == before {
            return Err(TextError::EmptyCorpus {
                inputs: format!(
                    "{}: a folder without .txt, .jsonl or .json files (or such with .gz, .zst)",
                    input.display()
                ),
            });
        }
    }
    Ok(files)
}

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

fn is_text_file(path: &Path) -> bool {
    matches!(kind(path).1.as_str(), "txt" | "text" | "jsonl" | "json")
}

/// One file on its way to lines.
struct OpenFile {
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

/// What [`OpenFile::next_line`] found.
enum Line {
    /// The end of the file.
    End,
    /// A line with its line end, or a part of one that is too long: `line[..line_end]`.
    Piece {
        /// It goes on with the line before.
        continues: bool,
    },
}

impl OpenFile {
    fn open(path: PathBuf) -> Result<Self, TextError> {
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

    fn next_line(&mut self) -> Result<Line, TextError> {
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

    fn stored(&self) -> Stored {
        self.stored
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn finish(&self) -> InputFile {
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

fn trim_line_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

/// Appends the document of a JSON line; a blank line has none.
fn push_record(block: &mut Block, line: &str, path: &Path, number: u64) -> Result<(), TextError> {
    if line.trim().is_empty() {
        return Ok(());
    }
    let record: Record<'_> = serde_json::from_str(line).map_err(|reason| {
        let what = reason.to_string();
        // serde_json counts lines inside this one line.
        let what = what.split(" at line ").next().unwrap_or_default();
        TextError::JsonLine {
            path: path.to_path_buf(),
            line: number,
            reason: format!(
                "column {}: {what}; every line needs one object with a string \"text\"",
                reason.column()
            ),
        }
    })?;
    let mut starts_document = true;
    for paragraph in record.text.lines().filter(|line| !line.trim().is_empty()) {
        block.push(paragraph, starts_document);
        starts_document = false;
    }
    Ok(())
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
