//! The vocabulary projection with the word table as its weight.

use burn::backend::{Backend, tensor::FloatTensor};

use super::FusedOps;

/// The gradients towards (x, table, bias). The table's comes row by row as the table lies in
/// memory, ready to be added to the gradient of the embedding.
pub(super) fn backward<B: FusedOps>(
    x: FloatTensor<B>,
    table: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    (
        B::projected_backward_x(transposed::<B>(table), grad.clone()),
        B::projected_backward_weight(grad.clone(), x),
        B::projected_backward_bias(grad),
    )
}

fn transposed<B: Backend>(table: FloatTensor<B>) -> FloatTensor<B> {
    B::float_swap_dims(table, 0, 1)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};

    use crate::fused::tied_linear;

    const N: usize = 3;
    const WORDS: usize = 7;
    const SIZE: usize = 5;

    fn wave(len: usize, phase: f64) -> Vec<f32> {
        let values = 0..len;
        values
            .map(|i| (i as f64 * 1.7 + phase).sin() as f32)
            .collect()
    }

    fn upload<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), device).require_grad()
    }

    fn assert_near(found: Vec<f32>, exact: impl Fn(usize) -> f64, what: &str) {
        for (index, &found) in found.iter().enumerate() {
            let exact = exact(index);
            // Sums of at most seven products of numbers up to 1.
            assert!(
                (f64::from(found) - exact).abs() < 2e-6,
                "{what}[{index}]: {found} for {exact}"
            );
        }
    }

    #[test]
    fn scores_and_their_gradients_are_those_of_a_product_with_the_transposed_table() {
        let (x, table, bias) = (
            wave(N * SIZE, 0.0),
            wave(WORDS * SIZE, 1.0),
            wave(WORDS, 2.0),
        );
        let coefficients = wave(N * WORDS, 3.0);
        let product = |a: f32, b: f32| f64::from(a) * f64::from(b);
        for (name, device) in kiln_testing::devices() {
            let device = device.autodiff();
            let inputs = upload(&x, [N, SIZE], &device);
            let rows = upload(&table, [WORDS, SIZE], &device);
            let shift = upload(&bias, [WORDS], &device);
            let scores = tied_linear(inputs.clone(), rows.clone(), shift.clone());
            let weights = TensorData::new(coefficients.clone(), [N, WORDS]);
            let weighted = scores.clone() * Tensor::from_data(weights, &device);
            let gradients = weighted.sum().backward();
            let values = |tensor: Tensor<2>| tensor.try_into_vec_as::<f32>().unwrap();

            let exact = |at: usize| {
                let (row, word) = (at / WORDS, at % WORDS);
                let terms = (0..SIZE).map(|k| product(x[row * SIZE + k], table[word * SIZE + k]));
                terms.sum::<f64>() + f64::from(bias[word])
            };
            assert_near(values(scores), exact, &format!("{name} scores"));
            let exact = |at: usize| {
                let (row, k) = (at / SIZE, at % SIZE);
                let c = |word| coefficients[row * WORDS + word];
                (0..WORDS)
                    .map(|word| product(c(word), table[word * SIZE + k]))
                    .sum()
            };
            let found = values(inputs.grad(&gradients).unwrap());
            assert_near(found, exact, &format!("{name} towards x"));
            let exact = |at: usize| {
                let (word, k) = (at / SIZE, at % SIZE);
                let c = |row| coefficients[row * WORDS + word];
                (0..N).map(|row| product(c(row), x[row * SIZE + k])).sum()
            };
            let found = values(rows.grad(&gradients).unwrap());
            assert_near(found, exact, &format!("{name} towards the table"));
            let exact = |word: usize| {
                let column = (0..N).map(|row| f64::from(coefficients[row * WORDS + word]));
                column.sum()
            };
            let found = shift
                .grad(&gradients)
                .unwrap()
                .try_into_vec_as::<f32>()
                .unwrap();
            assert_near(found, exact, &format!("{name} towards the bias"));
        }
    }
}
