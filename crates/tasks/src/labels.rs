//! Labels, on the host and on a device.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::class_loss::{ClassLoss, WeighedClasses};

/// Classes or places on the host, of which some are scored.
#[derive(Debug, Clone)]
pub struct HostLabels {
    labels: Vec<i32>,
    weights: Vec<f32>,
    /// None: the plain one.
    loss: Option<Arc<ClassLoss>>,
}

impl HostLabels {
    /// Classes; one below 0 is not scored, as Hugging Face's −100.
    pub fn classes(labels: Vec<i32>) -> Self {
        let weights = labels.iter().map(|&label| is(label >= 0)).collect();
        Self {
            labels: labels.into_iter().map(|label| label.max(0)).collect(),
            weights,
            loss: None,
        }
    }

    /// Places among `width`; as in Hugging Face one beyond them is not scored, and one before them is the
    /// first.
    pub fn places(places: Vec<i32>, width: usize) -> Self {
        let width = i32::try_from(width).unwrap_or(i32::MAX);
        let weights = places.iter().map(|&place| is(place < width)).collect();
        let last = (width - 1).max(0);
        Self {
            labels: places
                .into_iter()
                .map(|place| place.clamp(0, last))
                .collect(),
            weights,
            loss: None,
        }
    }

    /// These labels, whose loss is weighed and smoothed so.
    #[must_use]
    pub fn with_loss(self, loss: &Arc<ClassLoss>) -> Self {
        let loss = (!loss.is_plain()).then(|| loss.clone());
        Self { loss, ..self }
    }

    /// These labels with each row's weighed by `rows`, as many rows as there are weights.
    #[must_use]
    pub fn weighed(mut self, rows: &[f32]) -> Self {
        let width = (self.weights.len() / rows.len().max(1)).max(1);
        for (weights, row) in self.weights.chunks_mut(width).zip(rows) {
            weights.iter_mut().for_each(|weight| *weight *= row);
        }
        self
    }

    /// The sum of the rows' weights.
    pub fn count(&self) -> f64 {
        self.weights.iter().map(|&weight| f64::from(weight)).sum()
    }

    /// By what the sum of the losses is divided: of each row its weight times that of its class.
    pub fn divisor(&self) -> f64 {
        let Some(loss) = &self.loss else {
            return self.count();
        };
        let weights = loss.weights(&self.labels, &self.weights);
        weights.into_iter().map(f64::from).sum()
    }

    /// The labels, and which of them count.
    pub(crate) fn parts(&self) -> (&[i32], &[f32]) {
        (&self.labels, &self.weights)
    }

    /// Moves them to a device.
    pub fn upload(self, device: &Device) -> Labels {
        let (n, count) = (self.labels.len(), self.count());
        let loss = self.loss.map(|loss| {
            let weights = loss.weights(&self.labels, &self.weights);
            loss.upload(weights, device)
        });
        Labels {
            loss,
            labels: Tensor::from_data(TensorData::new(self.labels, [n]), device),
            weights: Tensor::from_data(TensorData::new(self.weights, [n]), device),
            count,
        }
    }
}

fn is(scored: bool) -> f32 {
    f32::from(u8::from(scored))
}

/// Classes or places on a device, with what a weighted mean needs.
#[derive(Debug, Clone)]
pub struct Labels {
    /// `[n]`, 0 where nothing is scored.
    pub labels: Tensor<1, Int>,
    /// `[n]`, 0 where nothing is scored, else the row's weight, usually 1.
    pub weights: Tensor<1>,
    /// The sum of the weights.
    pub count: f64,
    /// How the loss is weighed and smoothed; none: it is the plain one.
    pub loss: Option<WeighedClasses>,
}

/// Real numbers on a device, with what a weighted mean needs.
#[derive(Debug, Clone)]
pub struct Numbers {
    /// `[n]`
    pub values: Tensor<1>,
    /// `[n]`, 0 where nothing is scored, else the row's weight, usually 1.
    pub weights: Tensor<1>,
    /// `[n]`, what the loss of each is multiplied by besides; none: 1.
    pub factors: Option<Tensor<1>>,
    /// Of how many sequences they are, as many of each.
    pub rows: usize,
    /// By what the loss's sum is divided.
    pub count: f64,
}
