//! Which tokens a masked language model has to predict, and what it sees in their place.
//!
//! Devlin et al. 2019, section 3.1, task 1, and appendix A.1; the counting is that of the
//! original's `create_masked_lm_predictions`. There masks are drawn once, into a file; here afresh
//! for every example of every epoch.
//!
//! Two steps: *which* (runs of one or more tokens or words, in random order, until the count is
//! reached) and *what instead*. Another strategy changes the runs alone (`n_grams`).

mod n_grams;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub(crate) use n_grams::{collect_words, draw_length, harmonic};

use serde::{Deserialize, Serialize};

use crate::rng::Rng;
use crate::{TextError, Vocabulary};

/// How tokens are chosen for prediction and what replaces them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Masking {
    /// Share of an example's tokens, special ones counted, that is chosen (`masked_lm_prob`, 0.15).
    pub rate: f64,
    /// Share of the chosen that become `[MASK]`: 0.8 in BERT, 0.85 or 1 in ELECTRA.
    pub mask_share: f64,
    /// Share of the chosen that become a random token: 0.1 in BERT, 0 in ELECTRA. The rest stay as
    /// they are.
    pub random_share: f64,
    /// Whether the pieces of a word are chosen together or not at all.
    pub whole_word: bool,
    /// Tokens, or words where they are whole, that are chosen together at most: a run of g is drawn
    /// in proportion to 1/g. 1: each for itself; 3 in DeBERTa (`max_gram`).
    pub max_ngram: usize,
    /// Prediction slots per example (`max_predictions_per_seq`), filled or not.
    pub max_predictions: usize,
}

/// One chosen token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prediction {
    /// Where it stands in the sequence.
    pub position: usize,
    /// What stood there: the label.
    pub original: u32,
}

/// Outcome of masking one example. Kept and refilled from row to row.
#[derive(Debug, Clone, Default)]
pub struct Predictions {
    chosen: Vec<Prediction>,
    /// Words, or single tokens, as ranges of positions; working memory.
    words: Vec<Range<usize>>,
    /// What is visited together, as ranges of `words`; working memory.
    runs: Vec<Range<usize>>,
}

impl Predictions {
    /// The chosen tokens by position; at most [`Masking::max_predictions`].
    pub fn chosen(&self) -> &[Prediction] {
        &self.chosen
    }
}

/// Slots for sequences of `seq_len` tokens: `rate` x `seq_len`, rounded up (20 for 128 at 0.15, 77
/// for 512).
pub fn default_max_predictions(seq_len: usize, rate: f64) -> usize {
    // The product may lie a rounding error above a whole number: 0.15 x 20 does.
    ((seq_len as f64 * rate - 1e-9).ceil() as usize).max(1)
}

impl Masking {
    /// BERT's: 15 %, of these 80 % `[MASK]`, 10 % random, 10 % unchanged, single tokens.
    pub fn bert(seq_len: usize) -> Self {
        let rate = 0.15;
        Self {
            rate,
            mask_share: 0.8,
            random_share: 0.1,
            whole_word: false,
            max_ngram: 1,
            max_predictions: default_max_predictions(seq_len, rate),
        }
    }

    /// ELECTRA's: of the tokens chosen 85 % `[MASK]` and the others unchanged, none random, single
    /// tokens (Clark et al. 2020; the original's `pretrain_helpers.mask`). Slots as in its
    /// `configure_pretraining.py`, to the last bit: 19 for 128 tokens at 0.15.
    pub fn electra(seq_len: usize, rate: f64) -> Self {
        Self {
            rate,
            mask_share: 0.85,
            random_share: 0.0,
            whole_word: false,
            max_ngram: 1,
            max_predictions: (((rate + 0.005) * seq_len as f64) as usize).max(1),
        }
    }

    /// DeBERTa's for masked language modelling: BERT's shares, runs of up to three whole words
    /// (`max_gram` 3 in the original's scripts).
    ///
    /// The slots are what 15 % come to. The original allots the next ten, 80 for 512 tokens, and
    /// never fills more than 77 but by a word that overshoots; here none does.
    pub fn deberta_mlm(seq_len: usize) -> Self {
        Self {
            whole_word: true,
            max_ngram: 3,
            ..Self::bert(seq_len)
        }
    }

    /// DeBERTa-v3's for replaced token detection: 15 %, single tokens, every one becomes `[MASK]`.
    pub fn deberta_rtd(seq_len: usize) -> Self {
        Self {
            mask_share: 1.0,
            random_share: 0.0,
            ..Self::bert(seq_len)
        }
    }

    /// Checks that the numbers lie in their ranges.
    ///
    /// # Errors
    /// If a rate or share lies outside its range, or there is no slot; names it.
    pub fn validate(&self) -> Result<(), TextError> {
        let refuse = |field, value: String, remedy: &str| {
            Err(TextError::Setting {
                field,
                value,
                remedy: remedy.to_owned(),
            })
        };
        if !(self.rate > 0.0 && self.rate <= 1.0) {
            return refuse(
                "rate",
                self.rate.to_string(),
                "choose a share of the tokens to predict above 0 and up to 1, e.g. 0.15",
            );
        }
        for (name, share) in [
            ("mask_share", self.mask_share),
            ("random_share", self.random_share),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return refuse(name, share.to_string(), "choose a share from 0 to 1");
            }
        }
        // 0.9 + 0.1 may come out a rounding error above 1.
        if self.mask_share + self.random_share > 1.0 + 1e-9 {
            return refuse(
                "mask_share + random_share",
                (self.mask_share + self.random_share).to_string(),
                "both are shares of the chosen tokens: together at most 1",
            );
        }
        if self.max_ngram == 0 {
            return refuse(
                "max_ngram",
                "0".to_owned(),
                "choose 1 for tokens or words by themselves, or up to how many are masked in a row",
            );
        }
        if self.max_predictions == 0 {
            return refuse(
                "max_predictions",
                "0".to_owned(),
                "choose at least 1, or about rate x seq_len",
            );
        }
        Ok(())
    }

    /// How many of `tokens` tokens (special ones counted) are to be chosen: `rate`, rounded half to
    /// even, at least one, at most `max_predictions`.
    pub fn num_predictions(&self, tokens: usize) -> usize {
        let share = (self.rate * tokens as f64).round_ties_even() as usize;
        share.max(1).min(self.max_predictions)
    }

    /// Masks one example in place.
    ///
    /// `input_ids` holds no padding. Tokens that `vocabulary` calls special are neither chosen nor
    /// drawn as a replacement. With whole words the outcome may fall short of
    /// [`Masking::num_predictions`], down to none if every word has too many pieces: words that
    /// would exceed it are passed over, as in BERT's original. DeBERTa's takes the word that reaches
    /// the count whole, so overshoots; a fixed number of slots has no room for that (held by
    /// `deberta_chooses_15_percent_of_all_tokens_and_never_more`). The run that reaches the count is
    /// cut there.
    ///
    /// # Panics
    /// If an id is not below `vocabulary.size`: sources check that when they are made.
    pub fn apply(
        &self,
        input_ids: &mut [u32],
        vocabulary: &Vocabulary,
        rng: &mut Rng,
        into: &mut Predictions,
    ) {
        let wanted = self.num_predictions(input_ids.len());
        let Predictions {
            chosen,
            words,
            runs,
        } = into;
        n_grams::collect_words(input_ids, vocabulary, self.whole_word, words);
        n_grams::collect_runs(words, self.max_ngram.min(wanted), rng, runs);
        chosen.clear();

        for place in 0..runs.len() {
            if chosen.len() >= wanted {
                break;
            }
            // Fisher and Yates, only as far as needed.
            let other = place + rng.below((runs.len() - place) as u64) as usize;
            runs.swap(place, other);
            for word in &words[runs[place].clone()] {
                if chosen.len() + word.len() > wanted {
                    continue;
                }
                for position in word.clone() {
                    let original = input_ids[position];
                    chosen.push(Prediction { position, original });
                    // A draw for each piece of a word, not one for the word.
                    input_ids[position] = self.replacement(original, vocabulary, rng);
                }
            }
        }
        chosen.sort_unstable_by_key(|prediction| prediction.position);
    }

    /// What the model sees in place of a chosen token.
    ///
    /// Random tokens are uniform over all ids that are not special, the true one included. The
    /// original draws from the whole vocabulary, so now and then writes a `[PAD]` or `[SEP]` into
    /// the text; that breaks the sequence's structure, teaches nothing and concerns one token in
    /// 400,000 with BERT's vocabulary. In a vocabulary of a few dozen ids it would matter.
    fn replacement(&self, original: u32, vocabulary: &Vocabulary, rng: &mut Rng) -> u32 {
        let draw = rng.unit();
        if draw < self.mask_share {
            vocabulary.mask
        } else if draw < self.mask_share + self.random_share {
            loop {
                let id = rng.below(u64::from(vocabulary.size)) as u32;
                if !vocabulary.is_special[id as usize] {
                    return id;
                }
            }
        } else {
            original
        }
    }
}
