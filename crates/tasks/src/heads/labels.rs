//! Labels on a device.

use burn::tensor::{Int, Tensor};

/// Labels on a device, with what a weighted mean needs.
#[derive(Debug, Clone)]
pub struct Labels {
    /// `[n]`, 0 where nothing is scored.
    pub labels: Tensor<1, Int>,
    /// `[n]`, 0 where nothing is scored, else 1.
    pub weights: Tensor<1>,
    /// The sum of the weights, above 0.
    pub count: f64,
}
