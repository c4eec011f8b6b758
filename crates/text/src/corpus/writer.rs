//! Writes a shard's files as tokens arrive.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::header::{DOCUMENTS, HEADER, Header, SENTENCES, TOKENS, TokenWidth, token_width};
use super::identity::entropy;
use crate::error::{TextError, write_failed};
use crate::reading::{DataFile, hex};

/// Takes sentences in order; [`ShardWriter::finish`] makes the folder complete.
pub(super) struct ShardWriter {
    dir: PathBuf,
    tokens: HashedFile,
    sentences: HashedFile,
    documents: HashedFile,
    width: TokenWidth,
    /// By id: how often it was written.
    counts: Vec<u64>,
    num_tokens: u64,
    num_sentences: u64,
    num_documents: u64,
    /// The next sentence starts a document.
    at_boundary: bool,
}

impl ShardWriter {
    pub(super) fn create(dir: &Path, vocab_size: u32) -> Result<Self, TextError> {
        let mut writer = Self {
            tokens: HashedFile::create(dir.join(TOKENS))?,
            sentences: HashedFile::create(dir.join(SENTENCES))?,
            documents: HashedFile::create(dir.join(DOCUMENTS))?,
            dir: dir.to_path_buf(),
            width: token_width(vocab_size),
            counts: vec![0; vocab_size as usize],
            num_tokens: 0,
            num_sentences: 0,
            num_documents: 0,
            at_boundary: true,
        };
        writer.sentences.write(&0u64.to_le_bytes())?;
        Ok(writer)
    }

    /// What follows belongs to another document. Several calls in a row make one boundary.
    pub(super) fn end_document(&mut self) {
        self.at_boundary = true;
    }

    /// Appends a sentence; an empty one is dropped.
    pub(super) fn push_sentence(&mut self, ids: &[u32]) -> Result<(), TextError> {
        if ids.is_empty() {
            return Ok(());
        }
        if self.at_boundary {
            self.documents.write(&self.num_sentences.to_le_bytes())?;
            self.num_documents += 1;
            self.at_boundary = false;
        }
        for (offset, &id) in ids.iter().enumerate() {
            let Some(count) = self.counts.get_mut(id as usize) else {
                return Err(TextError::IdOutside {
                    origin: self.dir.display().to_string(),
                    position: self.num_tokens + offset as u64,
                    id,
                    vocab_size: self.counts.len() as u32,
                });
            };
            *count += 1;
            self.tokens.write(self.width.bytes(id).as_ref())?;
        }
        self.num_tokens += ids.len() as u64;
        self.num_sentences += 1;
        self.sentences.write(&self.num_tokens.to_le_bytes())
    }

    pub(super) fn num_tokens(&self) -> u64 {
        self.num_tokens
    }

    pub(super) fn num_sentences(&self) -> u64 {
        self.num_sentences
    }

    pub(super) fn num_documents(&self) -> u64 {
        self.num_documents
    }

    /// How often `id` was written.
    pub(super) fn count(&self, id: u32) -> u64 {
        self.counts.get(id as usize).copied().unwrap_or(0)
    }

    /// Completes `header`, writes it last and brings everything to the disk.
    pub(super) fn finish(mut self, mut header: Header) -> Result<Header, TextError> {
        self.documents.write(&self.num_sentences.to_le_bytes())?;
        header.num_tokens = self.num_tokens;
        header.num_sentences = self.num_sentences;
        header.num_documents = self.num_documents;
        header.unigram_entropy = entropy(&self.counts);
        for (name, file) in [
            (TOKENS, self.tokens),
            (SENTENCES, self.sentences),
            (DOCUMENTS, self.documents),
        ] {
            header.files.insert(name.to_string(), file.finish()?);
        }
        let path = self.dir.join(HEADER);
        let json = header
            .to_json()
            .map_err(|reason| write_failed(&path)(reason.into()))?;
        std::fs::write(&path, json).map_err(write_failed(&path))?;
        Ok(header)
    }
}

/// A buffered file that knows what it holds.
struct HashedFile {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    /// Waits to be hashed and written.
    block: Vec<u8>,
    bytes: u64,
}

impl HashedFile {
    /// Large enough that hashing and writing cost nothing per call.
    const BLOCK: usize = 1 << 18;

    fn create(path: PathBuf) -> Result<Self, TextError> {
        let file = File::create_new(&path).map_err(write_failed(&path))?;
        Ok(Self {
            path,
            file,
            hasher: Sha256::new(),
            block: Vec::with_capacity(Self::BLOCK),
            bytes: 0,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), TextError> {
        self.block.extend_from_slice(bytes);
        if self.block.len() >= Self::BLOCK - 8 {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TextError> {
        self.hasher.update(&self.block);
        self.bytes += self.block.len() as u64;
        self.file
            .write_all(&self.block)
            .map_err(write_failed(&self.path))?;
        self.block.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<DataFile, TextError> {
        self.flush()?;
        Ok(DataFile {
            bytes: self.bytes,
            sha256: hex(&self.hasher.finalize()),
        })
    }
}
