//! Corpora: text files in, token shards out, and what example building reads of them.
//!
//! ```text
//! Inputs -> paragraphs -> sentences -> tokenizer -> Shard (a folder) -> Corpus
//! ```
//!
//! A corpus is a list of documents, a document a list of sentences, a sentence a run of token ids.
//! All tokens of a document stand next to each other, in order, so that any stretch of text is one
//! range of token positions.

use std::ops::Range;
use std::path::Path;

use crate::error::TextError;
use crate::reading::{Inputs, hex};
use crate::tokenizer::Tokenizer;

mod cache;
mod header;
mod identity;
mod prepare;
mod sentences;
mod shard;
mod writer;

pub use cache::{
    CacheEntry, Cleared, EntryKind, cache_bytes, cached, clear_cache, list_cache, note_run,
};
pub use header::{Header, ReadSettings, TextNotes};
pub use prepare::{PrepareProgress, PrepareSettings, PrepareSummary, prepare};

use identity::{digest, entropy, identity};
use shard::Shard;

/// Documents of sentences of token ids: in memory, or mapped from a shard folder.
///
/// Every method is cheap, none changes anything: share it behind an `Arc` among worker threads.
#[derive(Debug)]
pub struct Corpus {
    storage: Storage,
    vocab_size: u32,
    unigram_entropy: f64,
    identity: [u8; 32],
}

#[derive(Debug)]
enum Storage {
    Memory(InMemory),
    Shard(Box<Shard>),
}

/// Bounds have one entry more than there are parts: part `i` is `bounds[i]..bounds[i + 1]`.
#[derive(Debug)]
struct InMemory {
    tokens: Vec<u32>,
    sentences: Vec<u64>,
    documents: Vec<u64>,
}

impl Corpus {
    /// Maps a shard folder that [`prepare`] made with this tokenizer.
    ///
    /// Reads the header and the sizes of the files, nothing else, however large they are. What that
    /// can't find, [`Corpus::verify`] does.
    ///
    /// # Errors
    /// If the folder is no shard, is damaged or truncated, or was made with another tokenizer.
    pub fn open(dir: &Path, tokenizer: &Tokenizer) -> Result<Self, TextError> {
        let shard = Shard::open(dir)?;
        let header = shard.header();
        let expected = hex(&tokenizer.identity());
        if header.tokenizer != expected {
            return Err(TextError::OtherTokenizer {
                path: dir.to_path_buf(),
                found: short(&header.tokenizer),
                origin: tokenizer.origin().to_string(),
                expected: short(&expected),
            });
        }
        Ok(Self {
            vocab_size: header.vocab_size,
            unigram_entropy: header.unigram_entropy,
            identity: header.identity(),
            storage: Storage::Shard(Box::new(shard)),
        })
    }

    /// A corpus of documents of sentences of ids. Empty sentences and documents are dropped.
    ///
    /// An id that is not below `vocab_size` is found when it is read.
    pub fn in_memory(documents: Vec<Vec<Vec<u32>>>, vocab_size: u32) -> Self {
        let mut memory = InMemory {
            tokens: Vec::new(),
            sentences: vec![0],
            documents: vec![0],
        };
        for document in documents {
            for sentence in document.into_iter().filter(|ids| !ids.is_empty()) {
                memory.tokens.extend(sentence);
                memory.sentences.push(memory.tokens.len() as u64);
            }
            let end = memory.sentences.len() as u64 - 1;
            if memory.documents.last() != Some(&end) {
                memory.documents.push(end);
            }
        }
        let mut counts = vec![0; vocab_size as usize];
        for &id in &memory.tokens {
            if let Some(count) = counts.get_mut(id as usize) {
                *count += 1;
            }
        }
        let width = header::token_width(vocab_size);
        Self {
            vocab_size,
            unigram_entropy: entropy(&counts),
            identity: identity(
                vocab_size,
                &[
                    digest(memory.tokens.iter().map(|&id| width.bytes(id))),
                    digest(memory.sentences.iter().map(|bound| bound.to_le_bytes())),
                    digest(memory.documents.iter().map(|bound| bound.to_le_bytes())),
                ],
            ),
            storage: Storage::Memory(memory),
        }
    }

    /// Number of documents.
    pub fn num_documents(&self) -> usize {
        match &self.storage {
            Storage::Memory(memory) => memory.documents.len() - 1,
            Storage::Shard(shard) => shard.num_documents(),
        }
    }

    /// Number of sentences in all documents.
    pub fn num_sentences(&self) -> usize {
        match &self.storage {
            Storage::Memory(memory) => memory.sentences.len() - 1,
            Storage::Shard(shard) => shard.num_sentences(),
        }
    }

    /// Number of tokens in all documents.
    pub fn num_tokens(&self) -> u64 {
        match &self.storage {
            Storage::Memory(memory) => memory.tokens.len() as u64,
            Storage::Shard(shard) => shard.num_tokens(),
        }
    }

    /// The number that every id is below.
    pub fn vocab_size(&self) -> u32 {
        self.vocab_size
    }

    /// The sentences of document `document`, at least one.
    ///
    /// Bounds that a damaged file made impossible give sentences past the end, which
    /// [`Corpus::read`] refuses.
    ///
    /// # Panics
    /// If there is no such document: the caller's mistake.
    pub fn document(&self, document: usize) -> Range<usize> {
        let num_documents = self.num_documents();
        assert!(
            document < num_documents,
            "document {document} of {num_documents}"
        );
        let (start, end) = match &self.storage {
            Storage::Memory(memory) => (memory.documents[document], memory.documents[document + 1]),
            Storage::Shard(shard) => shard.document_bounds(document),
        };
        let bounds = checked(start, end, self.num_sentences() as u64);
        bounds.start as usize..bounds.end as usize
    }

    /// The token positions of sentence `sentence`, at least one.
    ///
    /// Bounds that a damaged file made impossible, and a sentence past the end, give positions past
    /// the end, which [`Corpus::read`] refuses.
    pub fn sentence(&self, sentence: usize) -> Range<u64> {
        let num_tokens = self.num_tokens();
        if sentence >= self.num_sentences() {
            return num_tokens..num_tokens + 1;
        }
        let (start, end) = match &self.storage {
            Storage::Memory(memory) => (memory.sentences[sentence], memory.sentences[sentence + 1]),
            Storage::Shard(shard) => shard.sentence_bounds(sentence),
        };
        checked(start, end, num_tokens)
    }

    /// Number of tokens in sentence `sentence`.
    pub fn sentence_len(&self, sentence: usize) -> usize {
        let range = self.sentence(sentence);
        (range.end - range.start) as usize
    }

    /// Appends the ids at positions `tokens` to `into`; every one of them is below
    /// [`Corpus::vocab_size`]. After an error `into` is as it was.
    ///
    /// # Errors
    /// If the corpus lacks those positions, or holds an id outside the vocabulary there.
    pub fn read(&self, tokens: Range<u64>, into: &mut Vec<u32>) -> Result<(), TextError> {
        let num_tokens = self.num_tokens();
        if tokens.start > tokens.end || tokens.end > num_tokens {
            return Err(TextError::RangeOutside {
                origin: self.origin(),
                start: tokens.start,
                end: tokens.end,
                num_tokens,
            });
        }
        let before = into.len();
        let (start, end) = (tokens.start as usize, tokens.end as usize);
        match &self.storage {
            Storage::Memory(memory) => into.extend_from_slice(&memory.tokens[start..end]),
            Storage::Shard(shard) => shard.read(start..end, into),
        }
        let outside = into[before..].iter().position(|&id| id >= self.vocab_size);
        if let Some(offset) = outside {
            let id = into[before + offset];
            into.truncate(before);
            return Err(TextError::IdOutside {
                origin: self.origin(),
                position: tokens.start + offset as u64,
                id,
                vocab_size: self.vocab_size,
            });
        }
        Ok(())
    }

    /// Entropy of the distribution of tokens, in nats: the loss of a model that knows only how
    /// frequent each token is.
    pub fn unigram_entropy(&self) -> f64 {
        self.unigram_entropy
    }

    /// Equal for equal documents over an equally large vocabulary, however they were read.
    pub fn identity(&self) -> [u8; 32] {
        self.identity
    }

    /// Of the shard found again by what was read, with what was left out this time.
    fn found_in(mut self, inputs: &Inputs) -> Self {
        if let Storage::Shard(shard) = &mut self.storage {
            shard.set_left_out_of_folders(inputs.left_out());
        }
        self
    }

    /// What is known of a corpus from a shard folder: its inputs, settings and counts.
    pub fn header(&self) -> Option<&Header> {
        match &self.storage {
            Storage::Memory(_) => None,
            Storage::Shard(shard) => Some(shard.header()),
        }
    }

    /// The shard folder; nothing for a corpus in memory.
    pub fn path(&self) -> Option<&Path> {
        match &self.storage {
            Storage::Memory(_) => None,
            Storage::Shard(shard) => Some(shard.dir()),
        }
    }

    /// Reads all files and compares them with the header's checksums.
    ///
    /// # Errors
    /// If a file was changed since it was written; names it.
    pub fn verify(&self) -> Result<(), TextError> {
        match &self.storage {
            Storage::Memory(_) => Ok(()),
            Storage::Shard(shard) => shard.verify(),
        }
    }

    fn origin(&self) -> String {
        match &self.storage {
            Storage::Memory(_) => "corpus in memory".to_string(),
            Storage::Shard(shard) => shard.dir().display().to_string(),
        }
    }
}

/// `start..end` if that is a non-empty part of `0..len`, else a range that ends after `len`.
fn checked(start: u64, end: u64, len: u64) -> Range<u64> {
    if start < end && end <= len {
        start..end
    } else {
        len..len + 1
    }
}

/// The first digits of a hash, enough to tell two apart in a message.
fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

#[cfg(test)]
mod tests;
