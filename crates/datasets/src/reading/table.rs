//! Tables: rows of cells, with quotations as RFC 4180 has them, or without.
//!
//! Cut here and not by a library, because a quotation that is left open takes in the rest of a file:
//! it is told where it begins, and every record where it stands.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use super::lines::{Lines, filled, not_utf8, problem, read_failed, too_long};
use super::record::{Content, MAX_RECORD_BYTES, Record};
use crate::DataError;

/// A table on its way to rows. Blank lines are none.
pub(super) enum Table {
    Quoted(Quoted),
    Plain { lines: Lines, delimiter: char },
}

impl Table {
    pub(super) fn new(
        file: Arc<Path>,
        reader: Box<dyn BufRead + Send>,
        delimiter: char,
        has_quotes: bool,
    ) -> Self {
        if has_quotes {
            Self::Quoted(Quoted {
                file,
                reader,
                delimiter: u8::try_from(delimiter).unwrap_or(b','),
                line: 1,
                after_return: false,
            })
        } else {
            Self::Plain {
                lines: Lines::new(file, reader),
                delimiter,
            }
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Record>, DataError> {
        match self {
            Self::Quoted(quoted) => quoted.next(),
            Self::Plain { lines, delimiter } => {
                let byte = u8::try_from(*delimiter).unwrap_or(b'\t');
                while let Some((line, text)) = lines.next(byte)? {
                    if !text.is_empty() {
                        let cells = text.split(*delimiter).map(str::to_owned).collect();
                        let content = Content::Cells(cells);
                        return Ok(Some(Record { line, content }));
                    }
                }
                Ok(None)
            }
        }
    }
}

/// A table with quotations.
pub(super) struct Quoted {
    file: Arc<Path>,
    reader: Box<dyn BufRead + Send>,
    delimiter: u8,
    /// Where the next byte stands.
    line: u64,
    after_return: bool,
}

/// Where in a cell one is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Plain,
    Quotation,
    /// Behind a quote that ends a quotation, or is the first half of one in it.
    Quote,
}

/// A row that is being read.
struct Row {
    start: u64,
    /// Where the quotation begins that one is in.
    quotation: u64,
    at: At,
    cells: Vec<Vec<u8>>,
    cell: Vec<u8>,
    bytes: usize,
}

/// What a byte does to a row.
enum Step {
    Goes,
    Ends,
    Wrong,
}

impl Row {
    fn step(&mut self, byte: u8, delimiter: u8, line: u64) -> Step {
        self.bytes += 1;
        match (self.at, byte) {
            (At::Quotation, b'"') => self.at = At::Quote,
            (At::Quotation, _) => self.cell.push(byte),
            (At::Quote, b'"') => {
                self.cell.push(byte);
                self.at = At::Quotation;
            }
            (_, b'\n' | b'\r') => return Step::Ends,
            (_, _) if byte == delimiter => {
                self.cells.push(std::mem::take(&mut self.cell));
                self.at = At::Start;
            }
            (At::Quote, _) => return Step::Wrong,
            (At::Start, b'"') => {
                self.at = At::Quotation;
                self.quotation = line;
            }
            (At::Start | At::Plain, _) => {
                self.cell.push(byte);
                self.at = At::Plain;
            }
        }
        Step::Goes
    }

    fn is_blank(&self) -> bool {
        self.cells.is_empty() && self.at == At::Start
    }
}

impl Quoted {
    fn next(&mut self) -> Result<Option<Record>, DataError> {
        let mut row = self.row();
        loop {
            let chunk = filled(&mut self.reader).map_err(read_failed(&self.file))?;
            if chunk.is_empty() {
                return match row.at {
                    At::Quotation => Err(problem(
                        &self.file,
                        row.quotation,
                        format!(
                            "column {}: a quote that begins here is open to the end of the file; \
                             close it, or say that quotes are text",
                            row.cells.len() + 1
                        ),
                    )),
                    _ if row.is_blank() => Ok(None),
                    _ => self.record(row).map(Some),
                };
            }
            let mut taken = 0;
            let mut end = Step::Goes;
            for &byte in chunk {
                taken += 1;
                let follows_return = std::mem::take(&mut self.after_return);
                if follows_return && byte == b'\n' {
                    if row.at == At::Quotation {
                        row.cell.push(byte);
                    }
                    continue;
                }
                end = row.step(byte, self.delimiter, self.line);
                if matches!(byte, b'\n' | b'\r') {
                    self.line += 1;
                    self.after_return = byte == b'\r';
                }
                if !matches!(end, Step::Goes) {
                    break;
                }
            }
            self.reader.consume(taken);
            if row.bytes > MAX_RECORD_BYTES {
                return Err(problem(&self.file, row.start, too_long()));
            }
            match end {
                Step::Goes => {}
                Step::Ends if row.is_blank() => row = self.row(),
                Step::Ends => return self.record(row).map(Some),
                Step::Wrong => {
                    return Err(problem(
                        &self.file,
                        self.line,
                        format!(
                            "column {}: text behind a closing quote; write a quote in a quotation \
                             twice",
                            row.cells.len() + 1
                        ),
                    ));
                }
            }
        }
    }

    fn row(&self) -> Row {
        Row {
            start: self.line,
            quotation: self.line,
            at: At::Start,
            cells: Vec::new(),
            cell: Vec::new(),
            bytes: 0,
        }
    }

    fn record(&self, mut row: Row) -> Result<Record, DataError> {
        row.cells.push(row.cell);
        let cells = row.cells.into_iter().enumerate().map(|(index, cell)| {
            String::from_utf8(cell)
                .map_err(|_| problem(&self.file, row.start, not_utf8(&(index + 1).to_string())))
        });
        Ok(Record {
            line: row.start,
            content: Content::Cells(cells.collect::<Result<_, _>>()?),
        })
    }
}
