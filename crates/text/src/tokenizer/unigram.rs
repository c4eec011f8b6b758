//! Learns a unigram vocabulary (Kudo 2018), DeBERTa's kind since v2 and XLNet's.
//!
//! Text is normalised and cut at spaces and where the script changes, as in SentencePiece; of all
//! strings that come again, those are kept that make the text most probable. What comes out is a
//! SentencePiece model: in DeBERTa's layout `[PAD]`, `[CLS]`, `[SEP]`, `[UNK]`, the pieces by their
//! probability, and after them `[MASK]`; in XLNet's its own seventeen, then the pieces. The same
//! text gives the same model every time, on every machine.

use super::Tokenizer;
use super::alphabet::{self, DroppedCharacters};
use super::class::Class;
use super::files::{SENTENCE_PIECE, XLNET_SENTENCE_PIECE};
use super::progress::TrainProgress;
use super::sentence_piece::{self, Model};
use super::special::SpecialTokens;
use super::splitter::Splitter;
use super::text_sample::SampleSettings;
use super::xlnet::XlnetLetters;
use crate::error::TextError;
use crate::reading::thread_pool;

mod lattice;
mod layout;
mod learner;
mod seed;

pub use layout::UnigramLayout;
use learner::{Learner, Scored};

/// Characters of the longest piece (SentencePiece's default).
const MAX_PIECE_CHARS: usize = 16;

/// Strings to choose from at most (SentencePiece's default).
const MAX_SEEDS: usize = 1_000_000;

/// Scores are whole numbers of these parts.
const SCORES_PER_NAT: f64 = 256.0;

/// What to learn, and from what kind of text.
#[derive(Debug, Clone, PartialEq)]
pub struct UnigramSettings {
    /// Entries in the vocabulary, special tokens and alphabet included. Fewer only if the text has
    /// fewer strings that come again.
    pub vocab_size: u32,
    /// The share of all characters that has pieces; rarer ones are unknown.
    pub character_coverage: f64,
    /// How much of the text is trained on.
    pub sample: SampleSettings,
    /// Special tokens, and what is done to text before.
    pub layout: UnigramLayout,
    /// Longest sequence of the model it is for.
    pub model_max_length: Option<u32>,
    /// Threads to train with, 1,024 at most; 0 = one for each core. Changes nothing in the result.
    pub threads: usize,
}

impl Default for UnigramSettings {
    /// 128,000 entries (DeBERTa v3), 0.9995 of the characters (SentencePiece), 512 positions.
    fn default() -> Self {
        Self {
            vocab_size: 128_000,
            character_coverage: 0.9995,
            sample: SampleSettings::default(),
            layout: UnigramLayout::default(),
            model_max_length: Some(512),
            threads: 0,
        }
    }
}

impl UnigramSettings {
    /// XLNet's: 32,000 entries, 0.99995 of the characters (the flags in the original's README), any
    /// length.
    pub fn xlnet(letters: XlnetLetters) -> Self {
        Self {
            vocab_size: 32_000,
            character_coverage: 0.99995,
            layout: UnigramLayout::Xlnet(letters),
            model_max_length: None,
            ..Self::default()
        }
    }
}

pub(super) fn splitter(layout: UnigramLayout) -> Result<Splitter, TextError> {
    let normalizer = sentence_piece::trained_normalizer(layout).map_err(failed)?;
    Splitter::sentence_piece(&normalizer, layout.signs())
}

pub(super) fn check(settings: &UnigramSettings) -> Result<(), TextError> {
    if (0.0..=1.0).contains(&settings.character_coverage) {
        return Ok(());
    }
    Err(TextError::Setting {
        field: "character_coverage",
        value: settings.character_coverage.to_string(),
        remedy: "choose a share from 0 to 1".to_string(),
    })
}

/// Learns from words.
pub(super) fn build(
    words: Vec<(String, u64)>,
    settings: &UnigramSettings,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<(Tokenizer, Option<DroppedCharacters>), TextError> {
    let vocab_size = settings.vocab_size as usize;
    let own_pieces = settings.layout.own_pieces();
    let (alphabet, dropped) =
        alphabet::unigram(&words, settings.character_coverage, vocab_size, own_pieces)?;
    let pool = thread_pool(settings.threads)?;
    let words = pool.install(|| seed::within(words, &alphabet));
    let seeds = pool.install(|| seed::seeds(&words, &alphabet, MAX_PIECE_CHARS, MAX_SEEDS));
    let learner = Learner::new(&words, &alphabet, seeds, vocab_size - own_pieces);
    let pieces = learner.learn(&pool, &mut |pieces| {
        progress(TrainProgress::Pruning {
            entries: pieces + own_pieces,
            vocab_size,
        });
    });
    Ok((tokenizer(&pieces, settings)?, dropped))
}

/// As its model file would be opened.
fn tokenizer(pieces: &[Scored], settings: &UnigramSettings) -> Result<Tokenizer, TextError> {
    let special = match settings.layout {
        UnigramLayout::Deberta => SpecialTokens::default(),
        UnigramLayout::Xlnet(_) => SpecialTokens::of_class(Class::Xlnet),
    };
    let letters = settings.layout.letters();
    let pieces = pieces
        .iter()
        .map(|(piece, score)| (String::from_iter(piece), rounded(*score)));
    let bytes = sentence_piece::trained_model(pieces, settings.layout).map_err(failed)?;
    let model = Model::parse(&bytes).map_err(failed)?;
    let parsed = sentence_piece::parse(&model, &special, letters).map_err(failed)?;
    let origin = "trained tokenizer".to_string();
    let mut tokenizer = Tokenizer::from_json(
        &parsed.json,
        parsed.special,
        settings.model_max_length,
        origin,
    )
    .map_err(failed)?;
    let name = match settings.layout {
        UnigramLayout::Deberta => SENTENCE_PIECE,
        UnigramLayout::Xlnet(_) => XLNET_SENTENCE_PIECE,
    };
    tokenizer.sentence_piece = Some((name, bytes.into()));
    Ok(tokenizer)
}

/// A score whose sums are exact in single precision too, to the length of a page: SentencePiece adds
/// them up so, and takes the first of ways that are equally good. Long words of one letter have many.
fn rounded(score: f64) -> f32 {
    ((score * SCORES_PER_NAT).round() / SCORES_PER_NAT) as f32
}

fn failed(reason: String) -> TextError {
    TextError::Encode {
        origin: "trained tokenizer".to_string(),
        reason,
    }
}

#[cfg(test)]
mod tests;
