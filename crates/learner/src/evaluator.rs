//! Evaluations that are more than sums over batches.

use burn::tensor::Device;

use crate::error::LearnError;

/// Evaluates a model in its own way, where a score is no mean over batches, such as F1.
pub trait Evaluator<M>: Send + Sync {
    /// The values of an evaluation by their keys in `metrics.jsonl`, `loss` among them.
    ///
    /// `model` and `device` are plain (not autodiff): dropout is off and nothing is tracked.
    ///
    /// # Errors
    /// If the data can't be read or the device fails.
    fn evaluate(&self, model: &M, device: &Device) -> Result<Vec<(String, f64)>, LearnError>;
}
