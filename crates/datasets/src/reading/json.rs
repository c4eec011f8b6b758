//! JSON: objects one a line, one after the other, in a list, or in a list called `data` of an object,
//! as SQuAD's files are. They are cut out one by one, so that memory holds one of them.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::lines::{NOT_UTF8, filled, problem, read_failed, too_long};
use super::record::{Content, MAX_RECORD_BYTES, Record, kind};
use crate::DataError;

/// A file of JSON on its way to records.
pub(super) struct Json {
    file: Arc<Path>,
    reader: Box<dyn BufRead + Send>,
    /// The line of the next byte.
    line: u64,
    state: State,
    /// A list in an object ends with the object.
    is_in_object: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Before,
    /// Values one after the other.
    Values,
    /// Behind the bracket of a list.
    First,
    /// Behind a value in a list.
    Behind,
    End,
}

impl Json {
    pub(super) fn new(file: Arc<Path>, reader: Box<dyn BufRead + Send>, has_data: bool) -> Self {
        Self {
            file,
            reader,
            line: 1,
            state: State::Before,
            is_in_object: has_data,
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Record>, DataError> {
        if self.state == State::Before {
            self.state = self.begin()?;
        }
        let next = self.peek()?;
        match (self.state, next) {
            (State::Before | State::End, _) | (State::Values, None) => return Ok(None),
            (_, None) => {
                return Err(self.wrong("the file ends before its list does; is it whole?"));
            }
            (State::First | State::Behind, Some(b']')) => {
                self.take();
                self.end()?;
                self.state = State::End;
                return Ok(None);
            }
            (State::Behind, Some(b',')) => {
                self.take();
                if self.peek()? == Some(b']') {
                    return Err(self.wrong("a record has to come behind the comma"));
                }
            }
            (State::Behind, Some(_)) => {
                return Err(self.wrong("a comma or the list's end has to come here"));
            }
            (State::Values | State::First, Some(_)) => {}
        }
        if self.state == State::First {
            self.state = State::Behind;
        }
        self.peek()?;
        let line = self.line;
        let value = self.value()?;
        if !value.is_object() {
            let what = kind(&value);
            return Err(problem(
                &self.file,
                line,
                format!("{what} in the place of a record; write an object: {{\"text\": …}}"),
            ));
        }
        Ok(Some(Record {
            line,
            content: Content::Json(value),
        }))
    }

    /// To the first record.
    fn begin(&mut self) -> Result<State, DataError> {
        match self.peek()? {
            Some(b'{') if self.is_in_object => {
                self.take();
                while self.peek()? == Some(b'"') {
                    let key = self.value()?;
                    self.expect(b':', "a colon has to come behind a key")?;
                    self.peek()?;
                    if key == "data" {
                        self.expect(b'[', "\"data\" has to be a list")?;
                        return Ok(State::First);
                    }
                    self.value()?;
                    if self.peek()? == Some(b',') {
                        self.take();
                    }
                }
                Err(self.wrong("no list called \"data\" in the object"))
            }
            Some(b'[') => {
                self.is_in_object = false;
                self.take();
                Ok(State::First)
            }
            _ => Ok(State::Values),
        }
    }

    /// From the list's end to that of the file.
    fn end(&mut self) -> Result<(), DataError> {
        if self.is_in_object {
            while self.peek()? == Some(b',') {
                self.take();
                self.peek()?;
                self.value()?;
                self.expect(b':', "a colon has to come behind a key")?;
                self.peek()?;
                self.value()?;
            }
            self.expect(
                b'}',
                "the object's end has to come here; is the file whole?",
            )?;
        }
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(self.wrong("something follows behind the list; remove it")),
        }
    }

    fn expect(&mut self, byte: u8, otherwise: &str) -> Result<(), DataError> {
        if self.peek()? == Some(byte) {
            self.take();
            Ok(())
        } else {
            Err(self.wrong(otherwise))
        }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Result<Option<u8>, DataError> {
        loop {
            let next = filled(&mut self.reader).map_err(read_failed(&self.file))?;
            let Some(&byte) = next.first() else {
                return Ok(None);
            };
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.line += u64::from(byte == b'\n');
            self.reader.consume(1);
        }
    }

    fn take(&mut self) {
        self.reader.consume(1);
    }

    /// Cuts out the value that begins here and parses it.
    fn value(&mut self) -> Result<Value, DataError> {
        let start = self.line;
        let mut bytes = Vec::new();
        let mut scan = Scan::default();
        loop {
            let next = filled(&mut self.reader).map_err(read_failed(&self.file))?;
            let mut taken = 0;
            let mut is_over = next.is_empty();
            let mut is_torn = false;
            for &byte in next {
                if scan.ends_before(byte) {
                    is_over = true;
                    break;
                }
                taken += 1;
                self.line += u64::from(byte == b'\n');
                if scan.ends_after(byte) {
                    is_torn = scan.is_string;
                    is_over = true;
                    break;
                }
            }
            bytes.extend_from_slice(next.get(..taken).unwrap_or_default());
            self.reader.consume(taken);
            if is_torn {
                let reason = "no JSON (a quote is open at the end of the line); mend the record";
                return Err(problem(&self.file, self.line - 1, reason));
            }
            if is_over {
                break;
            }
            if bytes.len() > MAX_RECORD_BYTES {
                return Err(problem(&self.file, start, too_long()));
            }
        }
        if std::str::from_utf8(&bytes).is_err() {
            return Err(problem(&self.file, start, NOT_UTF8));
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            let line = start + error.line().saturating_sub(1) as u64;
            let message = error.to_string();
            let message = message
                .rsplit_once(" at line ")
                .map_or(&*message, |it| it.0);
            let reason = format!(
                "no JSON ({message}, byte {} of the record's line)",
                error.column()
            );
            problem(&self.file, line, format!("{reason}; mend the record"))
        })
    }

    fn wrong(&self, reason: &str) -> DataError {
        problem(&self.file, self.line, reason)
    }
}

/// Follows brackets and strings to where a value ends. A line's end in a string ends it as well: it
/// can't be there, and the record that lacks a quote shall not take the others with it.
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
        self.is_bare && self.depth == 0 && (byte.is_ascii_whitespace() || b",]}:".contains(&byte))
    }

    fn ends_after(&mut self, byte: u8) -> bool {
        if self.is_string {
            let was_escaped = std::mem::take(&mut self.is_escaped);
            match byte {
                b'\n' => return true,
                _ if was_escaped => {}
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
            b'}' | b']' | b',' | b':' if self.depth == 0 => return true,
            _ if self.depth == 0 => self.is_bare = true,
            _ => {}
        }
        false
    }
}

/// Whether an object that begins a file has a list called `data` of objects.
pub(super) fn has_data(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    let Some(mut rest) = head.trim_start().strip_prefix('{') else {
        return false;
    };
    loop {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let Some(Ok(Value::String(key))) = values.next() else {
            return false;
        };
        let after = rest.get(values.byte_offset()..).unwrap_or_default();
        let Some(value) = after.trim_start().strip_prefix(':') else {
            return false;
        };
        if key == "data" {
            let list = value.trim_start().strip_prefix('[').map(str::trim_start);
            return list.is_some_and(|list| list.starts_with(['{', ']']));
        }
        let mut values = serde_json::Deserializer::from_str(value).into_iter::<Value>();
        if !matches!(values.next(), Some(Ok(_))) {
            return false;
        }
        let after = value.get(values.byte_offset()..).unwrap_or_default();
        let Some(next) = after.trim_start().strip_prefix(',') else {
            return false;
        };
        rest = next;
    }
}
