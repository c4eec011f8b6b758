//! Learns a WordPiece vocabulary.
//!
//! Google's trainer was never published. This is what Hugging Face's does: byte pair encoding
//! (Sennrich et al. 2016) over characters, where a piece that continues a word carries `##`; the
//! most frequent pair of neighbours is joined until the vocabulary is full. Ties are broken by id
//! and all orders are fixed, so that the same text gives the same vocabulary every time. Two
//! differences: words with a character outside the alphabet don't count (they will be unknown), and
//! counts have 64 bits.

use std::collections::BTreeSet;

use super::Tokenizer;
use super::alphabet::{self, DroppedCharacters};
use super::bert::{self, CONTINUATION, Normalisation};
use super::pair_merges::PairMerges;
use super::progress::TrainProgress;
use super::special::SpecialTokens;
use super::splitter::Splitter;
use super::text_sample::SampleSettings;
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
    /// Characters in the alphabet at most, the most frequent ones. `None`: as many as cover nearly
    /// all of the text and have room in the vocabulary, but all of a thousand.
    pub limit_alphabet: Option<usize>,
    /// How much of the text is trained on.
    pub sample: SampleSettings,
    /// Longest sequence of the model it is for.
    pub model_max_length: Option<u32>,
    /// Threads to count with, 1,024 at most; 0 = one for each core. Changes nothing in the result.
    pub threads: usize,
}

impl Default for WordPieceSettings {
    /// Uncased, 30,000 entries, pairs from 2 on (Hugging Face's `BertWordPieceTokenizer.train`, which
    /// has 1,000 characters at most), 512 positions.
    fn default() -> Self {
        Self {
            vocab_size: 30_000,
            lowercase: true,
            strip_accents: None,
            min_frequency: 2,
            limit_alphabet: None,
            sample: SampleSettings::default(),
            model_max_length: Some(512),
            threads: 0,
        }
    }
}

pub(super) fn splitter(settings: &WordPieceSettings) -> Splitter {
    Splitter::Bert(normalisation(settings).normalizer())
}

fn normalisation(settings: &WordPieceSettings) -> Normalisation {
    Normalisation {
        lowercase: settings.lowercase,
        strip_accents: settings.strip_accents,
        split_chinese: true,
    }
}

/// Learns from words.
pub(super) fn build(
    words: &[(String, u64)],
    settings: &WordPieceSettings,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<(Tokenizer, Option<DroppedCharacters>), TextError> {
    let special = SpecialTokens::default();
    let vocab_size = settings.vocab_size as usize;
    let mut learn = |coverage| {
        let (alphabet, dropped) = alphabet::word_piece(
            words,
            settings.limit_alphabet,
            coverage,
            vocab_size,
            special.names().len(),
        )?;
        let mut merges = pairs(words, &alphabet, &special);
        merges.learn(vocab_size, settings.min_frequency, progress);
        Ok::<_, TextError>((merges, dropped))
    };
    let (mut merges, mut dropped) = learn(alphabet::COVERAGE)?;
    let has_room = merges.tokens().len() < vocab_size;
    if has_room && dropped.is_some() && settings.limit_alphabet.is_none() {
        // No pairs are left to be joined, so rare characters take nothing from words.
        (merges, dropped) = learn(1.0)?;
    }
    let json = bert::tokenizer_json(merges.tokens(), normalisation(settings), &special);
    let origin = "trained tokenizer".to_string();
    let tokenizer = Tokenizer::from_json(&json, special, settings.model_max_length, origin.clone())
        .map_err(|reason| TextError::Encode { origin, reason })?;
    Ok((tokenizer, dropped))
}

/// Special tokens, then the alphabet, then the characters that continue words, each in order.
fn pairs(
    counted: &[(String, u64)],
    alphabet: &BTreeSet<char>,
    special: &SpecialTokens,
) -> PairMerges {
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
    merges
}
