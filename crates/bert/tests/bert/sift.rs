//! Scale-invariant fine-tuning of BERT's classifier against PyTorch: one pass with all that stands
//! between, and thirty steps through the learner.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers may end the test"
)]

mod parity;
mod passes;
mod properties;
