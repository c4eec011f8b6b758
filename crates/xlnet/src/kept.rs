//! How much of what a pass has seen the next one sees: `mem_len` as Hugging Face reads it.

/// What a pass keeps of a layer's hidden states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// All of them.
    All,
    /// At most so many, the last.
    Last(usize),
    /// All but so many, the first: what a negative `mem_len` means in Hugging Face.
    AllBut(usize),
}

impl Kept {
    /// From `mem_len` in config.json.
    pub(crate) fn of(mem_len: Option<i64>) -> Self {
        let Some(len) = mem_len else {
            return Self::All;
        };
        let count = usize::try_from(len.unsigned_abs()).unwrap_or(usize::MAX);
        match len {
            0 => Self::All,
            1.. => Self::Last(count),
            _ => Self::AllBut(count),
        }
    }

    /// How many of `len` hidden states are kept.
    pub(crate) fn count(self, len: usize) -> usize {
        match self {
            Self::All => len,
            Self::Last(most) => most.min(len),
            Self::AllBut(first) => len.saturating_sub(first),
        }
    }
}
