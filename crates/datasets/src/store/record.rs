//! A feature as bytes: little-endian numbers, each list behind its length, and a checksum (CRC-32).

use std::io;

use crate::{Feature, RowTarget, TokenMap};

/// A length as a record has it.
pub(super) fn count(length: usize) -> io::Result<u32> {
    u32::try_from(length).map_err(|_| {
        let problem = format!("a list of {length} entries is longer than any model reads");
        io::Error::new(io::ErrorKind::InvalidInput, problem)
    })
}

/// Bytes of a checksum.
const CHECKSUM: usize = 4;

/// Appends a feature.
pub(super) fn write(feature: &Feature, into: &mut Vec<u8>) -> io::Result<()> {
    let start = into.len();
    write_fields(feature, into)?;
    let checksum = crc32fast::hash(into.get(start..).unwrap_or_default());
    into.extend(checksum.to_le_bytes());
    Ok(())
}

fn write_fields(feature: &Feature, into: &mut Vec<u8>) -> io::Result<()> {
    into.extend(feature.example.to_le_bytes());
    list(&feature.ids, into, |ids, into| {
        list(ids, into, |id, into| number(*id, into))
    })?;
    list(&feature.type_ids, into, |type_ids, into| {
        list(type_ids, into, |type_id, into| {
            into.push(*type_id);
            Ok(())
        })
    })?;
    match &feature.target {
        RowTarget::None => into.push(0),
        RowTarget::Class(id) => {
            into.push(1);
            number(*id, into)?;
        }
        RowTarget::Numbers(numbers) => {
            into.push(2);
            list(numbers, into, |value, into| number(value.to_bits(), into))?;
        }
        RowTarget::Tokens(labels) => {
            into.push(3);
            list(labels, into, |label, into| number(*label as u32, into))?;
        }
        RowTarget::Span { start, end } => {
            into.push(4);
            number(*start, into)?;
            number(*end, into)?;
        }
    }
    match &feature.map {
        TokenMap::Whole => into.push(0),
        TokenMap::Words(words) => {
            into.push(1);
            list(words, into, |(word, position), into| {
                number(*word, into)?;
                number(*position, into)
            })?;
        }
        TokenMap::Context {
            characters,
            starts,
            no_answer,
        } => {
            into.push(2);
            list(characters, into, |range, into| {
                into.push(u8::from(range.is_some()));
                let (start, end) = range.unwrap_or_default();
                number(start, into)?;
                number(end, into)
            })?;
            for value in [starts.start, starts.end, *no_answer] {
                number(value, into)?;
            }
        }
    }
    Ok(())
}

fn number(value: u32, into: &mut Vec<u8>) -> io::Result<()> {
    into.extend(value.to_le_bytes());
    Ok(())
}

fn list<T>(
    entries: &[T],
    into: &mut Vec<u8>,
    write: impl Fn(&T, &mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    into.extend(count(entries.len())?.to_le_bytes());
    entries.iter().try_for_each(|entry| write(entry, into))
}

/// The feature that these bytes are; none if they are anything else.
pub(super) fn read(bytes: &[u8]) -> Option<Feature> {
    let (bytes, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
    if crc32fast::hash(bytes) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let mut rest = Rest(bytes);
    let feature = Feature {
        example: u64::from_le_bytes(rest.take()?),
        ids: rest.list(|rest| rest.list(Rest::number))?,
        type_ids: rest.list(|rest| rest.list(Rest::byte))?,
        target: match rest.byte()? {
            0 => RowTarget::None,
            1 => RowTarget::Class(rest.number()?),
            2 => RowTarget::Numbers(rest.list(|rest| rest.number().map(f32::from_bits))?),
            3 => RowTarget::Tokens(rest.list(|rest| rest.number().map(|label| label as i32))?),
            4 => RowTarget::Span {
                start: rest.number()?,
                end: rest.number()?,
            },
            _ => return None,
        },
        map: match rest.byte()? {
            0 => TokenMap::Whole,
            1 => TokenMap::Words(rest.list(|rest| Some((rest.number()?, rest.number()?)))?),
            2 => TokenMap::Context {
                characters: rest.list(|rest| {
                    let is_some = rest.byte()?;
                    match (is_some, (rest.number()?, rest.number()?)) {
                        (0, (0, 0)) => Some(None),
                        (1, range) => Some(Some(range)),
                        _ => None,
                    }
                })?,
                starts: rest.number()?..rest.number()?,
                no_answer: rest.number()?,
            },
            _ => return None,
        },
    };
    rest.0.is_empty().then_some(feature)
}

/// Bytes not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn list<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()? as usize;
        // Every entry takes a byte at least: a wrong length takes no memory.
        if count > self.0.len() {
            return None;
        }
        (0..count).map(|_| read(self)).collect()
    }
}
