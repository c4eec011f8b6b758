//! Labelled data as people have it, to the batches that a model is fine-tuned and asked with; and what
//! a model gives back, to predictions.
//!
//! ```text
//! files -> Example -> Feature: ids, what the loss needs, where tokens come from -> HostBatch
//! logits of a Feature's row -> kiln_metrics::rows::Row
//! ```
//!
//! No tensors here.

pub mod batching;
pub mod decode;
pub mod example;
pub mod feature;
pub mod features;
pub mod labels;
pub mod questions;
pub mod reading;
pub mod splits;
pub mod store;
pub mod task;

mod error;
mod probabilities;

pub use decode::Decoder;
pub use error::DataError;
pub use example::{Answer, Example, Input, Place, Target};
pub use feature::{Feature, RowTarget, TokenMap};
pub use features::{FeatureSettings, Featurizer};
pub use labels::{LabelMap, Labels};
pub use store::{FeatureStore, StoreWriter};
pub use task::{Problem, Task};
