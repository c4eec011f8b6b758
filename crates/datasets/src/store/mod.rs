//! Features on disk, found by their number: memory does not grow with the data.
//!
//! | file | what it holds |
//! | --- | --- |
//! | features | one record behind the other (`record.rs`) |
//! | index | 24 bytes a feature: where its record ends, its example, the length of its longest sequence, how many sequences it has |
//!
//! Both are temporary files without a name, mapped into memory: the system keeps in memory what is in
//! use, and the files are gone when the store is. They are in the folder for temporary files; where that
//! is itself in memory, TMPDIR should name one on a disk.

use std::env;
use std::fs::File;
use std::io::{self, BufWriter, Write};

use memmap2::{Mmap, MmapOptions};

use crate::{DataError, Feature};

mod record;

/// Bytes of the index a feature.
const ENTRY: usize = 24;

/// What the index says of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    /// Where its record ends.
    end: u64,
    example: u64,
    length: u32,
    sequences: u32,
}

impl Entry {
    fn to_bytes(self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        let numbers = [
            self.end,
            self.example,
            u64::from(self.length) | u64::from(self.sequences) << 32,
        ];
        for (slot, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            slot.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        let mut numbers = [0; 3];
        for (number, slot) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
            *number = u64::from_le_bytes(slot.try_into().unwrap_or_default());
        }
        let [end, example, lengths] = numbers;
        Self {
            end,
            example,
            length: lengths as u32,
            sequences: (lengths >> 32) as u32,
        }
    }
}

/// Takes features one by one.
#[derive(Debug)]
pub struct StoreWriter {
    features: BufWriter<File>,
    index: BufWriter<File>,
    end: u64,
    count: u64,
    /// One record, used again.
    record: Vec<u8>,
}

impl StoreWriter {
    /// Two new files in the folder for temporary files.
    ///
    /// # Errors
    /// If they can't be made.
    pub fn new() -> Result<Self, DataError> {
        let file = || tempfile::tempfile().map(BufWriter::new).map_err(failed);
        Ok(Self {
            features: file()?,
            index: file()?,
            end: 0,
            count: 0,
            record: Vec::new(),
        })
    }

    /// Adds a feature; its number is how many were added before it.
    ///
    /// # Errors
    /// If the disk is full, or a sequence has more than 2^32 tokens.
    pub fn push(&mut self, feature: &Feature) -> Result<(), DataError> {
        self.record.clear();
        record::write(feature, &mut self.record).map_err(failed)?;
        self.end += self.record.len() as u64;
        let entry = Entry {
            end: self.end,
            example: feature.example,
            length: record::count(feature.longest()).map_err(failed)?,
            sequences: record::count(feature.ids.len()).map_err(failed)?,
        };
        self.features.write_all(&self.record).map_err(failed)?;
        self.index.write_all(&entry.to_bytes()).map_err(failed)?;
        self.count += 1;
        Ok(())
    }

    /// The store of what was added.
    ///
    /// # Errors
    /// If the disk is full, or files can't be mapped.
    pub fn finish(self) -> Result<FeatureStore, DataError> {
        let index_bytes = self.count * ENTRY as u64;
        Ok(FeatureStore {
            features: map(self.features, self.end).map_err(failed)?,
            index: map(self.index, index_bytes).map_err(failed)?,
        })
    }
}

/// Features, each found by its number.
#[derive(Debug)]
pub struct FeatureStore {
    features: Option<Mmap>,
    index: Option<Mmap>,
}

impl FeatureStore {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.index.as_deref().map_or(0, <[u8]>::len) / ENTRY
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn entry(&self, number: usize) -> Option<Entry> {
        let start = number.checked_mul(ENTRY)?;
        let bytes = self.index.as_deref()?.get(start..start + ENTRY)?;
        Some(Entry::of_bytes(bytes))
    }

    /// The length of a feature's longest sequence, without reading it; 0 where there is no such feature.
    pub fn length(&self, number: usize) -> usize {
        self.entry(number).map_or(0, |entry| entry.length as usize)
    }

    /// How many sequences a feature has, without reading it; 0 where there is no such feature.
    pub fn sequences(&self, number: usize) -> usize {
        self.entry(number)
            .map_or(0, |entry| entry.sequences as usize)
    }

    /// The number of a feature's example, without reading the feature.
    pub fn example(&self, number: usize) -> Option<u64> {
        self.entry(number).map(|entry| entry.example)
    }

    /// The feature with this number, from 0.
    ///
    /// # Errors
    /// If there is no such feature, or its bytes are not those that were written.
    pub fn get(&self, number: usize) -> Result<Feature, DataError> {
        let rows = self.len();
        if number >= rows {
            return Err(DataError::Settings(format!(
                "row {number}: there are {rows}, numbered from 0"
            )));
        }
        self.read(number).ok_or_else(|| DataError::Damaged {
            folder: env::temp_dir(),
            row: number,
            rows,
        })
    }

    fn read(&self, number: usize) -> Option<Feature> {
        let entry = self.entry(number)?;
        let start = match number.checked_sub(1) {
            Some(before) => self.entry(before)?.end,
            None => 0,
        };
        let range = usize::try_from(start).ok()?..usize::try_from(entry.end).ok()?;
        let feature = record::read(self.features.as_deref()?.get(range)?)?;
        // Records have a checksum, the index has none.
        let is_indexed = feature.example == entry.example
            && feature.longest() == entry.length as usize
            && feature.ids.len() == entry.sequences as usize;
        is_indexed.then_some(feature)
    }
}

fn failed(reason: io::Error) -> DataError {
    DataError::Store {
        folder: env::temp_dir(),
        reason,
    }
}

/// A finished file of so many bytes; nothing for an empty one, which not every system can map.
fn map(writer: BufWriter<File>, bytes: u64) -> io::Result<Option<Mmap>> {
    let file = writer
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    let found = file.metadata()?.len();
    if found != bytes {
        let problem = format!("a file has {found} bytes in place of {bytes}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    if bytes == 0 {
        return Ok(None);
    }
    #[expect(
        unsafe_code,
        reason = "features that are more than memory holds have to be mapped; no safe interface exists"
    )]
    // SAFETY: the map is read-only and read by copies; the file has no name, so that no other program
    // finds it, and this one closes its only handle here.
    let map = unsafe { MmapOptions::new().map(&file) };
    map.map(Some)
}

#[cfg(test)]
mod tests;
