//! Training by the kind of tokenizer.

use std::path::PathBuf;

use super::Tokenizer;
use super::byte_bpe::{ByteBpeSettings, train_byte_bpe};
use super::unigram::{UnigramSettings, train_unigram};
use super::word_piece::{WordPieceSettings, train_word_piece};
use crate::error::TextError;

/// The kinds of tokenizers that can be trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenizerKind {
    /// BERT's and ELECTRA's.
    WordPiece,
    /// SentencePiece's, in DeBERTa's layout since v2.
    Unigram,
    /// SentencePiece's, in XLNet's layout.
    XlnetUnigram,
    /// GPT-2's: DeBERTa's in v1.
    ByteBpe,
}

impl TokenizerKind {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::WordPiece,
        Self::Unigram,
        Self::XlnetUnigram,
        Self::ByteBpe,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::WordPiece => "word-piece",
            Self::Unigram => "unigram",
            Self::XlnetUnigram => "unigram-xlnet",
            Self::ByteBpe => "byte-bpe",
        }
    }
}

/// What to learn, of one kind.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the settings are documented")]
pub enum TrainSettings {
    WordPiece(WordPieceSettings),
    Unigram(UnigramSettings),
    ByteBpe(ByteBpeSettings),
}

impl TrainSettings {
    /// Entries in the vocabulary, special tokens included.
    pub fn vocab_size(&self) -> u32 {
        match self {
            Self::WordPiece(settings) => settings.vocab_size,
            Self::Unigram(settings) => settings.vocab_size,
            Self::ByteBpe(settings) => settings.vocab_size,
        }
    }
}

/// How far training is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainProgress {
    /// Words are being counted.
    Counting {
        /// Bytes of the input files, as stored.
        total_bytes: u64,
        /// How many of them were read.
        bytes_read: u64,
        /// Different words so far.
        words: usize,
    },
    /// Pieces are being joined.
    Merging {
        /// Entries in the vocabulary so far.
        entries: usize,
        /// How many it shall have.
        vocab_size: usize,
    },
    /// The pieces that text misses least are being dropped.
    Pruning {
        /// Entries in the vocabulary still.
        entries: usize,
        /// How many it shall have.
        vocab_size: usize,
    },
}

/// Trains a tokenizer on text files and folders of them, read as for a corpus.
///
/// # Errors
/// If an input can't be read or is empty, or the vocabulary has no room for the alphabet.
pub fn train(
    inputs: &[PathBuf],
    settings: &TrainSettings,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<Tokenizer, TextError> {
    match settings {
        TrainSettings::WordPiece(settings) => train_word_piece(inputs, settings, progress),
        TrainSettings::Unigram(settings) => train_unigram(inputs, settings, progress),
        TrainSettings::ByteBpe(settings) => train_byte_bpe(inputs, settings, progress),
    }
}
