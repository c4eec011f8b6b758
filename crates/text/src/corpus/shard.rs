//! The shard folder: a JSON header and three mapped files of little-endian numbers.
//!
//! | file | content |
//! | --- | --- |
//! | header.json | version, tokenizer, counts, checksums, inputs, settings |
//! | tokens.bin | ids, 2 bytes each when the vocabulary fits, else 4 |
//! | sentences.bin | u64 token positions where sentences start, and the end |
//! | documents.bin | u64 sentence numbers where documents start, and the end |
//!
//! Opening reads the header and compares sizes. Ids and bounds are checked where they are read, so
//! a damaged file gives an error or a wrong text, never an id outside the vocabulary.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::{Mmap, MmapOptions};

use super::header::{
    DOCUMENTS, HEADER, Header, SENTENCES, TOKENS, TokenWidth, read_header, token_width,
};
use crate::error::{TextError, read_failed};
use crate::reading::{LeftOut, file_digest};

/// An open shard folder.
#[derive(Debug)]
pub(super) struct Shard {
    dir: PathBuf,
    header: Header,
    width: TokenWidth,
    tokens: Mmap,
    sentences: Mmap,
    documents: Mmap,
    /// Locked for as long as the shard is open, so that nobody clears it away.
    _in_use: Option<File>,
}

impl Shard {
    /// Reads the header and maps the files.
    pub(super) fn open(dir: &Path) -> Result<Self, TextError> {
        // First of all: what is cleared away meanwhile is not found, what is found stays.
        let in_use = lock(&dir.join(HEADER));
        let header = read_header(dir)?;
        let map = |name: &str| {
            let bytes = header.files.get(name).map_or(0, |file| file.bytes);
            map_file(&dir.join(name), bytes)
        };
        Ok(Self {
            width: token_width(header.vocab_size),
            tokens: map(TOKENS)?,
            sentences: map(SENTENCES)?,
            documents: map(DOCUMENTS)?,
            _in_use: in_use,
            dir: dir.to_path_buf(),
            header,
        })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    pub(super) fn set_left_out_of_folders(&mut self, left_out: &LeftOut) {
        self.header.left_out_of_folders = left_out.clone();
    }

    pub(super) fn num_documents(&self) -> usize {
        self.header.num_documents as usize
    }

    pub(super) fn num_sentences(&self) -> usize {
        self.header.num_sentences as usize
    }

    pub(super) fn num_tokens(&self) -> u64 {
        self.header.num_tokens
    }

    pub(super) fn document_bounds(&self, document: usize) -> (u64, u64) {
        bounds(&self.documents, document)
    }

    pub(super) fn sentence_bounds(&self, sentence: usize) -> (u64, u64) {
        bounds(&self.sentences, sentence)
    }

    /// Appends the ids at `positions`, which lie inside the file.
    pub(super) fn read(&self, positions: Range<usize>, into: &mut Vec<u32>) {
        let size = self.width.size();
        let bytes = &self.tokens[positions.start * size..positions.end * size];
        match self.width {
            TokenWidth::Two => into.extend(
                bytes
                    .chunks_exact(2)
                    .map(|b| u32::from(u16::from_le_bytes([b[0], b[1]]))),
            ),
            TokenWidth::Four => into.extend(
                bytes
                    .chunks_exact(4)
                    .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])),
            ),
        }
    }

    /// Reads every file to its end and compares its checksum.
    pub(super) fn verify(&self) -> Result<(), TextError> {
        for (name, file) in &self.header.files {
            let path = self.dir.join(name);
            let found = file_digest(&path).map_err(read_failed(&path))?.sha256;
            if found != file.sha256 {
                return Err(TextError::Shard {
                    path,
                    reason: "changed since it was written (its checksum differs)".to_string(),
                });
            }
        }
        Ok(())
    }
}

/// A shared lock on a file; none where the file system has none: it protects from a mistake, not
/// from harm, since an open file stays until it is closed. Whoever asks whether it is locked, or
/// deletes it, holds it for a moment, which is waited for.
fn lock(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.lock_shared().ok()?;
    Some(file)
}

/// Maps a file that has exactly `bytes` bytes.
fn map_file(path: &Path, bytes: u64) -> Result<Mmap, TextError> {
    let file = File::open(path).map_err(read_failed(path))?;
    let found = file.metadata().map_err(read_failed(path))?.len();
    if found != bytes {
        return Err(TextError::Shard {
            path: path.to_path_buf(),
            reason: format!("has {found} bytes, the header says {bytes}"),
        });
    }
    #[expect(
        unsafe_code,
        reason = "a corpus larger than memory has to be mapped; no safe interface exists"
    )]
    // SAFETY: the map is read-only and handed out as copies only. Finished shards are never written
    // to by this program: they appear under their name by a rename. A program that shortens the file
    // meanwhile makes the operating system end the process (SIGBUS), as for every mapped file; one
    // that overwrites it changes ids, which are checked after they are copied.
    let map = unsafe { MmapOptions::new().map(&file) };
    map.map_err(read_failed(path))
}

/// Entries `index` and `index + 1` of a file of u64.
fn bounds(map: &[u8], index: usize) -> (u64, u64) {
    let entry = |index: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&map[index * 8..index * 8 + 8]);
        u64::from_le_bytes(bytes)
    };
    (entry(index), entry(index + 1))
}
