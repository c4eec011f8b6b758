//! Learns a WordPiece vocabulary.
//!
//! Google's trainer was never published. This is what Hugging Face's does: byte pair encoding
//! (Sennrich et al. 2016) over characters, where a piece that continues a word carries `##`; the
//! most frequent pair of neighbours is joined until the vocabulary is full. Ties are broken by id
//! and all orders are fixed, so that the same text gives the same vocabulary every time. Two
//! differences: words with a character outside the alphabet don't count (they will be unknown), and
//! counts have 64 bits.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::bert::{self, CONTINUATION, Normalisation};
use super::pair_merges::PairMerges;
use super::special::SpecialTokens;
use super::splitter::Splitter;
use super::word_counts::WordCounts;
use super::{Tokenizer, TrainProgress};
use crate::corpus::OnInvalid;
use crate::error::TextError;

/// What to learn, and from what kind of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordPieceSettings {
    /// Entries in the vocabulary, special tokens and alphabet included. Fewer if the text has no
    /// more pairs.
    pub vocab_size: u32,
    /// Uncased: all text in lower case.
    pub lowercase: bool,
    /// Whether é becomes e, and й и. `None` = as `lowercase`, BERT's way.
    pub strip_accents: Option<bool>,
    /// A pair must come this often to be joined.
    pub min_frequency: u64,
    /// Characters in the alphabet at most, the most frequent ones.
    pub limit_alphabet: usize,
    /// Longest sequence of the model it is for.
    pub model_max_length: Option<u32>,
    /// What to do with a line that is not UTF-8.
    pub on_invalid: OnInvalid,
    /// Threads to count with; 0 = one for each core. Changes nothing in the result.
    pub threads: usize,
}

impl Default for WordPieceSettings {
    /// Uncased, 30,000 entries, pairs from 2 on, 1,000 characters (Hugging Face's
    /// `BertWordPieceTokenizer.train`), 512 positions.
    fn default() -> Self {
        Self {
            vocab_size: 30_000,
            lowercase: true,
            strip_accents: None,
            min_frequency: 2,
            limit_alphabet: 1_000,
            model_max_length: Some(512),
            on_invalid: OnInvalid::Refuse,
            threads: 0,
        }
    }
}

/// Trains BERT's tokenizer on text files and folders of them, read as for a corpus.
///
/// # Errors
/// If an input can't be read or is empty, or `vocab_size` has no room for the alphabet.
pub fn train_word_piece(
    inputs: &[PathBuf],
    settings: &WordPieceSettings,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<Tokenizer, TextError> {
    let mut counts = WordCounts::new(Splitter::Bert(normalisation(settings).normalizer()));
    counts.add_files(inputs, settings.on_invalid, settings.threads, progress)?;
    build(counts, settings, progress)
}

/// Trains BERT's tokenizer on texts in memory.
///
/// # Errors
/// If the texts have no words, or `vocab_size` has no room for the alphabet.
pub fn train_word_piece_on_texts<T: AsRef<str>>(
    texts: impl IntoIterator<Item = T>,
    settings: &WordPieceSettings,
) -> Result<Tokenizer, TextError> {
    let mut counts = WordCounts::new(Splitter::Bert(normalisation(settings).normalizer()));
    for text in texts {
        counts.add_text(text.as_ref())?;
    }
    build(counts, settings, &mut |_| {})
}

fn normalisation(settings: &WordPieceSettings) -> Normalisation {
    Normalisation {
        lowercase: settings.lowercase,
        strip_accents: settings.strip_accents,
        split_chinese: true,
    }
}

fn build(
    counts: WordCounts,
    settings: &WordPieceSettings,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<Tokenizer, TextError> {
    let words = counts.into_sorted()?;
    if words.is_empty() {
        return Err(TextError::EmptyCorpus {
            inputs: "tokenizer training".to_string(),
        });
    }
    let special = SpecialTokens::default();
    let mut merges = pairs(&words, settings, &special)?;
    merges.learn(
        settings.vocab_size as usize,
        settings.min_frequency,
        progress,
    );
    let json = bert::tokenizer_json(merges.tokens(), normalisation(settings), &special);
    let origin = "trained tokenizer".to_string();
    Tokenizer::from_json(&json, special, settings.model_max_length, origin.clone())
        .map_err(|reason| TextError::Encode { origin, reason })
}

/// Special tokens, then the alphabet, then the characters that continue words, each in order.
fn pairs(
    counted: &[(String, u64)],
    settings: &WordPieceSettings,
    special: &SpecialTokens,
) -> Result<PairMerges, TextError> {
    let alphabet = alphabet(counted, settings.limit_alphabet);
    let usable: Vec<&(String, u64)> = counted
        .iter()
        .filter(|(word, _)| word.chars().all(|c| alphabet.contains(&c)))
        .collect();
    let continuing: BTreeSet<char> = usable
        .iter()
        .flat_map(|(word, _)| word.chars().skip(1))
        .collect();
    let tokens: Vec<String> = special
        .names()
        .into_iter()
        .map(str::to_string)
        .chain(alphabet.iter().map(char::to_string))
        .chain(continuing.iter().map(|c| format!("{CONTINUATION}{c}")))
        .collect();
    if tokens.len() > settings.vocab_size as usize {
        return Err(TextError::Setting {
            field: "vocab_size",
            value: settings.vocab_size.to_string(),
            remedy: format!(
                "the alphabet of this text takes {}; choose at least that, or a lower \
                 limit_alphabet than {}",
                tokens.len(),
                alphabet.len()
            ),
        });
    }
    let mut merges = PairMerges::new(tokens, CONTINUATION);
    for (word, count) in usable {
        let pieces: Vec<String> = word
            .char_indices()
            .map(|(at, c)| match at {
                0 => c.to_string(),
                _ => format!("{CONTINUATION}{c}"),
            })
            .collect();
        merges.add_word(pieces.iter().map(String::as_str), *count);
    }
    Ok(merges)
}

/// The most frequent characters, ties in favour of the lower code point.
fn alphabet(counted: &[(String, u64)], limit: usize) -> BTreeSet<char> {
    let mut counts: BTreeMap<char, u64> = BTreeMap::new();
    for (word, count) in counted {
        for c in word.chars() {
            *counts.entry(c).or_default() += count;
        }
    }
    let mut characters: Vec<(Reverse<u64>, char)> = counts
        .into_iter()
        .map(|(c, count)| (Reverse(count), c))
        .collect();
    characters.sort_unstable();
    characters.into_iter().take(limit).map(|(_, c)| c).collect()
}
