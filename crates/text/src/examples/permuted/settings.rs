//! The numbers of permutation language modelling.

use crate::TextError;

/// `<sep>` after A, `<sep>` after B, `<cls>`.
pub(super) const FUNCTIONAL_TOKENS: usize = 3;

/// One token for A and one for B.
const MIN_ROOM: usize = 2;

/// How batches for permutation language modelling are made. Names are the original's flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermutedSettings {
    /// Tokens of an example.
    pub seq_len: usize,
    /// Tokens by which lanes advance: the first part of an example, whose states may be remembered.
    pub reuse_len: usize,
    /// Tokens that change places among themselves; divides both parts of an example.
    pub perm_size: usize,
    /// Tokens to predict in an example: one half of them, rounded up, in the first part, the others
    /// in the second.
    pub num_predict: usize,
    /// Words of the longest span.
    pub max_gram: usize,
    /// A span of n words stands somewhere in a stretch of n x `alpha` / `beta` words (`mask_alpha`).
    pub alpha: usize,
    /// See [`PermutedSettings::alpha`] (`mask_beta`).
    pub beta: usize,
    /// Whether the second half of a batch reads the text of the first half backwards.
    pub bi_data: bool,
    /// Rows of a batch; an even number with [`PermutedSettings::bi_data`].
    pub batch_size: usize,
    /// Batches that stand side by side, each with lanes and a memory of its own: batch `index` is
    /// number `index % micro_batches` of step `index / micro_batches`.
    pub micro_batches: usize,
    /// What stands after each document, `<eod>`; none: nothing (`use_eod`).
    pub end_of_document: Option<u32>,
    /// Decides the order of documents, what A and B are, the targets and their order.
    pub seed: u64,
}

impl PermutedSettings {
    /// The numbers published for 512 tokens, in proportion for others: the first half is remembered,
    /// one token in six is predicted (85), spans of up to 5, alpha 6, beta 1, read in both directions;
    /// 16 rows (the trainer's default). Without `<eod>`, whose id only the tokenizer knows.
    pub fn published(seq_len: usize) -> Self {
        Self {
            seq_len,
            reuse_len: seq_len / 2,
            perm_size: seq_len / 2,
            num_predict: seq_len / 6,
            max_gram: 5,
            alpha: 6,
            beta: 1,
            bi_data: true,
            batch_size: 16,
            micro_batches: 1,
            end_of_document: None,
            seed: 0,
        }
    }

    /// Checks that the numbers can work with each other.
    ///
    /// # Errors
    /// If one of them can't work with the others; names it.
    pub fn validate(&self) -> Result<(), TextError> {
        let refuse = |field, value: usize, remedy: String| {
            Err(TextError::Setting {
                field,
                value: value.to_string(),
                remedy,
            })
        };
        self.validate_length()?;
        let needed = self.reuse_len.saturating_add(FUNCTIONAL_TOKENS + MIN_ROOM);
        if self.reuse_len == 0 || self.seq_len < needed {
            return refuse(
                "reuse_len",
                self.reuse_len,
                format!(
                    "choose from 1 to seq_len ({}) - {}: what follows takes {FUNCTIONAL_TOKENS} \
                     special tokens and a word for each segment; usual is half of seq_len",
                    self.seq_len,
                    FUNCTIONAL_TOKENS + MIN_ROOM
                ),
            );
        }
        if self.seq_len > i32::MAX as usize / 4 {
            return refuse("seq_len", self.seq_len, "choose a shorter one".to_owned());
        }
        let rest = self.seq_len - self.reuse_len;
        let divides = |part: usize| part.checked_rem(self.perm_size) == Some(0);
        if !divides(self.reuse_len) || !divides(rest) {
            return refuse(
                "perm_size",
                self.perm_size,
                format!(
                    "choose a divisor of reuse_len ({}) and of the tokens after it ({rest})",
                    self.reuse_len
                ),
            );
        }
        let [first, second] = self.goals();
        // One token of each part at least stays visible to the others.
        if self.num_predict == 0 || first >= self.reuse_len || second >= self.room() {
            return refuse(
                "num_predict",
                self.num_predict,
                format!(
                    "choose from 1 to {}, so that a word of each part stays visible; usual is a sixth \
                     of seq_len ({})",
                    (2 * self.room().min(self.reuse_len))
                        .saturating_sub(2)
                        .max(1),
                    (self.seq_len / 6).max(1)
                ),
            );
        }
        if self.max_gram == 0 {
            return refuse("max_gram", 0, "choose 1 for single words, or more".into());
        }
        if self.beta == 0 || self.alpha < self.beta {
            return refuse(
                "alpha",
                self.alpha,
                format!(
                    "choose at least beta ({}), and beta at least 1: a span of n words stands in \
                     n x alpha / beta words",
                    self.beta
                ),
            );
        }
        if self.batch_size == 0 || self.bi_data && !self.batch_size.is_multiple_of(2) {
            return refuse(
                "batch_size",
                self.batch_size,
                "choose at least 1; with bi_data an even number, because one half reads backwards"
                    .to_owned(),
            );
        }
        if self.micro_batches == 0 {
            return refuse("micro_batches", 0, "choose at least 1".to_owned());
        }
        Ok(())
    }

    /// Checks that a sequence has room for its parts, the first of which may be its half.
    ///
    /// # Errors
    /// If it has not.
    pub fn validate_length(&self) -> Result<(), TextError> {
        let second_part = FUNCTIONAL_TOKENS + MIN_ROOM;
        let (shortest, what) = if self.reuse_len == self.seq_len / 2 {
            (2 * second_part - 1, "of which the first half is reused")
        } else {
            (1 + second_part, "with its special tokens")
        };
        if self.seq_len < shortest {
            return Err(TextError::Setting {
                field: "seq_len",
                value: self.seq_len.to_string(),
                remedy: format!("too short for a sequence {what}; choose at least {shortest}"),
            });
        }
        Ok(())
    }

    /// Lanes that a batch reads; with `bi_data` each of them twice.
    pub fn lanes_per_batch(&self) -> usize {
        if self.bi_data {
            self.batch_size / 2
        } else {
            self.batch_size
        }
    }

    /// Tokens of A and B together.
    pub(super) fn room(&self) -> usize {
        self.seq_len - self.reuse_len - FUNCTIONAL_TOKENS
    }

    /// Tokens to predict in each of the two parts.
    pub(super) fn goals(&self) -> [usize; 2] {
        let second = self.num_predict / 2;
        [self.num_predict - second, second]
    }
}
