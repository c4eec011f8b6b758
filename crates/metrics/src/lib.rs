//! Predictions as they are written, and scores that can be believed.
//!
//! ```text
//! predictions of every example -> scores, each beside a baseline and an interval
//! ```
//!
//! What is scored during training, by `kiln evaluate` and from a file of predictions goes through
//! [`rows`] and [`score`] alone: the same predictions give the same numbers to the last digit. No
//! tensors here.
//!
//! | file | what |
//! | --- | --- |
//! | `rows` | what a model says of one example |
//! | `file` | `predictions.jsonl`: a row a line, written and read |
//! | `classes` | accuracy, F1, precision, recall, Matthews' correlation |
//! | `labels` | F1 and exact match where an example has several labels |
//! | `numbers` | Pearson, Spearman, squared and absolute error, R² |
//! | `entities` | entities in IOB2, lenient and strict, and words |
//! | `squad` | exact match and F1 as the official scorers of SQuAD 1.1 and 2.0 count them |
//! | `choices` | the chance that a choice is held against |
//! | `tally` | how often something is true, predicted, and both |
//! | `weights` | how often each example counts |
//! | `scores` | the names and numbers that come out, and what can be asked for |
//! | `sample` | what all kinds of rows can do: scores of a weighted sample; the bootstrap |
//! | `kinds/…` | each kind of row as such a sample |
//! | `scoring` | rows to scores |
//! | `seeds` | several runs of one task |
//! | `paired` | two runs on the same examples |
//! | `error` | why rows can't be scored, read or written |
//!
//! An undefined number is `None`, never NaN. Which empty cases count as 0 and which are undefined stands
//! with each function.

mod choices;
mod classes;
mod entities;
mod error;
mod file;
mod kinds;
mod labels;
mod numbers;
mod paired;
pub mod rows;
mod sample;
pub mod scores;
mod scoring;
pub mod seeds;
pub mod squad;
mod tally;
mod weights;

pub use error::MetricsError;
pub use file::{RowReader, RowWriter, read_rows};
pub use paired::{McNemar, Paired, compare};
pub use scores::{GlueTask, Score, ScoreOptions, Scores};
pub use scoring::score;
pub use seeds::{Summary, over_runs};
