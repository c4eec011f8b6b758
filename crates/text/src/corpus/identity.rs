//! What a corpus is known by, and how its tokens are spread.

use sha2::{Digest, Sha256};

/// A corpus' identity from the digests of its tokens, sentence bounds and document bounds.
pub(super) fn identity(vocab_size: u32, digests: &[[u8; 32]; 3]) -> [u8; 32] {
    let mut hasher = Sha256::new_with_prefix(b"kiln corpus 1");
    hasher.update(vocab_size.to_le_bytes());
    for digest in digests {
        hasher.update(digest);
    }
    hasher.finalize().into()
}

/// SHA-256 over pieces of bytes.
pub(super) fn digest<B: AsRef<[u8]>>(pieces: impl Iterator<Item = B>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    let mut block = Vec::with_capacity(1 << 16);
    for piece in pieces {
        block.extend_from_slice(piece.as_ref());
        if block.len() >= (1 << 16) - 8 {
            hasher.update(&block);
            block.clear();
        }
    }
    hasher.update(&block);
    hasher.finalize().into()
}

/// Entropy in nats of the distribution that `counts` show; 0 when there are none.
pub(super) fn entropy(counts: &[u64]) -> f64 {
    let total: u64 = counts.iter().sum();
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| {
            let share = count as f64 / total as f64;
            -share * share.ln()
        })
        // Not -0 for one token alone.
        .fold(0.0, |sum, part| sum + part)
}
