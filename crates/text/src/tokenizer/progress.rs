//! How far the training of a tokenizer is.

/// How far training is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainProgress {
    /// Words are being counted.
    Counting {
        /// Bytes of the input files, as stored.
        total_bytes: u64,
        /// How many of them were read.
        bytes_read: u64,
        /// Different words so far.
        words: usize,
    },
    /// Pieces are being joined.
    Merging {
        /// Entries in the vocabulary so far.
        entries: usize,
        /// How many it shall have.
        vocab_size: usize,
    },
    /// The pieces that text misses least are being dropped.
    Pruning {
        /// Entries in the vocabulary still.
        entries: usize,
        /// How many it shall have.
        vocab_size: usize,
    },
}
