//! Labelled data as people have it, to the batches that a model is fine-tuned and asked with; and what
//! a model gives back, to predictions.
//!
//! ```text
//! files -> Example -> Feature: ids, what the loss needs, where tokens come from -> HostBatch
//! logits of a Feature's row -> kiln_metrics::rows::Row
//! ```
//!
//! No tensors here.

pub mod example;
pub mod feature;
pub mod labels;
pub mod questions;
pub mod reading;
pub mod splits;
pub mod task;

mod error;

pub use error::DataError;
pub use example::{Answer, Example, Input, Place, Target};
pub use feature::{Feature, RowTarget, TokenMap};
pub use labels::{LabelMap, Labels};
pub use task::{Problem, Task};
