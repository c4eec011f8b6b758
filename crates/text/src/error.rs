//! What can go wrong between a text file and a batch.

use std::path::{Path, PathBuf};

use kiln_files::FileError;

/// Why text, a tokenizer or a corpus could not be used. The message is the whole line a user needs:
/// where, what, and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum TextError {
    /// A file is missing or unreadable.
    #[error(
        "{}: cannot be read ({reason}); check its path, its permissions and that it is whole",
        path.display()
    )]
    Read {
        path: PathBuf,
        reason: std::io::Error,
    },
    /// A file could not be written.
    #[error("{}: cannot be written ({reason}); check free space and permissions", path.display())]
    Write {
        path: PathBuf,
        reason: std::io::Error,
    },
    /// What comes through a pipe could not be kept.
    #[error(
        "{}: a copy of what comes through it cannot be written to {} ({reason}); free space, or name \
         another folder in TMPDIR",
        path.display(), folder.display()
    )]
    Spool {
        path: PathBuf,
        folder: PathBuf,
        reason: std::io::Error,
    },
    /// A text file is not UTF-8.
    #[error(
        "{}: line {line}: byte {byte} of the file is not UTF-8; convert the file (iconv -f CP1252 -t \
         UTF-8 if it is Western European), or leave such lines out with --skip-invalid",
        path.display()
    )]
    Encoding { path: PathBuf, line: u64, byte: u64 },
    /// A file holds no text.
    #[error("{}: {kind}; {remedy}", path.display())]
    NotText {
        path: PathBuf,
        kind: String,
        remedy: String,
    },
    /// A line of a JSON Lines file is not what it should be.
    #[error("{}: line {line}: {reason}", path.display())]
    JsonLine {
        path: PathBuf,
        line: u64,
        reason: String,
    },
    /// The inputs hold no text at all.
    #[error(
        "{inputs}: no text in it; pass files with one paragraph a line or JSON Lines with a \"text\" field \
         (another field: --text-field)"
    )]
    EmptyCorpus { inputs: String },
    /// All words are too long for the kind of tokenizer that is to be trained.
    #[error(
        "{inputs}: every word in it has more than {most} characters, and WordPiece takes such words for unknown; train byte-level BPE or unigram on it"
    )]
    LongWords { inputs: String, most: usize },
    /// A vocabulary has no room for the characters of a text.
    #[error(
        "vocab_size = {vocab_size}: the alphabet of this text takes {needed}; choose at least that{}",
        or_fit(*fit)
    )]
    Alphabet {
        vocab_size: usize,
        /// Entries that it must have.
        needed: usize,
        /// What it has room for, if anything.
        fit: Option<AlphabetFit>,
    },
    /// A setting has a value that can't work.
    #[error("{field} = {value}: {remedy}")]
    Setting {
        field: &'static str,
        value: String,
        remedy: String,
    },
    /// What should be made exists already.
    #[error("{}: exists already; choose another folder or remove it", path.display())]
    Exists { path: PathBuf },
    /// A tokenizer file can't be used.
    #[error("{}: {reason}", path.display())]
    Tokenizer { path: PathBuf, reason: String },
    /// A tokenizer lacks a special token.
    #[error(
        "{origin}: the vocabulary has no {token}; add it, or name the token that takes its place in tokenizer_config.json"
    )]
    MissingSpecialToken { origin: String, token: String },
    /// A tokenizer's files say that it has no such special token.
    #[error(
        "{origin}: {field} is null in tokenizer_config.json, or the class has none; name the token \
         there"
    )]
    NoSpecialToken { origin: String, field: &'static str },
    /// A tokenizer could not encode or decode.
    #[error("{origin}: {reason}")]
    Encode { origin: String, reason: String },
    /// A shard folder is damaged or of another version.
    #[error("{}: {reason}; remove the folder and prepare the corpus again", path.display())]
    Shard { path: PathBuf, reason: String },
    /// A shard was made with another tokenizer.
    #[error(
        "{}: made with tokenizer {found}, but {origin} is tokenizer {expected}; \
         pass the tokenizer it was made with, or prepare the corpus again",
        path.display()
    )]
    OtherTokenizer {
        path: PathBuf,
        found: String,
        origin: String,
        expected: String,
    },
    /// A corpus holds an id that its vocabulary lacks.
    #[error(
        "{origin}: token {position} has id {id}, the vocabulary ends at {vocab_size}; prepare the corpus again"
    )]
    IdOutside {
        origin: String,
        position: u64,
        id: u32,
        vocab_size: u32,
    },
    /// Token positions that the corpus lacks were asked for.
    #[error(
        "{origin}: tokens {start}..{end} asked for, there are {num_tokens}; its sentence or document bounds are damaged, prepare the corpus again"
    )]
    RangeOutside {
        origin: String,
        start: u64,
        end: u64,
        num_tokens: u64,
    },
    /// A worker thread could not be started.
    #[error(
        "a thread for building batches could not be started ({reason}); use fewer or raise the limit on processes"
    )]
    Thread { reason: std::io::Error },
    /// Building a batch panicked: a fault in Kiln.
    #[error(
        "batch {index}: building it panicked ({message}); please report this with your settings"
    )]
    BatchPanicked { index: u64, message: String },
    /// A source of batches that stands above this crate could not build one.
    #[error("batch {index}: {reason}")]
    Source { index: u64, reason: String },
}

/// The alphabet that a vocabulary has room for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AlphabetFit {
    /// So many characters.
    Characters(usize),
    /// Characters that make up such a share of the text.
    Coverage(f64),
}

fn or_fit(fit: Option<AlphabetFit>) -> String {
    match fit {
        Some(AlphabetFit::Characters(most)) => {
            format!(", or an alphabet of {most} characters at most")
        }
        Some(AlphabetFit::Coverage(most)) => {
            format!(", or an alphabet that covers {most} of the text at most")
        }
        None => String::new(),
    }
}

impl From<FileError> for TextError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Exists { path } | FileError::Name { path } => Self::Exists { path },
            FileError::Io { path, reason } => Self::Write { path, reason },
        }
    }
}

/// For `map_err`: a failed read of `path`.
pub(crate) fn read_failed(path: &Path) -> impl FnOnce(std::io::Error) -> TextError {
    let path = path.to_path_buf();
    move |reason| TextError::Read { path, reason }
}

/// For `map_err`: a failed write of `path`.
pub(crate) fn write_failed(path: &Path) -> impl FnOnce(std::io::Error) -> TextError {
    let path = path.to_path_buf();
    move |reason| TextError::Write { path, reason }
}
