//! Lines of a file, with their numbers.

use std::io::{self, BufRead, Read as _};
use std::path::Path;
use std::sync::Arc;

use super::record::MAX_RECORD_BYTES;
use crate::{DataError, Place};

/// A file on its way to lines.
pub(super) struct Lines {
    file: Arc<Path>,
    reader: Box<dyn BufRead + Send>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    pub(super) fn new(file: Arc<Path>, reader: Box<dyn BufRead + Send>) -> Self {
        Self {
            file,
            reader,
            line: Vec::new(),
            number: 0,
        }
    }

    /// The next line without its end, which is LF or CR LF; nothing behind the last.
    ///
    /// `delimiter` stands between columns: a message counts them.
    pub(super) fn next(&mut self, delimiter: u8) -> Result<Option<(u64, &str)>, DataError> {
        self.line.clear();
        let read = (&mut self.reader)
            .take(MAX_RECORD_BYTES as u64)
            .read_until(b'\n', &mut self.line)
            .map_err(read_failed(&self.file))?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if read == MAX_RECORD_BYTES {
            return Err(problem(&self.file, self.number, too_long()));
        }
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        match std::str::from_utf8(&self.line) {
            Ok(line) => Ok(Some((self.number, line))),
            Err(error) => {
                let before = self.line.get(..error.valid_up_to()).unwrap_or_default();
                let column = 1 + before.iter().filter(|&&byte| byte == delimiter).count();
                Err(problem(
                    &self.file,
                    self.number,
                    not_utf8(&column.to_string()),
                ))
            }
        }
    }
}

/// For `map_err`: a failed read of `file`.
pub(super) fn read_failed(file: &Path) -> impl FnOnce(io::Error) -> DataError {
    let path = file.to_path_buf();
    move |reason| DataError::Read { path, reason }
}

/// What is wrong with a record.
pub(super) fn problem(file: &Arc<Path>, line: u64, problem: impl Into<String>) -> DataError {
    DataError::Record {
        place: Place {
            file: Arc::clone(file),
            line,
        },
        problem: problem.into(),
    }
}

/// The reader's next bytes, however often a signal comes between.
pub(super) fn filled(reader: &mut impl BufRead) -> io::Result<&[u8]> {
    while let Err(error) = reader.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    reader.fill_buf()
}

/// What is wrong with text in another encoding.
pub(super) const NOT_UTF8: &str =
    "not UTF-8; convert the file (iconv -f CP1252 -t UTF-8 if it is Western European)";

pub(super) fn not_utf8(column: &str) -> String {
    format!("column {column}: {NOT_UTF8}")
}

pub(super) fn too_long() -> String {
    format!(
        "a record of more than {} MiB; is it the file that you mean?",
        MAX_RECORD_BYTES >> 20
    )
}
