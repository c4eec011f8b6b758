//! The digits that things in a cache are named by.

use sha2::{Digest, Sha256};

use crate::reading::hex;

/// Digits of a name.
const NAME_DIGITS: usize = 32;

/// Adds bytes so that no others give the same.
pub(super) fn update(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

/// The name that what was added gives.
pub(super) fn digits(hasher: Sha256) -> String {
    let mut name = hex(&hasher.finalize());
    name.truncate(NAME_DIGITS);
    name
}

/// Whether something in a cache's folder has a name that [`digits`] gives.
pub(super) fn is_name(text: &str) -> bool {
    text.len() == NAME_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
