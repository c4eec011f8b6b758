//! Features to batches: padded rows, and who chooses them for training, evaluation and prediction.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `batch.rs` | rows of one length as [`HostBatch`](kiln_text::HostBatch) |
//! | `rows.rs` | all rows of a store, or those of some examples |
//! | `epochs.rs` | the order in which training sees rows |
//! | `train.rs` | the source of training |
//! | `predict.rs` | batches of a window of features |
//! | `weights.rs` | what classes weigh by how often they come |

mod batch;
mod epochs;
mod predict;
mod rows;
mod train;
mod weights;

pub use batch::{BatchSettings, Batcher, PadTo};
pub use predict::{PREDICT_WINDOW, PredictBatch, PredictBatches};
pub use rows::Rows;
pub use train::{TrainOrder, TrainSource};
pub use weights::{balanced_positive_weights, balanced_weights};

#[cfg(test)]
mod tests;
