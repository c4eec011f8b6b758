//! What example building knows of a tokenizer: its special ids and which pieces continue a word.

/// The ids that example building and masking need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// Number of ids; every id is below it.
    pub size: u32,
    /// `[PAD]`.
    pub pad: u32,
    /// `[UNK]`.
    pub unk: u32,
    /// `[CLS]`.
    pub cls: u32,
    /// `[SEP]`.
    pub sep: u32,
    /// `[MASK]`.
    pub mask: u32,
    /// By id: never masked, never scored (`[CLS]`, `[SEP]`, `[PAD]`, `[MASK]` and other added
    /// special tokens, but not `[UNK]`: the original masks it like a word).
    pub is_special: Vec<bool>,
    /// By id: continues the word before it (`##…` in WordPiece; what has no space before it in the
    /// other kinds, but for single punctuation characters).
    pub is_continuation: Vec<bool>,
}
