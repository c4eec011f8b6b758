//! Hidden states at chosen positions: the prediction head over the vocabulary runs on these alone.

use burn::tensor::{Int, IntDType, Tensor, assert_shape};

/// The hidden states at `positions` of each sequence.
///
/// Rows of the flattened batch are taken by number, which every backend does by a plain copy
/// forwards and an addition of rows backwards.
///
/// # Shapes
/// - `hidden_states`: `[batch, seq_len, hidden_size]`
/// - `positions`: `[batch, num_predictions]`, each in `0..seq_len`; repeats are fine
/// - returns `[batch, num_predictions, hidden_size]`
///
/// # Panics
/// If those shapes do not hold: the caller's mistake.
pub fn gather_positions(hidden_states: Tensor<3>, positions: Tensor<2, Int>) -> Tensor<3> {
    let [batch, seq_len, hidden_size] = hidden_states.dims();
    let [_, num_predictions] = positions.dims();
    assert_shape!(positions, [batch, _]);

    let first_rows = Tensor::<1, Int>::arange(0..batch as i64, &positions.device())
        .mul_scalar(seq_len as i64)
        .cast(IntDType::from(positions.dtype()))
        .reshape([batch, 1]);
    let rows = (positions + first_rows).reshape([batch * num_predictions]);
    hidden_states
        .reshape([batch * seq_len, hidden_size])
        .select(0, rows)
        .reshape([batch, num_predictions, hidden_size])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn positions_are_taken_from_their_own_sequence_and_repeats_add_their_gradients() {
        for (_, device) in kiln_testing::devices() {
            let device = device.autodiff();
            let values: Vec<f32> = (0..12).map(|v| v as f32).collect();
            let hidden =
                Tensor::<3>::from_data(TensorData::new(values, [2, 3, 2]), &device).require_grad();
            let positions = Tensor::<2, Int>::from_data([[2, 0], [1, 1]], &device);
            let taken = gather_positions(hidden.clone(), positions);
            assert_eq!(
                taken.clone().try_into_vec_as::<f32>().unwrap(),
                [4.0, 5.0, 0.0, 1.0, 8.0, 9.0, 8.0, 9.0]
            );
            let gradients = taken.sum().backward();
            let gradient = hidden.grad(&gradients).unwrap();
            assert_eq!(
                gradient.try_into_vec_as::<f32>().unwrap(),
                [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 2.0, 2.0, 0.0, 0.0]
            );
        }
    }
}
