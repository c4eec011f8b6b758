//! Text files to paragraphs, block by block, in memory that does not grow with the files.
//!
//! Plain text has one paragraph a line, and a blank line ends a document. Files named `.jsonl` or
//! `.json` have one object a line with a field `text`: each is a document, the lines in its text
//! are paragraphs. Either may be compressed (`.gz`, `.zst`). A new file starts a new document.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::header::InputFile;
use super::lines::{Line, LineFile, extension};
use crate::error::{TextError, read_failed};

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
    open: Option<LineFile>,
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
                self.open = Some(LineFile::open(path)?);
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
                    let Some(text) = decode(file, self.on_invalid)? else {
                        self.skipped_lines += 1;
                        continue;
                    };
                    if file.is_json() {
                        self.text_bytes +=
                            push_record(&mut block, text, file.path(), file.line_number())?;
                        continue;
                    }
                    self.text_bytes += text.len() as u64;
                    if text.trim().is_empty() {
                        self.at_boundary |= !continues;
                    } else {
                        block.push(trim_line_end(text), self.at_boundary);
                        self.at_boundary = false;
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
        self.finished_bytes + self.open.as_ref().map_or(0, |file| file.bytes_read())
    }

    /// Bytes of text so far: what plain files hold decompressed, and what records would take in
    /// one, so that it does not depend on how text is stored. Lines left out don't count.
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

fn is_text_file(path: &Path) -> bool {
    matches!(extension(path).as_str(), "txt" | "text" | "jsonl" | "json")
}

/// The line as text, without a byte order mark; nothing if it is to be skipped.
fn decode(file: &LineFile, on_invalid: OnInvalid) -> Result<Option<&str>, TextError> {
    match std::str::from_utf8(file.line()) {
        Ok(text) if file.line_start() == 0 => {
            Ok(Some(text.strip_prefix('\u{feff}').unwrap_or(text)))
        }
        Ok(text) => Ok(Some(text)),
        Err(_) if on_invalid == OnInvalid::Skip => Ok(None),
        Err(error) => Err(TextError::Encoding {
            path: file.path().to_path_buf(),
            byte: file.line_start() + error.valid_up_to() as u64,
        }),
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

/// Appends the document of a JSON line, and gives the bytes it would take in a plain file; a blank
/// line has none.
fn push_record(block: &mut Block, line: &str, path: &Path, number: u64) -> Result<u64, TextError> {
    if line.trim().is_empty() {
        return Ok(0);
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
    // Its last line's end, and a blank line.
    Ok(record.text.len() as u64 + 2)
}
