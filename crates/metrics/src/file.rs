//! `predictions.jsonl`: a row a line, written as they come and read with line numbers.
//!
//! Numbers are written with as many digits as bring the same bits back: what is read has the scores of
//! what was written.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use crate::MetricsError;
use crate::rows::Row;

/// Writes rows as they come.
#[derive(Debug)]
pub struct RowWriter<W: Write> {
    writer: W,
    /// For messages.
    path: PathBuf,
}

impl<W: Write> RowWriter<W> {
    /// Writes to `writer`, which is called `path` in messages. Each row is one call of the writer: give
    /// one that gathers.
    pub fn new(writer: W, path: impl Into<PathBuf>) -> Self {
        Self {
            writer,
            path: path.into(),
        }
    }

    /// Writes a line.
    ///
    /// # Errors
    /// A row that contradicts itself or has a number that is not finite; failed writing.
    pub fn write(&mut self, row: &Row) -> Result<(), MetricsError> {
        row.check().map_err(|problem| MetricsError::Row {
            id: row.id().to_owned(),
            problem,
        })?;
        let mut line = serde_json::to_vec(row).map_err(|reason| MetricsError::Row {
            id: row.id().to_owned(),
            problem: reason.to_string(),
        })?;
        line.push(b'\n');
        let written = self.writer.write_all(&line);
        written.map_err(|reason| self.failed(reason))
    }

    /// Writes what the writer still holds, and gives it back.
    ///
    /// # Errors
    /// Failed writing.
    pub fn finish(mut self) -> Result<W, MetricsError> {
        match self.writer.flush() {
            Ok(()) => Ok(self.writer),
            Err(reason) => Err(self.failed(reason)),
        }
    }

    fn failed(&self, reason: std::io::Error) -> MetricsError {
        MetricsError::Write {
            path: self.path.clone(),
            reason,
        }
    }
}

/// Reads rows one by one. Empty lines are passed over.
#[derive(Debug)]
pub struct RowReader<R: BufRead> {
    reader: R,
    path: PathBuf,
    line: u64,
    bytes: Vec<u8>,
}

impl RowReader<BufReader<File>> {
    /// Opens a file.
    ///
    /// # Errors
    /// A file that is missing or unreadable.
    pub fn open(path: &Path) -> Result<Self, MetricsError> {
        let file = File::open(path).map_err(|reason| MetricsError::Read {
            path: path.to_owned(),
            reason,
        })?;
        Ok(Self::new(BufReader::new(file), path))
    }
}

impl<R: BufRead> RowReader<R> {
    /// Reads from `reader`, which is called `path` in messages.
    pub fn new(reader: R, path: impl Into<PathBuf>) -> Self {
        Self {
            reader,
            path: path.into(),
            line: 0,
            bytes: Vec::new(),
        }
    }

    fn next_row(&mut self) -> Result<Option<Row>, MetricsError> {
        loop {
            self.bytes.clear();
            let read = self.reader.read_until(b'\n', &mut self.bytes);
            let read = read.map_err(|reason| MetricsError::Read {
                path: self.path.clone(),
                reason,
            })?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            if self.bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let row: Row = serde_json::from_slice(&self.bytes)
                .map_err(|reason| self.bad_line(&reason.to_string()))?;
            row.check().map_err(|problem| self.bad_line(&problem))?;
            return Ok(Some(row));
        }
    }

    fn bad_line(&self, problem: &str) -> MetricsError {
        // The reader of JSON saw one line and calls it the first.
        let problem = match problem.rsplit_once(" at line ") {
            Some((problem, _)) => problem,
            None => problem,
        };
        MetricsError::Line {
            path: self.path.clone(),
            line: self.line,
            problem: problem.to_owned(),
        }
    }
}

impl<R: BufRead> Iterator for RowReader<R> {
    type Item = Result<Row, MetricsError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().transpose()
    }
}

/// All rows of a file.
///
/// # Errors
/// A file that is missing or unreadable, or has a line that is no row: it is named.
pub fn read_rows(path: &Path) -> Result<Vec<Row>, MetricsError> {
    RowReader::open(path)?.collect()
}

#[cfg(test)]
mod tests;
