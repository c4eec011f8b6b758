//! A text as its tokenizer sees it before pieces are looked up: what a trainer counts.

use serde_json::Value;
use tokenizers::normalizers::{BertNormalizer, NormalizerWrapper};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::unicode_scripts::UnicodeScripts;
use tokenizers::{
    NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
};

use super::bert::MAX_WORD_CHARS;
use super::cuts::Cuts;
use super::words::WORD_START;
use crate::error::TextError;

/// Characters that are looked at together; a longer word is counted in parts of this length.
const MAX_RUN_CHARS: usize = 256;

/// How a text becomes words.
#[derive(Debug)]
pub(super) enum Splitter {
    /// BERT's: at spaces and punctuation.
    Bert(BertNormalizer),
    /// SentencePiece's: before spaces, which become `▁`, and where the script changes, because no
    /// piece goes on there. Signs that are pieces by themselves are not part of words.
    SentencePiece {
        /// The tokenizer's.
        normalizer: Box<NormalizerWrapper>,
        /// The signs.
        signs: &'static [char],
    },
    /// GPT-2's, in its alphabet of bytes.
    ByteLevel(ByteLevel),
}

impl Splitter {
    /// SentencePiece's, with the normaliser of its tokenizer.json.
    pub(super) fn sentence_piece(
        normalizer: &Value,
        signs: &'static [char],
    ) -> Result<Self, TextError> {
        // From text: its reader wants to borrow.
        let normalizer = serde_json::from_str(&normalizer.to_string())
            .map_err(|reason| failed(reason.to_string()))?;
        Ok(Self::SentencePiece {
            normalizer: Box::new(normalizer),
            signs,
        })
    }

    /// Where a text may be cut so that its words are those of its parts.
    pub(super) fn cuts(&self) -> Cuts {
        match self {
            Self::Bert(_) => Cuts::Separators,
            Self::SentencePiece { .. } => Cuts::Spaces,
            Self::ByteLevel(_) => Cuts::BeforeSpaces,
        }
    }

    /// Characters of the longest word that is not unknown whatever the vocabulary.
    pub(super) fn max_word_chars(&self) -> Option<usize> {
        match self {
            Self::Bert(_) => Some(MAX_WORD_CHARS),
            Self::SentencePiece { .. } | Self::ByteLevel(_) => None,
        }
    }

    /// The words of a part, as the tokenizer will see them.
    ///
    /// # Errors
    /// If the tokenizer's rules fail on it.
    pub(super) fn words(&self, part: &str) -> Result<Vec<String>, TextError> {
        match self {
            Self::Bert(normalizer) => pieces(normalize(normalizer, part)?, &BertPreTokenizer),
            Self::SentencePiece { normalizer, signs } => {
                let normalized = normalize(&**normalizer, part)?;
                let mut runs = Vec::new();
                for word in normalized.get().split(' ').filter(|word| !word.is_empty()) {
                    let mut of_word = pieces(word.into(), &UnicodeScripts)?;
                    if let Some(first) = of_word.first_mut() {
                        first.insert(0, WORD_START);
                    }
                    runs.extend(without_signs(of_word, signs));
                }
                Ok(in_parts(runs))
            }
            Self::ByteLevel(splitter) => Ok(in_parts(pieces(part.into(), splitter)?)),
        }
    }
}

fn normalize(normalizer: &impl Normalizer, text: &str) -> Result<NormalizedString, TextError> {
    let mut normalized = NormalizedString::from(text);
    normalizer
        .normalize(&mut normalized)
        .map_err(|reason| failed(reason.to_string()))?;
    Ok(normalized)
}

fn pieces(text: NormalizedString, splitter: &impl PreTokenizer) -> Result<Vec<String>, TextError> {
    let mut pieces = PreTokenizedString::from(text);
    splitter
        .pre_tokenize(&mut pieces)
        .map_err(|reason| failed(reason.to_string()))?;
    Ok(pieces
        .get_splits(OffsetReferential::Original, OffsetType::Byte)
        .into_iter()
        .map(|(word, _, _)| word.to_string())
        .filter(|word| !word.is_empty())
        .collect())
}

/// What stands between signs.
fn without_signs(runs: Vec<String>, signs: &[char]) -> Vec<String> {
    if signs.is_empty() {
        return runs;
    }
    let parts = runs.iter().flat_map(|run| run.split(signs));
    parts
        .filter(|part| !part.is_empty())
        .map(str::to_string)
        .collect()
}

fn in_parts(words: Vec<String>) -> Vec<String> {
    if words.iter().all(|word| word.len() <= MAX_RUN_CHARS) {
        return words;
    }
    let mut parts = Vec::new();
    for word in words {
        let characters: Vec<char> = word.chars().collect();
        parts.extend(characters.chunks(MAX_RUN_CHARS).map(String::from_iter));
    }
    parts
}

fn failed(reason: String) -> TextError {
    TextError::Encode {
        origin: "tokenizer training".to_string(),
        reason,
    }
}
