//! The sizes of an encoder that ids and lengths are checked against.

/// The rows of an encoder's tables, against which ids and lengths are checked.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Rows of the word table.
    pub vocab_size: usize,
    /// Rows of the segment table.
    pub type_vocab_size: usize,
    /// Rows of the position table.
    pub max_position_embeddings: usize,
    /// The row of a sequence's first token.
    pub first_position: usize,
}

impl Sizes {
    /// Tokens of the longest sequence: one for each row that is left for them.
    pub fn longest(self) -> usize {
        self.max_position_embeddings
            .saturating_sub(self.first_position)
    }

    /// For how many tokens there are positions, as a phrase.
    pub(crate) fn room(self) -> String {
        let (rows, first) = (self.max_position_embeddings, self.first_position);
        let rows = format!("max_position_embeddings is {rows}");
        match first {
            0 => rows,
            first => format!("{rows}, of which the first {first} are no token's"),
        }
    }
}
