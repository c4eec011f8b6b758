//! Host buffers to device tensors.

use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_text::HostBatch;

/// The whole-number buffer `name` of `batch` as a tensor of rank `D`.
///
/// # Panics
/// If the batch has no such buffer or it has another rank: an objective and the source that feeds
/// it are written together.
pub fn ints<const D: usize>(batch: &HostBatch, name: &str, device: &Device) -> Tensor<D, Int> {
    let buffer = batch.ints.get(name);
    let Some(buffer) = buffer else { missing(name) };
    Tensor::from_data(
        TensorData::new(buffer.data.clone(), buffer.shape.clone()),
        device,
    )
}

/// The real-number buffer `name` of `batch` as a tensor of rank `D`.
///
/// # Panics
/// As [`ints`].
pub fn floats<const D: usize>(batch: &HostBatch, name: &str, device: &Device) -> Tensor<D> {
    let buffer = batch.floats.get(name);
    let Some(buffer) = buffer else { missing(name) };
    Tensor::from_data(
        TensorData::new(buffer.data.clone(), buffer.shape.clone()),
        device,
    )
}

/// Ends a run whose batches lack the buffer `name`.
///
/// # Panics
/// Always.
#[expect(
    clippy::panic,
    reason = "a source that gives other buffers than its objective takes"
)]
pub fn missing(name: &str) -> ! {
    panic!("the batch has no buffer called {name}")
}
