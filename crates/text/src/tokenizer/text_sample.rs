//! How much of a text a tokenizer is trained on.
//!
//! A trainer keeps every different word. Where words stand between spaces they come again, and their
//! number soon hardly grows; text without spaces (Chinese, Japanese, Thai, DNA) is cut at punctuation
//! alone, nearly every stretch of it is new, and all of it would stay in memory. Such a text is
//! sampled above [`DEFAULT_SAMPLE_BYTES`].
//!
//! A sample is made of whole paragraphs from all over the text. Whether one is in it depends on the
//! seed, on its number and on the size of the text, so that the same text gives the same sample from
//! whatever files it is read.

use crate::rng::{Purpose, Rng};

/// Bytes of text that are read of a larger one whose words hardly come again. Of Chinese that is 17
/// million characters; byte-level BPE takes some 2 GB of memory for them, unigram half of that.
pub const DEFAULT_SAMPLE_BYTES: u64 = 50_000_000;

/// Words hardly come again where the different ones are longer together than this share of the
/// text. English, Russian, German and Korean of this size stay below an eighth, Chinese and Thai are
/// above a half.
const LARGE_SHARE: f64 = 0.25;

/// Bytes of different words that are kept at most: a few gigabytes with what trainers make of them.
const MAX_WORD_BYTES: u64 = 128_000_000;

/// How much of a text a tokenizer is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SampleSize {
    /// All of it where words come again, else [`DEFAULT_SAMPLE_BYTES`].
    #[default]
    Auto,
    /// About so many bytes, if there are more.
    Bytes(u64),
    /// All of it, whatever memory it takes.
    All,
}

/// Which part of a text a tokenizer is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleSettings {
    /// How much.
    pub size: SampleSize,
    /// Seed of the choice of paragraphs.
    pub seed: u64,
}

impl Default for SampleSettings {
    fn default() -> Self {
        Self {
            size: SampleSize::default(),
            seed: 1,
        }
    }
}

impl SampleSettings {
    /// How many bytes to take of a text of which `text_bytes` were counted so far, in words of
    /// `word_bytes` together; nothing: all of it still.
    pub(super) fn needed(self, text_bytes: u64, word_bytes: u64) -> Option<u64> {
        match self.size {
            SampleSize::All => None,
            SampleSize::Bytes(most) => (text_bytes > most).then_some(most),
            SampleSize::Auto => {
                let is_large = word_bytes as f64 > LARGE_SHARE * text_bytes as f64;
                let is_sampled =
                    text_bytes > DEFAULT_SAMPLE_BYTES && (is_large || word_bytes > MAX_WORD_BYTES);
                is_sampled.then_some(DEFAULT_SAMPLE_BYTES)
            }
        }
    }

    /// Whether the paragraph with this number is in a sample of a share of the text.
    pub(super) fn takes(self, share: f64, paragraph: u64) -> bool {
        Rng::at(self.seed, Purpose::Sample, paragraph, 0).chance(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    #[test]
    fn a_text_is_sampled_when_it_is_large_and_its_words_are_mostly_new() {
        let auto = SampleSettings::default();
        assert_eq!(auto.needed(45 * MB, 40 * MB), None, "small");
        assert_eq!(auto.needed(900 * MB, 50 * MB), None, "words come again");
        assert_eq!(auto.needed(60 * MB, 40 * MB), Some(50 * MB));
        assert_eq!(auto.needed(9_000 * MB, 130 * MB), Some(50 * MB), "too many");
        let bytes = SampleSettings {
            size: SampleSize::Bytes(5),
            ..auto
        };
        assert_eq!([bytes.needed(5, 0), bytes.needed(6, 0)], [None, Some(5)]);
        let all = SampleSettings {
            size: SampleSize::All,
            ..auto
        };
        assert_eq!(all.needed(u64::MAX, u64::MAX), None);
    }

    #[test]
    fn the_seed_decides_which_paragraphs_are_taken() {
        let taken = |seed| -> Vec<u64> {
            let settings = SampleSettings {
                seed,
                ..SampleSettings::default()
            };
            (0..10_000)
                .filter(|number| settings.takes(0.1, *number))
                .collect()
        };
        assert_eq!(taken(1), taken(1));
        assert_ne!(taken(1), taken(2));
        // Six standard deviations of the binomial distribution.
        assert!((820..1180).contains(&taken(1).len()));
    }
}
