//! JSON records that are not one a line: in a list, or one after the other. They are cut out of the
//! file as it is read, so that memory holds one of them.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use super::lines::MAX_RECORD_BYTES;
use crate::error::{TextError, read_failed};

/// A file of records on its way.
pub(super) struct Values {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    is_list: bool,
    state: State,
    record: Vec<u8>,
    /// Where that record starts: line and column, from 1.
    start: (u64, usize),
    /// Where the next byte is.
    line: u64,
    column: usize,
    /// Bytes read.
    position: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The list has not begun.
    Before,
    /// A record or the list's end may come.
    First,
    /// A record has to come.
    Next,
    /// A comma or the list's end has to come.
    Behind,
    /// Behind the list.
    End,
}

/// What was found next.
pub(super) enum Value {
    End,
    Record,
    /// A record too large to be held; it was passed over.
    TooLong,
}

impl Values {
    pub(super) fn new(path: PathBuf, reader: Box<dyn BufRead + Send>, is_list: bool) -> Self {
        Self {
            path,
            reader,
            is_list,
            state: if is_list { State::Before } else { State::First },
            record: Vec::new(),
            start: (1, 1),
            line: 1,
            column: 1,
            position: 0,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The record that [`Values::next`] moved to.
    pub(super) fn record(&self) -> &[u8] {
        &self.record
    }

    /// Its line, and its column there, from 1.
    pub(super) fn start(&self) -> (u64, usize) {
        self.start
    }

    /// Bytes of the file so far, decompressed.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Moves to the next record.
    pub(super) fn next(&mut self) -> Result<Value, TextError> {
        self.record.clear();
        loop {
            let Some(byte) = self.peek()? else {
                return match self.state {
                    State::Before | State::End => Ok(Value::End),
                    State::First if !self.is_list => Ok(Value::End),
                    _ => Err(self.error("the file ends before the list does; is it whole?")),
                };
            };
            if byte.is_ascii_whitespace() || (self.position == 0 && self.skip_mark()?) {
                self.advance(byte);
                continue;
            }
            match (self.state, byte) {
                (State::Before, b'[') => self.state = State::First,
                (State::First | State::Behind, b']') if self.is_list => self.state = State::End,
                (State::Behind, b',') => self.state = State::Next,
                (State::First | State::Next, _) => return self.value(),
                (State::Before, _) => return Err(self.error("a list has to begin here")),
                (State::Behind, _) => {
                    return Err(self.error("a comma or the list's end has to come here"));
                }
                (State::End, _) => {
                    return Err(self.error("something follows behind the list; remove it"));
                }
            }
            self.advance(byte);
        }
    }

    /// A byte order mark; all but its last byte are passed over.
    fn skip_mark(&mut self) -> Result<bool, TextError> {
        let path = &self.path;
        let next = filled(&mut self.reader).map_err(read_failed(path))?;
        let is_mark = next.starts_with(b"\xef\xbb\xbf");
        if is_mark {
            self.reader.consume(2);
            self.position += 2;
        }
        Ok(is_mark)
    }

    /// Reads a record from its first byte on.
    fn value(&mut self) -> Result<Value, TextError> {
        self.start = (self.line, self.column);
        let mut scan = Scan::default();
        let mut is_too_long = false;
        loop {
            let next = filled(&mut self.reader).map_err(read_failed(&self.path))?;
            if next.is_empty() {
                // What is missing is told by whoever parses it; the list's end is missing as well.
                self.state = if self.is_list {
                    State::Behind
                } else {
                    State::First
                };
                break;
            }
            let mut taken = 0;
            let mut is_over = false;
            for &byte in next {
                is_over = scan.ends_before(byte);
                if is_over {
                    break;
                }
                taken += 1;
                if byte == b'\n' {
                    self.line += 1;
                    self.column = 1;
                } else {
                    self.column += 1;
                }
                is_over = scan.ends_after(byte);
                if is_over {
                    break;
                }
            }
            let piece = next.get(..taken).unwrap_or_default();
            is_too_long |= self.record.len() + piece.len() > MAX_RECORD_BYTES;
            if is_too_long {
                self.record.clear();
            } else {
                self.record.extend_from_slice(piece);
            }
            self.reader.consume(taken);
            self.position += taken as u64;
            if is_over {
                self.state = if self.is_list {
                    State::Behind
                } else {
                    State::First
                };
                break;
            }
        }
        Ok(if is_too_long {
            Value::TooLong
        } else {
            Value::Record
        })
    }

    fn peek(&mut self) -> Result<Option<u8>, TextError> {
        let next = filled(&mut self.reader).map_err(read_failed(&self.path))?;
        Ok(next.first().copied())
    }

    fn advance(&mut self, byte: u8) {
        self.reader.consume(1);
        self.position += 1;
        if byte == b'\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
    }

    fn error(&self, reason: &str) -> TextError {
        TextError::JsonLine {
            path: self.path.clone(),
            line: self.line,
            reason: format!("column {}: {reason}", self.column),
        }
    }
}

/// The reader's next bytes, however often a signal comes between.
fn filled(reader: &mut impl BufRead) -> io::Result<&[u8]> {
    while let Err(error) = reader.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    reader.fill_buf()
}

/// Follows brackets and strings to where a value ends.
#[derive(Default)]
struct Scan {
    depth: u64,
    is_string: bool,
    is_escaped: bool,
    is_bare: bool,
}

impl Scan {
    /// A number or a word ends before what can't belong to it.
    fn ends_before(&self, byte: u8) -> bool {
        self.is_bare && self.depth == 0 && (byte.is_ascii_whitespace() || b",]}".contains(&byte))
    }

    fn ends_after(&mut self, byte: u8) -> bool {
        if self.is_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => {
                    self.is_string = false;
                    return self.depth == 0;
                }
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' if !self.is_bare => self.is_string = true,
            b'{' | b'[' if !self.is_bare => self.depth += 1,
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                return self.depth == 0;
            }
            _ if self.depth == 0 => self.is_bare = true,
            _ => {}
        }
        false
    }
}
