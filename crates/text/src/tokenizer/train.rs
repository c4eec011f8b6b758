//! Training by the kind of tokenizer.

use super::Tokenizer;
use super::alphabet::DroppedCharacters;
use super::byte_bpe::{self, ByteBpeSettings};
use super::progress::TrainProgress;
use super::special::SpecialTokens;
use super::splitter::Splitter;
use super::unigram::{self, UnigramLayout, UnigramSettings};
use super::word_counts::{Counting, TextSummary, WordCounts};
use super::word_piece::{self, WordPieceSettings};
use super::xlnet;
use crate::error::TextError;
use crate::reading::Inputs;

/// The kinds of tokenizers that can be trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenizerKind {
    /// BERT's and ELECTRA's.
    WordPiece,
    /// SentencePiece's, in DeBERTa's layout since v2.
    Unigram,
    /// SentencePiece's, in XLNet's layout.
    XlnetUnigram,
    /// GPT-2's, with the special tokens of DeBERTa v1.
    ByteBpe,
    /// GPT-2's, with RoBERTa's special tokens.
    RobertaByteBpe,
}

impl TokenizerKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::WordPiece,
        Self::Unigram,
        Self::XlnetUnigram,
        Self::ByteBpe,
        Self::RobertaByteBpe,
    ];

    /// The kind's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::WordPiece => "word-piece",
            Self::Unigram => "unigram",
            Self::XlnetUnigram => "unigram-xlnet",
            Self::ByteBpe => "byte-bpe",
            Self::RobertaByteBpe => "byte-bpe-roberta",
        }
    }

    /// Whether pieces of this kind are unigram's, with a share of the characters that have one.
    pub fn is_unigram(self) -> bool {
        matches!(self, Self::Unigram | Self::XlnetUnigram)
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

    /// These settings with another size of the vocabulary.
    #[must_use]
    pub fn with_vocab_size(mut self, size: u32) -> Self {
        match &mut self {
            Self::WordPiece(settings) => settings.vocab_size = size,
            Self::Unigram(settings) => settings.vocab_size = size,
            Self::ByteBpe(settings) => settings.vocab_size = size,
        }
        self
    }

    fn check(&self) -> Result<(), TextError> {
        match self {
            Self::WordPiece(_) => Ok(()),
            Self::Unigram(settings) => unigram::check(settings),
            Self::ByteBpe(settings) => byte_bpe::check(settings),
        }
    }

    fn counting(&self) -> Counting {
        let (threads, sample) = match self {
            Self::WordPiece(s) => (s.threads, s.sample),
            Self::Unigram(s) => (s.threads, s.sample),
            Self::ByteBpe(s) => (s.threads, s.sample),
        };
        Counting { threads, sample }
    }

    fn counts(&self) -> Result<WordCounts, TextError> {
        let splitter: Splitter = match self {
            Self::WordPiece(settings) => word_piece::splitter(settings),
            Self::Unigram(settings) => unigram::splitter(settings.layout)?,
            Self::ByteBpe(_) => byte_bpe::splitter(),
        };
        let special = match self {
            Self::Unigram(UnigramSettings {
                layout: UnigramLayout::Xlnet(_),
                ..
            }) => xlnet::special_names(),
            Self::ByteBpe(settings) => {
                let special = settings.layout.special();
                special.names().map(str::to_string).into()
            }
            _ => SpecialTokens::default().names().map(str::to_string).into(),
        };
        Ok(WordCounts::new(splitter, special))
    }
}

/// A tokenizer, and what there is to say of its training.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// What it was trained on.
    pub text: TextSummary,
    /// What has no piece.
    pub dropped: Option<DroppedCharacters>,
}

/// A text whose words were counted for a kind of tokenizer. What vocabulary is learned from it can
/// be decided when its size is known.
#[derive(Debug)]
pub struct CountedText {
    words: Vec<(String, u64)>,
    summary: TextSummary,
}

impl CountedText {
    /// What was counted.
    pub fn summary(&self) -> &TextSummary {
        &self.summary
    }

    /// Learns a vocabulary; of the settings only the vocabulary's may be others than those that the
    /// text was counted with.
    ///
    /// # Errors
    /// If the vocabulary has no room for the alphabet.
    pub fn train(
        self,
        settings: &TrainSettings,
        progress: &mut dyn FnMut(TrainProgress),
    ) -> Result<Trained, TextError> {
        settings.check()?;
        let words = self.words;
        let (tokenizer, dropped) = match settings {
            TrainSettings::WordPiece(settings) => word_piece::build(&words, settings, progress)?,
            TrainSettings::Unigram(settings) => unigram::build(words, settings, progress)?,
            TrainSettings::ByteBpe(settings) => {
                (byte_bpe::build(&words, settings, progress)?, None)
            }
        };
        Ok(Trained {
            tokenizer,
            text: self.summary,
            dropped,
        })
    }
}

/// Counts the words of text files, read as for a corpus.
///
/// # Errors
/// If an input can't be read or is empty.
pub fn count_text(
    inputs: &Inputs,
    settings: &TrainSettings,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<CountedText, TextError> {
    settings.check()?;
    let mut counts = settings.counts()?;
    counts.add_files(inputs, settings.counting(), progress)?;
    let (words, summary) = counts.finish(|| inputs.names())?;
    Ok(CountedText { words, summary })
}

/// Trains a tokenizer on text files, read as for a corpus.
///
/// # Errors
/// If an input can't be read or is empty, or the vocabulary has no room for the alphabet.
pub fn train(
    inputs: &Inputs,
    settings: &TrainSettings,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<Trained, TextError> {
    count_text(inputs, settings, progress)?.train(settings, progress)
}

/// Trains a tokenizer on texts in memory.
///
/// # Errors
/// If the texts have no words, or the vocabulary has no room for the alphabet.
fn train_on_texts<T: AsRef<str>>(
    texts: impl IntoIterator<Item = T>,
    settings: &TrainSettings,
) -> Result<Trained, TextError> {
    settings.check()?;
    let mut counts = settings.counts()?;
    for text in texts {
        counts.add_text(text.as_ref())?;
    }
    let (words, summary) = counts.finish(|| "tokenizer training".to_string())?;
    CountedText { words, summary }.train(settings, &mut |_| {})
}

/// Trains BERT's tokenizer on text files, read as for a corpus.
///
/// # Errors
/// If an input can't be read or is empty, or `vocab_size` has no room for the alphabet.
pub fn train_word_piece(
    inputs: &Inputs,
    settings: &WordPieceSettings,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<Tokenizer, TextError> {
    let settings = TrainSettings::WordPiece(settings.clone());
    Ok(train(inputs, &settings, progress)?.tokenizer)
}

/// Trains BERT's tokenizer on texts in memory.
///
/// # Errors
/// If the texts have no words, or `vocab_size` has no room for the alphabet.
pub fn train_word_piece_on_texts<T: AsRef<str>>(
    texts: impl IntoIterator<Item = T>,
    settings: &WordPieceSettings,
) -> Result<Tokenizer, TextError> {
    let settings = TrainSettings::WordPiece(settings.clone());
    Ok(train_on_texts(texts, &settings)?.tokenizer)
}

/// Trains a unigram tokenizer on text files, read as for a corpus.
///
/// # Errors
/// If an input can't be read or is empty, or `vocab_size` has no room for the alphabet.
pub fn train_unigram(
    inputs: &Inputs,
    settings: &UnigramSettings,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<Tokenizer, TextError> {
    let settings = TrainSettings::Unigram(settings.clone());
    Ok(train(inputs, &settings, progress)?.tokenizer)
}

/// Trains a unigram tokenizer on texts in memory.
///
/// # Errors
/// If the texts have no words, or `vocab_size` has no room for the alphabet.
pub fn train_unigram_on_texts<T: AsRef<str>>(
    texts: impl IntoIterator<Item = T>,
    settings: &UnigramSettings,
) -> Result<Tokenizer, TextError> {
    let settings = TrainSettings::Unigram(settings.clone());
    Ok(train_on_texts(texts, &settings)?.tokenizer)
}

/// Trains a byte-level BPE tokenizer on text files, read as for a corpus.
///
/// # Errors
/// If an input can't be read or is empty, or `vocab_size` has no room for the bytes.
pub fn train_byte_bpe(
    inputs: &Inputs,
    settings: &ByteBpeSettings,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<Tokenizer, TextError> {
    let settings = TrainSettings::ByteBpe(settings.clone());
    Ok(train(inputs, &settings, progress)?.tokenizer)
}

/// Trains a byte-level BPE tokenizer on texts in memory.
///
/// # Errors
/// If the texts are empty, or `vocab_size` has no room for the bytes.
pub fn train_byte_bpe_on_texts<T: AsRef<str>>(
    texts: impl IntoIterator<Item = T>,
    settings: &ByteBpeSettings,
) -> Result<Tokenizer, TextError> {
    let settings = TrainSettings::ByteBpe(settings.clone());
    Ok(train_on_texts(texts, &settings)?.tokenizer)
}

#[cfg(test)]
mod tests;
