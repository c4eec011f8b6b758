//! What a file is, by its first bytes.

use super::known::{self, NotText};
use super::wide::Width;

/// How many of the first bytes are looked at.
pub(in crate::reading) const HEAD_BYTES: usize = 8 << 10;

/// Of a file that is not text one byte in this many is a control character, or more are.
const BYTES_PER_CONTROL: usize = 20;

/// Text in an encoding of eight bits has a space or a line's end in so many bytes.
const LONGEST_WORD: usize = 1000;

/// A way to store bytes in fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstandard,
    Bzip2,
    Xz,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something compressed; what, is seen when it is unpacked.
    Compressed(Compression),
    Tar,
    Zip,
    Parquet,
    /// Text in units of two or four bytes.
    Wide(Width),
    /// Text in UTF-8, or in something that is not.
    Text,
    /// What no text can be read from.
    Other(NotText),
}

/// What begins with `head`; all of it if `is_whole`.
pub(super) fn kind(head: &[u8], is_whole: bool) -> Kind {
    if let Some(kind) = container(head) {
        return kind;
    }
    if let Some(width) = Width::by_mark(head) {
        return Kind::Wide(width);
    }
    if let Some(other) = known::by_first_bytes(head) {
        return Kind::Other(other);
    }
    if let Some(order) = wide_without_mark(head) {
        return Kind::Other(NotText::new(
            format!("text in {order} without a byte order mark"),
            format!("convert it: iconv -f {order} -t UTF-8"),
        ));
    }
    if is_binary(head, is_whole) {
        return Kind::Other(NotText::new(
            "a binary file",
            "pass text, or write what text it holds into a .txt or .jsonl file",
        ));
    }
    Kind::Text
}

fn container(head: &[u8]) -> Option<Kind> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    // The first frame of .zst may be one to skip.
    let skips = matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
    let bzip2_blocks: [&[u8]; 2] = [b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"];
    let is_bzip2 = matches!(head, [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..]
        if bzip2_blocks.iter().any(|magic| rest.starts_with(magic)));
    if starts(b"\x1f\x8b\x08") {
        Some(Kind::Compressed(Compression::Gzip))
    } else if starts(b"\x28\xb5\x2f\xfd") || skips {
        Some(Kind::Compressed(Compression::Zstandard))
    } else if is_bzip2 {
        Some(Kind::Compressed(Compression::Bzip2))
    } else if starts(b"\xfd7zXZ\0") {
        Some(Kind::Compressed(Compression::Xz))
    } else if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") || starts(b"PK\x07\x08") {
        Some(Kind::Zip)
    } else if starts(b"PAR1") && head.iter().take(64).any(|&byte| byte < b' ') {
        Some(Kind::Parquet)
    } else if super::tar::is_header(head) {
        Some(Kind::Tar)
    } else {
        None
    }
}

/// The name of the order of bytes of UTF-16 that says it nowhere: every second byte of most text is
/// zero, always the same one of the two.
fn wide_without_mark(head: &[u8]) -> Option<&'static str> {
    if head.len() < 4 {
        return None;
    }
    let zeros = |offset: usize| {
        let zeros = head.iter().skip(offset).step_by(2);
        zeros.filter(|&&byte| byte == 0).count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    let (order, width): (_, fn([u8; 2]) -> u16) = if even == 0 && odd * 20 > head.len() {
        ("UTF-16LE", u16::from_le_bytes)
    } else if odd == 0 && even * 20 > head.len() {
        ("UTF-16BE", u16::from_be_bytes)
    } else {
        return None;
    };
    let units = head.as_chunks::<2>().0.iter().map(|&unit| width(unit));
    let mut letters = 0;
    let mut count = 0;
    for char in char::decode_utf16(units) {
        count += 1;
        let is_letter = char.is_ok_and(|it| it.is_alphanumeric() || it.is_whitespace());
        letters += usize::from(is_letter);
    }
    // Small numbers in two bytes each are mostly control characters.
    (letters * 3 > count * 2).then_some(order)
}

fn is_binary(head: &[u8], is_whole: bool) -> bool {
    let is_control = |byte: u8| {
        byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x08 | 0x0b | 0x0c | 0x1b)
    };
    let controls = head.iter().filter(|&&byte| is_control(byte)).count();
    let is_utf8 = match std::str::from_utf8(head) {
        Ok(_) => true,
        // Cut in the middle of a character.
        Err(error) => error.error_len().is_none() && !is_whole,
    };
    // Text with a stray zero is text; bytes that are neither UTF-8 nor free of zeros are not.
    let is_unbroken = head.len() > LONGEST_WORD && !head.iter().any(u8::is_ascii_whitespace);
    controls * BYTES_PER_CONTROL > head.len() || (!is_utf8 && (head.contains(&0) || is_unbroken))
}
