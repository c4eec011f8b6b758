//! What a model reads of one example, or of a window of it.

use std::ops::Range;

/// The label of a token that is not scored, and of a row whose target is not known.
pub(crate) const NO_LABEL: i32 = -100;

/// One row for a model, not yet padded.
///
/// An example gives one, or several where it is longer than the model reads at once. A choice gives one
/// whose continuations lie in [`Self::ids`] one behind the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// The number of the example among those of its file, from 0.
    pub example: u64,
    /// The sequences' ids, special tokens included: one sequence, or one for each continuation.
    pub ids: Vec<Vec<u32>>,
    /// `token_type_ids`, as long as the ids.
    pub type_ids: Vec<Vec<u8>>,
    /// What the loss needs.
    pub target: RowTarget,
    /// Where tokens come from.
    pub map: TokenMap,
}

impl Feature {
    /// The length of its longest sequence.
    pub fn longest(&self) -> usize {
        self.ids.iter().map(Vec::len).max().unwrap_or(0)
    }
}

/// What the loss needs of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum RowTarget {
    /// Nothing is known.
    None,
    /// The id of a label, or of a continuation.
    Class(u32),
    /// A number for each output: of a regression, or 0 and 1 for each label.
    Numbers(Vec<f32>),
    /// A label a token, −100 where none is scored.
    Tokens(Vec<i32>),
    /// The tokens that an answer begins and ends with; those of `[CLS]` where it is not in the row.
    Span {
        /// First token.
        start: u32,
        /// Last token.
        end: u32,
    },
}

/// Where the tokens of a row come from, for what is made of a model's answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenMap {
    /// The row is its example.
    Whole,
    /// `(word, position)`: the first token of each word that this row decides.
    Words(Vec<(u32, u32)>),
    /// For each token of the row the characters `[start, end)` of the context that it stands for; none
    /// outside the context, and where it stands for a blank alone. With the position that stands for
    /// "no answer".
    Context {
        /// As many as there are tokens.
        characters: Vec<Option<(u32, u32)>>,
        /// The positions that an answer may begin at: those of the context, or of the part of it that is
        /// this row's to decide.
        starts: Range<u32>,
        /// The position of `[CLS]`.
        no_answer: u32,
    },
}
