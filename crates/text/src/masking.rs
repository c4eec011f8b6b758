//! Which tokens a masked language model has to predict, and what it sees in their place.
//!
//! Devlin et al. 2019, section 3.1, task 1, and appendix A.1; the counting is that of the
//! original's `create_masked_lm_predictions`. There masks are drawn once, into a file; here afresh
//! for every example of every epoch.
//!
//! Two steps: *which* (units of one token or one word, in random order, until the count is reached)
//! and *what instead*. Another strategy, such as n-grams, changes the units alone.

use std::ops::Range;

use crate::rng::Rng;
use crate::{TextError, Vocabulary};

/// How tokens are chosen for prediction and what replaces them.
#[derive(Debug, Clone, PartialEq)]
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
    /// Positions that are chosen together, as ranges; working memory.
    units: Vec<Range<usize>>,
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
            max_predictions: (((rate + 0.005) * seq_len as f64) as usize).max(1),
        }
    }

    /// Checks the numbers.
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
    /// would exceed it are passed over, as in the original.
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
        self.collect_units(input_ids, vocabulary, &mut into.units);
        into.chosen.clear();

        let units = &mut into.units;
        for place in 0..units.len() {
            if into.chosen.len() >= wanted {
                break;
            }
            // Fisher and Yates, only as far as needed.
            let other = place + rng.below((units.len() - place) as u64) as usize;
            units.swap(place, other);
            let unit = units[place].clone();
            if into.chosen.len() + unit.len() > wanted {
                continue;
            }
            for position in unit {
                let original = input_ids[position];
                into.chosen.push(Prediction { position, original });
                // A draw for each piece of a word, not one for the word.
                input_ids[position] = self.replacement(original, vocabulary, rng);
            }
        }
        into.chosen
            .sort_unstable_by_key(|prediction| prediction.position);
    }

    /// Positions that are chosen together.
    ///
    /// A continuation joins the word that ends right before it. In the original the second segment's
    /// first piece, when truncation left a continuation there, joins the first segment's last word,
    /// because `[SEP]` is skipped when words are collected: two pieces of different words, apart in
    /// the text. Here it starts a unit of its own.
    fn collect_units(
        &self,
        input_ids: &[u32],
        vocabulary: &Vocabulary,
        units: &mut Vec<Range<usize>>,
    ) {
        units.clear();
        for (position, &id) in input_ids.iter().enumerate() {
            if vocabulary.is_special[id as usize] {
                continue;
            }
            match units.last_mut() {
                Some(word)
                    if self.whole_word
                        && word.end == position
                        && vocabulary.is_continuation[id as usize] =>
                {
                    word.end += 1;
                }
                _ => units.push(position..position + 1),
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    const CLS: u32 = 2;
    const SEP: u32 = 3;
    const MASK: u32 = 4;

    /// Ids 0 to 4 are `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`, `[MASK]`; ids from 50 continue a word.
    fn vocabulary() -> Vocabulary {
        Vocabulary {
            size: 100,
            pad: 0,
            unk: 1,
            cls: CLS,
            sep: SEP,
            mask: MASK,
            is_special: (0..100).map(|id| id < 5 && id != 1).collect(),
            is_continuation: (0..100).map(|id| id >= 50).collect(),
        }
    }

    fn whole_words(max_predictions: usize) -> Masking {
        Masking {
            whole_word: true,
            max_predictions,
            ..Masking::bert(128)
        }
    }

    fn positions(masking: &Masking, ids: &[u32], seed: u64) -> Vec<usize> {
        let mut predictions = Predictions::default();
        let mut rng = Rng::at(seed, Purpose::Masking, 0, 0);
        masking.apply(&mut ids.to_vec(), &vocabulary(), &mut rng, &mut predictions);
        let chosen = predictions.chosen();
        assert!(chosen.iter().all(|p| ids[p.position] == p.original));
        chosen.iter().map(|p| p.position).collect()
    }

    #[test]
    fn the_count_rounds_half_to_even_between_one_and_the_slots() {
        let masking = Masking::bert(128);
        // 4.5 -> 4 and 1.5 -> 2, as Python 3 rounds.
        let counts = [3, 10, 30, 50, 128, 512].map(|tokens| masking.num_predictions(tokens));
        assert_eq!(counts, [1, 2, 4, 8, 19, 20]);
    }

    #[test]
    fn slots_are_the_share_rounded_up() {
        let slots = [1, 20, 40, 128, 512].map(|seq_len| default_max_predictions(seq_len, 0.15));
        assert_eq!(slots, [1, 3, 6, 20, 77]);
    }

    #[test]
    fn electras_slots_are_a_little_more_than_the_share() {
        let slots = |seq_len, rate| Masking::electra(seq_len, rate).max_predictions;
        assert_eq!(
            [128, 512, 64, 5].map(|len| slots(len, 0.15)),
            [19, 79, 9, 1]
        );
        assert_eq!([512, 128].map(|len| slots(len, 0.25)), [130, 32]);
        assert_eq!(slots(200, 0.15), 31, "0.155 x 200 is 31 to the last digit");
        // 0.035 x 200 is 7, but Python's `int((0.03 + 0.005) * 200)` is 6.
        assert_eq!(slots(200, 0.03), 6);
    }

    #[test]
    fn chosen_positions_ascend_and_spare_special_tokens() {
        let ids = [&[CLS][..], &[10; 60], &[SEP], &[11; 60], &[SEP]].concat();
        let mut seen = vec![false; ids.len()];
        for seed in 0..400 {
            let chosen = positions(&Masking::bert(128), &ids, seed);
            assert_eq!(chosen.len(), 18, "0.15 x 123 = 18.45");
            assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
            for position in chosen {
                seen[position] = true;
            }
        }
        // A position is missed in all 400 draws with probability 0.85^400 < 1e-28.
        let spared: Vec<_> = (0..ids.len()).filter(|&place| !seen[place]).collect();
        assert_eq!(spared, [0, 61, 122]);
    }

    #[test]
    fn the_pieces_of_a_word_are_chosen_together_or_not_at_all() {
        // Words of one, two and three pieces.
        let ids = [&[CLS][..], &[10, 20, 60, 30, 70, 71].repeat(10), &[SEP]].concat();
        for seed in 0..200 {
            let chosen = positions(&whole_words(20), &ids, seed);
            assert!(!chosen.is_empty() && chosen.len() <= 9, "0.15 x 62 = 9.3");
            for word in (0..10).flat_map(|n| {
                let at = 1 + 6 * n;
                [at..at + 1, at + 1..at + 3, at + 3..at + 6]
            }) {
                let pieces = word.clone().filter(|place| chosen.contains(place)).count();
                assert!(
                    pieces == 0 || pieces == word.len(),
                    "{word:?} of {chosen:?}"
                );
            }
        }
    }

    #[test]
    fn a_continuation_after_a_separator_does_not_join_the_word_before_it() {
        // Two units of one piece at either side of [SEP]: with one prediction each is taken half
        // the time. Joined they would be a unit of two, too large to be taken ever.
        let ids = [CLS, 10, SEP, 60, SEP];
        let chosen: Vec<_> = (0..100)
            .map(|seed| positions(&whole_words(20), &ids, seed))
            .collect();
        assert!(chosen.iter().all(|chosen| chosen.len() == 1));
        assert!(chosen.contains(&vec![1]) && chosen.contains(&vec![3]));
    }

    #[test]
    fn words_with_more_pieces_than_predictions_are_passed_over() {
        let ids = [CLS, 10, 60, 61, 62, SEP];
        assert_eq!(positions(&whole_words(20), &ids, 0), Vec::<usize>::new());
        // A shorter word after it is still found, whichever comes first in the draw.
        let ids = [CLS, 10, 60, 61, 62, 11, SEP];
        for seed in 0..20 {
            assert_eq!(positions(&whole_words(20), &ids, seed), [5]);
        }
    }

    #[test]
    fn shares_of_one_leave_no_other_outcome() {
        let mut ids = [&[CLS][..], &[10; 100], &[SEP]].concat();
        let mut predictions = Predictions::default();
        let electra = Masking {
            mask_share: 1.0,
            random_share: 0.0,
            ..Masking::bert(128)
        };
        let mut rng = Rng::at(0, Purpose::Masking, 0, 0);
        electra.apply(&mut ids, &vocabulary(), &mut rng, &mut predictions);
        assert_eq!(predictions.chosen().len(), 15);
        assert_eq!(ids.iter().filter(|&&id| id == MASK).count(), 15);
    }

    #[test]
    fn numbers_outside_their_range_are_refused_by_name() {
        let name = |masking: Masking| masking.validate().unwrap_err().to_string();
        let bert = || Masking::bert(128);
        assert!(bert().validate().is_ok());
        for rate in [0.0, -0.1, 1.1, f64::NAN] {
            assert!(name(Masking { rate, ..bert() }).starts_with("rate = "));
        }
        assert!(
            name(Masking {
                mask_share: 1.5,
                ..bert()
            })
            .starts_with("mask_share = 1.5")
        );
        assert!(
            name(Masking {
                random_share: -1.0,
                ..bert()
            })
            .starts_with("random_share = ")
        );
        let both = Masking {
            random_share: 0.3,
            ..bert()
        };
        assert!(name(both).starts_with("mask_share + random_share = 1.1"));
        assert!(
            name(Masking {
                max_predictions: 0,
                ..bert()
            })
            .starts_with("max_predictions = 0")
        );
    }
}
