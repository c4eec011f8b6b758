//! Plain text to training batches, on the host.
//!
//! ```text
//! text files -> tokenizer -> Shard (memory-mapped ids) -> examples -> HostBatch
//! ```
//!
//! [`reading`] stands below [`tokenizer`], which learns from it, that below [`corpus`], and this below
//! [`examples`]; no file needs one of a floor above.
//!
//! No tensors here: worker threads build batches ahead, and every random choice is a pure function
//! of its address ([`rng`]).

pub mod batch;
pub mod corpus;
pub mod examples;
pub mod masking;
pub mod reading;
pub mod rng;
pub mod stream;
pub mod tokenizer;
pub mod vocabulary;

mod error;

pub use batch::{BatchSource, Buffer, HostBatch};
pub use corpus::Corpus;
pub use error::{AlphabetFit, TextError};
pub use tokenizer::Tokenizer;
pub use vocabulary::Vocabulary;
