//! Predictions as they are written, and scores that can be believed.
//!
//! ```text
//! predictions of every example -> scores, each beside a baseline and an interval
//! ```
//!
//! What is scored during training, by `kiln evaluate` and from a file of predictions goes through
//! [`rows`] and the scores of this crate alone: the same predictions give the same numbers to the last
//! digit. No tensors here.

pub mod rows;
