//! What became of examples.

/// What became of examples, so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeatureCounts {
    /// Examples.
    pub examples: u64,
    /// Rows made of them.
    pub features: u64,
    /// Examples of two texts where the model learned from one, or of one where it learned from two.
    pub other_shape: u64,
    /// Examples whose texts lost their ends. Sentences of words lose nothing.
    pub cut: u64,
    /// Sentences that were cut into windows.
    pub long_sentences: u64,
    /// Words longer than a window: they are decided by their beginning.
    pub cut_words: u64,
    /// Words that no token came of: they are not read, and count as `O`.
    pub unread_words: u64,
    /// Answers made of nothing but what the tokenizer drops: their questions are learned as without an
    /// answer.
    pub unread_answers: u64,
    /// Answers that begin or end within a token: the rest of it is learned along.
    pub widened_answers: u64,
}
