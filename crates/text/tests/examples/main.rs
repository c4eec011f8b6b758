//! From a corpus to batches, through the public interface alone.
//!
//! `cfg(test)` tells clippy that helpers may unwrap, too.

#[cfg(test)]
mod batches;
#[cfg(test)]
mod common;
#[cfg(test)]
mod masking;
#[cfg(test)]
mod n_grams;
#[cfg(test)]
mod permuted;
#[cfg(test)]
mod properties;
