//! Text files to paragraphs, block by block, in memory that does not grow with the files.
//!
//! Plain text has one paragraph a line, and a blank line ends a document. JSON has records with a
//! field of text, one a line, in a list, or one after the other: each is a document, the lines in its
//! text are paragraphs. A new file starts a new document.

use super::digest::InputFile;
use super::files::{Form, JsonForm, OpenFile, Text};
use super::inputs::{Counted, Inputs, OnInvalid, Reading};
use super::left_out::LeftOut;
use super::lines::{Line, Lines, MAX_RECORD_BYTES};
use super::record::{self, Bad, Flaw};
use super::values::{Value, Values};
use crate::error::TextError;

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

    /// The document of a record.
    fn push_document(&mut self, text: &str) {
        let mut starts_document = true;
        for paragraph in text.lines().filter(|line| !line.trim().is_empty()) {
            self.push(paragraph, starts_document);
            starts_document = false;
        }
    }
}

/// Reads all inputs, one after the other.
pub(crate) struct Reader<'a> {
    inputs: &'a Inputs,
    next: usize,
    file: Option<OpenFile>,
    /// Texts that were found in it.
    texts: u64,
    text: Option<Opened>,
    finished: Vec<InputFile>,
    at_boundary: bool,
    finished_bytes: u64,
    text_bytes: u64,
    /// Without the files in folders.
    counted: Counted,
}

/// A text of a file.
enum Opened {
    Prose { lines: Lines, has_tags: bool },
    RecordLines(Lines),
    Records { values: Values, is_list: bool },
}

impl From<Text> for Opened {
    fn from(text: Text) -> Self {
        let Text { name, form, reader } = text;
        match form {
            Form::Plain | Form::WikiDocuments => Self::Prose {
                lines: Lines::new(name, reader, false),
                has_tags: form == Form::WikiDocuments,
            },
            Form::Json(JsonForm::Lines) => Self::RecordLines(Lines::new(name, reader, true)),
            Form::Json(form) => {
                let is_list = form == JsonForm::List;
                Self::Records {
                    values: Values::new(name, reader, is_list),
                    is_list,
                }
            }
        }
    }
}

impl<'a> Reader<'a> {
    /// Starts at the first file.
    pub(crate) fn new(inputs: &'a Inputs) -> Self {
        Self {
            inputs,
            next: 0,
            file: None,
            texts: 0,
            text: None,
            finished: Vec::new(),
            at_boundary: true,
            finished_bytes: 0,
            text_bytes: 0,
            counted: Counted::default(),
        }
    }

    /// The next paragraphs, until they exceed `block_bytes`; nothing at the end of all files.
    pub(crate) fn next_block(&mut self, block_bytes: usize) -> Result<Option<Block>, TextError> {
        let mut block = Block::default();
        while block.text.len() < block_bytes {
            let is_open = match &mut self.text {
                Some(text) => {
                    let mut destination = Destination {
                        block: &mut block,
                        at_boundary: &mut self.at_boundary,
                        text_bytes: &mut self.text_bytes,
                        counted: &mut self.counted,
                        reading: self.inputs.reading(),
                    };
                    text.advance(&mut destination)?
                }
                None => false,
            };
            if !is_open && !self.open_next()? {
                break;
            }
        }
        Ok((!block.paragraphs.is_empty()).then_some(block))
    }

    /// Goes on to the next text; there is none if not.
    fn open_next(&mut self) -> Result<bool, TextError> {
        self.text = None;
        self.at_boundary = true;
        loop {
            let Some(file) = &mut self.file else {
                self.file = self.inputs.open(self.next)?;
                self.next += 1;
                self.texts = 0;
                if self.file.is_none() {
                    return Ok(false);
                }
                continue;
            };
            if let Some(text) = file.next_text(&mut self.counted.left_out)? {
                self.text = Some(text.into());
                self.texts += 1;
                return Ok(true);
            }
            let finished = file.finish()?;
            if self.texts == 0 {
                let reason = "archive without text";
                self.counted.left_out.add(reason, &finished.path);
            }
            self.finished_bytes += finished.bytes;
            self.finished.push(finished);
            self.file = None;
        }
    }

    /// How text is taken out of the files.
    pub(crate) fn reading(&self) -> &'a Reading {
        self.inputs.reading()
    }

    /// Bytes of all files, as stored, as far as that is known.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.inputs.stored_bytes().max(self.bytes_read())
    }

    /// Bytes read so far, as stored.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.finished_bytes + self.file.as_ref().map_or(0, OpenFile::bytes_read)
    }

    /// Bytes of text so far: what plain files hold decompressed, and what records would take in
    /// one, so that it does not depend on how text is stored. What is left out does not count.
    pub(crate) fn text_bytes(&self) -> u64 {
        self.text_bytes
    }

    /// What was left out or changed so far.
    pub(crate) fn counted(&self) -> Counted {
        Counted {
            left_out: self.inputs.left_out().and(&self.counted.left_out),
            ..self.counted.clone()
        }
    }

    /// Files in archives that were left out so far.
    pub(crate) fn left_out_of_archives(&self) -> &LeftOut {
        &self.counted.left_out
    }

    /// Files in folders that were left out.
    pub(crate) fn left_out_of_folders(&self) -> &LeftOut {
        self.inputs.left_out()
    }

    /// That there was nothing in the files but what was left out.
    pub(crate) fn empty(&self) -> TextError {
        self.inputs.empty(&self.counted())
    }

    /// The files read to their end.
    pub(crate) fn into_finished(self) -> Vec<InputFile> {
        self.finished
    }
}

/// Where a text's paragraphs go.
struct Destination<'a> {
    block: &'a mut Block,
    at_boundary: &'a mut bool,
    text_bytes: &'a mut u64,
    counted: &'a mut Counted,
    reading: &'a Reading,
}

impl Opened {
    /// Reads a line or a record; false at the end.
    fn advance(&mut self, destination: &mut Destination<'_>) -> Result<bool, TextError> {
        match self {
            Self::Prose { lines, has_tags } => {
                let Line::Piece { continues } = lines.next()? else {
                    return Ok(false);
                };
                let Some(text) = destination.decode(lines)? else {
                    return Ok(true);
                };
                *destination.text_bytes += text.len() as u64;
                let is_tag =
                    *has_tags && (text.starts_with("<doc id=") || text.starts_with("</doc>"));
                if is_tag || text.trim().is_empty() {
                    *destination.at_boundary |= !continues;
                } else {
                    let starts_document = std::mem::take(destination.at_boundary);
                    destination.block.push(trim_line_end(text), starts_document);
                }
            }
            Self::RecordLines(lines) => {
                let line = lines.next()?;
                let start = (lines.line_number(), 1);
                match line {
                    Line::End => return Ok(false),
                    Line::TooLong => destination.bad(lines.path(), start, &too_long())?,
                    Line::Piece { .. } => {
                        let Some(text) = destination.decode(lines)? else {
                            return Ok(true);
                        };
                        if !text.trim().is_empty() {
                            let read = record::text_of(text, &destination.reading.text_field);
                            destination.record(lines.path(), start, read)?;
                        }
                    }
                }
            }
            Self::Records { values, is_list } => {
                let value = values.next()?;
                let start = values.start();
                match value {
                    Value::End => return Ok(false),
                    Value::TooLong => destination.bad(values.path(), start, &too_long())?,
                    Value::Record => match std::str::from_utf8(values.record()) {
                        Ok(text) => {
                            let read = if *is_list && text.starts_with('"') {
                                record::string_of(text)
                            } else {
                                record::text_of(text, &destination.reading.text_field)
                            };
                            destination.record(values.path(), start, read)?;
                        }
                        Err(_) if destination.skips() => destination.counted.skipped_lines += 1,
                        Err(error) => {
                            let start = values.position() - values.record().len() as u64;
                            let valid = values.record().iter().take(error.valid_up_to());
                            let lines = valid.filter(|&&byte| byte == b'\n').count() as u64;
                            return Err(TextError::Encoding {
                                path: values.path().to_path_buf(),
                                line: values.start().0 + lines,
                                byte: start + error.valid_up_to() as u64,
                            });
                        }
                    },
                }
            }
        }
        Ok(true)
    }
}

impl Destination<'_> {
    fn skips(&self) -> bool {
        self.reading.on_invalid == OnInvalid::Skip
    }

    /// The line as text, without a byte order mark; nothing if it is to be skipped.
    fn decode<'l>(&mut self, lines: &'l Lines) -> Result<Option<&'l str>, TextError> {
        match std::str::from_utf8(lines.line()) {
            Ok(text) if lines.line_start() == 0 => {
                Ok(Some(text.strip_prefix('\u{feff}').unwrap_or(text)))
            }
            Ok(text) => Ok(Some(text)),
            Err(_) if self.skips() => {
                self.counted.skipped_lines += 1;
                Ok(None)
            }
            Err(error) => Err(TextError::Encoding {
                path: lines.path().to_path_buf(),
                line: lines.line_number(),
                byte: lines.line_start() + error.valid_up_to() as u64,
            }),
        }
    }

    fn record(
        &mut self,
        path: &std::path::Path,
        start: (u64, usize),
        read: Result<record::Text, Bad>,
    ) -> Result<(), TextError> {
        match read {
            Ok(record) => {
                self.counted.replaced_surrogates += record.replaced;
                // What it would take in a plain file: its last line's end, and a blank line.
                *self.text_bytes += record.text.len() as u64 + 2;
                self.block.push_document(&record.text);
                Ok(())
            }
            Err(bad) => self.bad(path, start, &bad),
        }
    }

    /// A record that starts there has no text.
    fn bad(
        &mut self,
        path: &std::path::Path,
        (line, column): (u64, usize),
        bad: &Bad,
    ) -> Result<(), TextError> {
        if self.skips() {
            self.counted.skipped_records += 1;
            return Ok(());
        }
        let remedy = if bad.flaw != Flaw::Broken {
            "name the field that holds the text with --text-field, or leave such records out with \
             --skip-invalid"
        } else {
            "mend the record, or leave it out with --skip-invalid"
        };
        let column = match bad.line {
            0 | 1 => column + bad.column.saturating_sub(1),
            _ => bad.column,
        };
        Err(TextError::JsonLine {
            path: path.to_path_buf(),
            line: line + bad.line.saturating_sub(1) as u64,
            reason: format!("column {column}: {}; {remedy}", bad.reason),
        })
    }
}

fn too_long() -> Bad {
    Bad {
        line: 1,
        column: 1,
        reason: format!("a record of more than {} MiB", MAX_RECORD_BYTES >> 20),
        flaw: Flaw::Broken,
    }
}

fn trim_line_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}
