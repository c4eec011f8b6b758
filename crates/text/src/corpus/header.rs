//! What a shard knows about itself: header.json.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::identity::identity;
use crate::error::{TextError, read_failed};
use crate::reading::{Counted, DataFile, InputFile, LeftOut, OnInvalid, Reading, TEXT_FIELD, hex};

pub(super) const HEADER: &str = "header.json";
pub(super) const TOKENS: &str = "tokens.bin";
pub(super) const SENTENCES: &str = "sentences.bin";
pub(super) const DOCUMENTS: &str = "documents.bin";

/// Raised whenever a reader of the old version would misread the new one.
const VERSION: u32 = 1;

/// How many bytes an id takes in tokens.bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenWidth {
    Two,
    Four,
}

/// Two bytes while every id fits into them.
pub(super) fn token_width(vocab_size: u32) -> TokenWidth {
    if vocab_size < 1 << 16 {
        TokenWidth::Two
    } else {
        TokenWidth::Four
    }
}

impl TokenWidth {
    pub(super) fn size(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// The id as it stands in the file.
    pub(super) fn bytes(self, id: u32) -> IdBytes {
        IdBytes {
            bytes: id.to_le_bytes(),
            size: self.size(),
        }
    }
}

/// Two or four bytes.
pub(super) struct IdBytes {
    bytes: [u8; 4],
    size: usize,
}

impl AsRef<[u8]> for IdBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.size]
    }
}

/// How the text was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadSettings {
    /// What was done with a line that is not UTF-8, or with a record without text.
    pub on_invalid: OnInvalid,
    /// Every line is one sentence already.
    pub lines_are_sentences: bool,
    /// The field of a JSON record that holds its text.
    #[serde(default = "text_field", skip_serializing_if = "is_text_field")]
    pub text_field: String,
}

impl ReadSettings {
    pub(super) fn new(reading: &Reading, lines_are_sentences: bool) -> Self {
        Self {
            on_invalid: reading.on_invalid,
            lines_are_sentences,
            text_field: reading.text_field.clone(),
        }
    }
}

/// Fields that are left out where they say nothing keep headers as those before them were.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn text_field() -> String {
    TEXT_FIELD.to_owned()
}

fn is_text_field(field: &str) -> bool {
    field == TEXT_FIELD
}

/// What stood in the text and is not in the tokens as it stood there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextNotes {
    /// Special tokens that the text holds literally, with how often each: they are in the tokens as
    /// themselves, as transformers' tokenizers have it, and no objective predicts them.
    pub special_tokens: BTreeMap<String, u64>,
    /// Words that are longer than the tokenizer takes; each became the unknown token.
    pub long_words: u64,
    /// The first different parts of the text with an unknown token in them, shortened.
    pub unknown_examples: Vec<String>,
}

/// What a shard knows about itself.
///
/// The checksum is over the fields as they are written. A field that comes later therefore has a
/// default that is not written, so that older headers keep theirs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of the format.
    pub version: u32,
    /// Identity of the tokenizer, hexadecimal.
    pub tokenizer: String,
    /// Every id is below it.
    pub vocab_size: u32,
    /// Bytes of an id in tokens.bin: 2 or 4.
    pub token_bytes: u32,
    /// Number of tokens.
    pub num_tokens: u64,
    /// Number of sentences.
    pub num_sentences: u64,
    /// Number of documents.
    pub num_documents: u64,
    /// Tokens that are the unknown token.
    pub num_unknown: u64,
    /// Lines that were skipped because they are not UTF-8.
    pub skipped_lines: u64,
    /// Bytes of text, decompressed.
    pub text_bytes: u64,
    /// Entropy of the distribution of tokens, in nats.
    pub unigram_entropy: f64,
    /// The shard's files by name.
    pub files: BTreeMap<String, DataFile>,
    /// The files that text came from, in the order they were read.
    pub inputs: Vec<InputFile>,
    /// How the text was read.
    pub settings: ReadSettings,
    /// Records of JSON that were skipped because they have no text.
    #[serde(default, skip_serializing_if = "is_default")]
    pub skipped_records: u64,
    /// Halves of surrogate pairs in JSON that became U+FFFD.
    #[serde(default, skip_serializing_if = "is_default")]
    pub replaced_surrogates: u64,
    /// Files in archives that were left out.
    #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
    pub left_out: LeftOut,
    /// Files in folders that were left out. The tokens are the same with others there: of a corpus
    /// from the cache, these are those of now.
    #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
    pub left_out_of_folders: LeftOut,
    /// What of the text the tokens don't hold; not known of headers of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<TextNotes>,
}

impl Header {
    pub(super) fn new(tokenizer: &[u8; 32], vocab_size: u32, settings: ReadSettings) -> Self {
        Self {
            version: VERSION,
            tokenizer: hex(tokenizer),
            vocab_size,
            token_bytes: token_width(vocab_size).size() as u32,
            num_tokens: 0,
            num_sentences: 0,
            num_documents: 0,
            num_unknown: 0,
            skipped_lines: 0,
            text_bytes: 0,
            unigram_entropy: 0.0,
            files: BTreeMap::new(),
            inputs: Vec::new(),
            settings,
            skipped_records: 0,
            replaced_surrogates: 0,
            left_out: LeftOut::default(),
            left_out_of_folders: LeftOut::default(),
            notes: None,
        }
    }

    /// What was left out or changed while the text was read.
    pub fn counted(&self) -> Counted {
        Counted {
            skipped_lines: self.skipped_lines,
            skipped_records: self.skipped_records,
            replaced_surrogates: self.replaced_surrogates,
            left_out: self.left_out_of_folders.and(&self.left_out),
        }
    }

    /// Bytes of the data files.
    pub fn data_bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }

    /// Share of tokens that are the unknown token, in [0, 1].
    pub fn unknown_share(&self) -> f64 {
        self.num_unknown as f64 / self.num_tokens.max(1) as f64
    }

    /// The file's text: the header, and the checksum of its compact form.
    pub(super) fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(&Signed {
            checksum: self.checksum()?,
            header: self.clone(),
        })
    }

    fn checksum(&self) -> Result<String, serde_json::Error> {
        Ok(hex(&Sha256::digest(serde_json::to_vec(self)?)))
    }

    /// The corpus' identity.
    pub(super) fn identity(&self) -> [u8; 32] {
        identity(
            self.vocab_size,
            &[TOKENS, SENTENCES, DOCUMENTS].map(|name| self.digest_of(name)),
        )
    }

    /// The digest that stands in the header; zeros where it is not one, which [`Shard::open`]
    /// refuses.
    fn digest_of(&self, name: &str) -> [u8; 32] {
        let mut digest = [0; 32];
        if let Some(file) = self.files.get(name) {
            for (byte, digits) in digest.iter_mut().zip(file.sha256.as_bytes().chunks(2)) {
                *byte = std::str::from_utf8(digits)
                    .ok()
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                    .unwrap_or(0);
            }
        }
        digest
    }

    /// The sizes that the counts imply, or nothing if they overflow.
    fn expected_sizes(&self) -> Option<[(&'static str, u64); 3]> {
        let bounds = |count: u64| count.checked_add(1)?.checked_mul(8);
        Some([
            (
                TOKENS,
                self.num_tokens.checked_mul(u64::from(self.token_bytes))?,
            ),
            (SENTENCES, bounds(self.num_sentences)?),
            (DOCUMENTS, bounds(self.num_documents)?),
        ])
    }

    fn validate(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(other_version(self.version));
        }
        if self.token_bytes as usize != token_width(self.vocab_size).size() {
            return Err(format!(
                "token_bytes = {} does not go with vocab_size = {}",
                self.token_bytes, self.vocab_size
            ));
        }
        if self.num_documents == 0
            || self.num_documents > self.num_sentences
            || self.num_sentences > self.num_tokens
            || usize::try_from(self.num_tokens).is_err()
        {
            return Err(format!(
                "{} documents, {} sentences, {} tokens can't be",
                self.num_documents, self.num_sentences, self.num_tokens
            ));
        }
        let sizes = self
            .expected_sizes()
            .ok_or_else(|| "its counts overflow".to_string())?;
        for (name, bytes) in sizes {
            match self.files.get(name) {
                Some(file) if file.bytes == bytes && is_digest(&file.sha256) => {}
                _ => return Err(format!("its entry for {name} does not go with its counts")),
            }
        }
        if !(self.unigram_entropy.is_finite() && self.unigram_entropy >= 0.0) {
            return Err(format!("unigram_entropy = {}", self.unigram_entropy));
        }
        Ok(())
    }
}

fn other_version(version: u32) -> String {
    format!("version {version} of the format, this program reads {VERSION}")
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    checksum: String,
    header: Header,
}

/// What every version of the file has.
#[derive(Deserialize)]
struct Versioned {
    header: Version,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Reads and checks header.json.
pub(super) fn read_header(dir: &Path) -> Result<Header, TextError> {
    let path = dir.join(HEADER);
    let damaged = |reason: String| TextError::Shard {
        path: path.clone(),
        reason,
    };
    if !path.exists() && !dir.join(TOKENS).exists() {
        return Err(TextError::NotText {
            path: dir.to_path_buf(),
            kind: "no tokenised text in it".to_owned(),
            remedy: "pass a folder that kiln prepare made".to_owned(),
        });
    }
    let mut file = File::open(&path).map_err(read_failed(&path))?;
    // Read as a stream: a header has no largest size, a corpus may be of any number of files, and
    // what is no header ends at its first byte that can't be one.
    // First of all the version: another one may have other fields and another checksum.
    let version = serde_json::from_reader::<_, Versioned>(BufReader::new(&file));
    if let Ok(Versioned { header }) = version
        && header.version != VERSION
    {
        return Err(damaged(other_version(header.version)));
    }
    file.rewind().map_err(read_failed(&path))?;
    let Signed { checksum, header } =
        serde_json::from_reader(BufReader::new(&file)).map_err(|reason| {
            if reason.is_io() {
                read_failed(&path)(reason.into())
            } else {
                damaged(format!("not a header of this version ({reason})"))
            }
        })?;
    let computed = header
        .checksum()
        .map_err(|reason| damaged(reason.to_string()))?;
    if checksum != computed {
        return Err(damaged(
            "changed since it was written (its checksum differs)".to_string(),
        ));
    }
    header.validate().map_err(damaged)?;
    Ok(header)
}
