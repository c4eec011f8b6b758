//! From the hidden states of a text's tokens to one vector, as sentence-transformers' `Pooling` does.

use burn::tensor::{Bool, Device, Tensor, TensorData};

use crate::embedding::Pooling;

/// One vector for each text: those of `modes` one after the other.
///
/// `lengths` are the texts' tokens, each at least 1; what stands behind them is padding, and counts
/// for nothing whatever it is.
///
/// # Shapes
/// - `hidden_states`: `[batch, seq_len, hidden_size]`
/// - returns `[batch, modes * hidden_size]`
///
/// # Panics
/// If there is no mode, or `lengths` are not as many as texts: the caller's mistake.
pub(super) fn pool(hidden_states: Tensor<3>, lengths: &[usize], modes: &[Pooling]) -> Tensor<2> {
    let [batch, seq_len, hidden_size] = hidden_states.dims();
    assert_eq!(batch, lengths.len(), "a length for each text");
    let device = hidden_states.device();
    let is_padding = is_padding(lengths, seq_len, &device).expand([batch, seq_len, hidden_size]);
    let at = |place: fn(usize) -> usize| {
        let rows = hidden_states.clone().flatten::<2>(0, 1);
        let places = (0..).zip(lengths);
        let places: Vec<i32> = places
            .map(|(row, &length)| (row * seq_len + place(length)) as i32)
            .collect();
        rows.select(0, Tensor::from_data(places.as_slice(), &device))
    };
    let sum = |weight: fn(usize) -> f32| {
        // Filled and not multiplied: 0 x NaN is NaN.
        let tokens = hidden_states.clone().mask_fill(is_padding.clone(), 0.0);
        let weights: Vec<f32> = (0..seq_len).map(weight).collect();
        let weights = Tensor::<1>::from_data(weights.as_slice(), &device);
        let weighted = tokens * weights.reshape([1, seq_len, 1]);
        weighted.sum_dim(1).squeeze_dim::<2>(1)
    };
    let divided = |sum: Tensor<2>, divisor: fn(f32) -> f32| {
        let divisors: Vec<f32> = lengths
            .iter()
            .map(|&length| divisor(length as f32))
            .collect();
        sum / Tensor::<1>::from_data(divisors.as_slice(), &device).reshape([batch, 1])
    };
    let vectors = modes.iter().map(|mode| match mode {
        Pooling::Cls => at(|_| 0),
        Pooling::LastToken => at(|length| length.saturating_sub(1)),
        Pooling::Max => {
            let tokens = hidden_states.clone();
            let tokens = tokens.mask_fill(is_padding.clone(), f32::MIN);
            tokens.max_dim(1).squeeze_dim::<2>(1)
        }
        Pooling::Mean => divided(sum(|_| 1.0), |length| length),
        Pooling::MeanSqrtLen => divided(sum(|_| 1.0), f32::sqrt),
        // The divisor is 1 + 2 + … + length.
        Pooling::WeightedMean => divided(sum(|position| (position + 1) as f32), |length| {
            length * (length + 1.0) / 2.0
        }),
    });
    Tensor::cat(vectors.collect(), 1)
}

/// Whether a place is behind a text's end, `[batch, seq_len, 1]`.
fn is_padding(lengths: &[usize], seq_len: usize, device: &Device) -> Tensor<3, Bool> {
    let places = lengths
        .iter()
        .flat_map(|&length| (0..seq_len).map(move |place| place >= length));
    let places: Vec<bool> = places.collect();
    Tensor::from_data(TensorData::new(places, [lengths.len(), seq_len, 1]), device)
}

/// Divides a vector by its length, or by 1e-12 if it is shorter (PyTorch's `normalize`).
pub(super) fn normalize(vector: &mut [f32]) {
    let squares = vector.iter().map(|&value| f64::from(value).powi(2));
    let length = squares.sum::<f64>().sqrt().max(1e-12);
    for value in vector {
        *value = (f64::from(*value) / length) as f32;
    }
}

#[cfg(test)]
mod tests;
