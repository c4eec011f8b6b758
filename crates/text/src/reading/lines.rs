//! Text to lines, with a bound on their length.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use crate::error::{TextError, read_failed};

/// A longer line of plain text is read as several paragraphs, so that memory stays bounded.
const MAX_PARAGRAPH_BYTES: usize = 1 << 20;

/// A longer record of JSON is not read: half of it has no meaning.
pub(super) const MAX_RECORD_BYTES: usize = 256 << 20;

/// A text on its way to lines.
pub(super) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    /// A line is a record.
    is_json: bool,
    /// The line last handed out, and what was read beyond it because it was too long.
    line: Vec<u8>,
    line_end: usize,
    /// Bytes of text handed out.
    position: u64,
    line_number: u64,
    /// The next piece goes on with the line of the last one.
    inside_line: bool,
}

/// What [`Lines::next`] found.
pub(super) enum Line {
    /// The end of the text.
    End,
    /// A line with its line end, or a part of one that is too long.
    Piece {
        /// It goes on with the line before.
        continues: bool,
    },
    /// A record too large to be held; it was passed over.
    TooLong,
}

impl Lines {
    pub(super) fn new(path: PathBuf, reader: Box<dyn BufRead + Send>, is_json: bool) -> Self {
        Self {
            path,
            reader,
            is_json,
            line: Vec::new(),
            line_end: 0,
            position: 0,
            line_number: 0,
            inside_line: false,
        }
    }

    /// Moves to the next line.
    pub(super) fn next(&mut self) -> Result<Line, TextError> {
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
            self.pass_over_line()?;
            return Ok(Line::TooLong);
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

    /// Reads to the end of a line without holding it.
    fn pass_over_line(&mut self) -> Result<(), TextError> {
        self.position += self.line.len() as u64;
        self.line.clear();
        self.line_end = 0;
        self.position += self
            .reader
            .skip_until(b'\n')
            .map_err(read_failed(&self.path))? as u64;
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The piece of text that [`Lines::next`] moved to.
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
