//! Labelled files as people have them, streamed, to [`Example`](crate::Example)s.
//!
//! [`Dataset::open`] decides what a [`DatasetSpec`] leaves open and says it; [`Dataset::survey`] sees
//! all labels; [`Dataset::examples`] reads. Files are read anew for each, so that memory holds one
//! record of them.
//!
//! `table`, `json`, `conll` and `parquet` cut a file into records, `header` and `columns` find where in
//! them everything stands, `build` and `questions` make examples with labels by name of them, `ids` sees
//! that each example has its own, `tags` turns tags into IOB2, `examples` maps names to a model's ids.

mod build;
mod columns;
mod conll;
mod dataset;
mod examples;
mod glue;
mod header;
mod ids;
mod json;
mod lines;
#[cfg(feature = "parquet")]
mod parquet;
mod questions;
mod raw;
mod record;
mod source;
mod spec;
mod table;
mod tags;
#[cfg(test)]
mod tests;

pub use dataset::{Dataset, Survey};
pub use examples::{Counts, Examples};
pub use glue::GlueLayout;
pub use kiln_metrics::GlueTask;
pub use source::Decided;
pub use spec::{Column, Columns, DatasetSpec, Format};
pub use tags::Scheme;
