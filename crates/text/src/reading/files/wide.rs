//! UTF-16 and UTF-32 to UTF-8, as they are read.

use std::io::{self, BufRead, Read};

/// Bytes of text that are decoded at a time.
const BUFFER_BYTES: usize = 1 << 15;

/// How text in wide units is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Width {
    /// Bytes of a unit: 2 or 4.
    unit: usize,
    is_little_endian: bool,
}

impl Width {
    /// By the mark at the start.
    pub(super) fn by_mark(head: &[u8]) -> Option<Self> {
        let (unit, is_little_endian) = match head {
            // Before the shorter mark that it begins with.
            [0xff, 0xfe, 0, 0, ..] => (4, true),
            [0, 0, 0xfe, 0xff, ..] => (4, false),
            [0xff, 0xfe, ..] => (2, true),
            [0xfe, 0xff, ..] => (2, false),
            _ => return None,
        };
        Some(Self {
            unit,
            is_little_endian,
        })
    }
}

/// Decodes to UTF-8, the byte order mark included. What is no character, half a surrogate pair or
/// half a unit at the end, becomes a byte that is not UTF-8: whoever reads lines then says where, or
/// leaves the line out.
pub(super) struct Decoded<R> {
    reader: R,
    width: Width,
    /// Bytes of units that are not complete yet.
    rest: Vec<u8>,
    /// The first half of a surrogate pair.
    high: Option<u32>,
    text: Vec<u8>,
    position: usize,
    is_end: bool,
}

/// In no UTF-8 text.
const INVALID: u8 = 0xff;

impl<R: BufRead> Decoded<R> {
    pub(super) fn new(reader: R, width: Width) -> Self {
        Self {
            reader,
            width,
            rest: Vec::new(),
            high: None,
            text: Vec::new(),
            position: 0,
            is_end: false,
        }
    }

    /// Decodes some more.
    fn advance(&mut self) -> io::Result<()> {
        self.text.clear();
        self.position = 0;
        let mut piece = std::mem::take(&mut self.rest);
        let before = piece.len();
        (&mut self.reader)
            .take((BUFFER_BYTES - before) as u64)
            .read_to_end(&mut piece)?;
        self.is_end = piece.len() < BUFFER_BYTES;
        let units = piece.chunks_exact(self.width.unit);
        self.rest.extend_from_slice(units.remainder());
        for unit in units {
            let fold = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
            let value = if self.width.is_little_endian {
                unit.iter().rev().fold(0, fold)
            } else {
                unit.iter().fold(0, fold)
            };
            self.push(value);
        }
        if self.is_end {
            if self.high.take().is_some() {
                self.text.push(INVALID);
            }
            if !self.rest.is_empty() {
                self.rest.clear();
                self.text.push(INVALID);
            }
        }
        Ok(())
    }

    fn push(&mut self, value: u32) {
        let is_pairable = self.width.unit == 2;
        if let Some(high) = self.high.take() {
            if (0xdc00..0xe000).contains(&value) {
                let pair = 0x10000 + ((high - 0xd800) << 10) + (value - 0xdc00);
                self.push_char(char::from_u32(pair));
                return;
            }
            self.text.push(INVALID);
        }
        if is_pairable && (0xd800..0xdc00).contains(&value) {
            self.high = Some(value);
        } else {
            self.push_char(char::from_u32(value));
        }
    }

    fn push_char(&mut self, char: Option<char>) {
        match char {
            Some(char) => {
                let mut bytes = [0; 4];
                self.text
                    .extend_from_slice(char.encode_utf8(&mut bytes).as_bytes());
            }
            None => self.text.push(INVALID),
        }
    }
}

impl<R: BufRead> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let read = available.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.position >= self.text.len() && !self.is_end {
            self.advance()?;
        }
        Ok(self.text.get(self.position..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount;
    }
}
