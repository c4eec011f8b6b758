//! Attention (Vaswani et al. 2017), the one seam through which every architecture computes it.
//!
//! context = dropout(softmax(scale · (query·keyᵀ + relative) + score_bias, hidden keys left out)) · value
//!
//! Terms by relative position come in as `relative`, others as `score_bias`, masks of padding or of
//! a permutation as `is_hidden`; only what makes them differs between architectures.

use burn::tensor::{Bool, DType, Int, Tensor, assert_shape};

use crate::precision::{like, widened};
use crate::{Dropout, RelativeScores, fused};

/// What the scores are made of beside query and key.
#[derive(Debug)]
pub struct AttentionOptions<'a> {
    /// Factor of query·key and of the terms by relative position, 1/√head_size in BERT.
    pub scale: f64,
    /// Added to query·key before the scale.
    pub relative: Option<RelativeScores>,
    /// Added to the scaled scores; broadcasts to `[batch, heads, query_len, key_len]`.
    pub score_bias: Option<Tensor<4>>,
    /// True where a query may not look at a key; broadcasts to `[batch, heads, query_len, key_len]`.
    pub is_hidden: Option<Tensor<4, Bool>>,
    /// Acts on the probabilities.
    pub dropout: &'a Dropout,
}

/// Averages the values by how well their keys fit each query.
///
/// A hidden key's score is the lowest finite number, as in Hugging Face's plain implementation: its
/// probability is zero, and a query that may look at nothing averages over all keys.
///
/// # Shapes
/// - `query`: `[batch, heads, query_len, head_size]`
/// - `key`, `value`: `[batch, heads, key_len, head_size]`
/// - returns `[batch, heads, query_len, head_size]`
///
/// # Panics
/// If those shapes do not hold: the caller's mistake.
pub fn attend(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    options: AttentionOptions<'_>,
) -> Tensor<4> {
    let [batch, heads, _, head_size] = query.dims();
    let [_, _, key_len, _] = key.dims();
    assert_shape!(key, [batch, heads, _, head_size]);
    assert_shape!(value, [batch, heads, key_len, _]);

    if query.dtype() == DType::F32 && options.score_bias.is_none() {
        let [_, _, query_len, _] = query.dims();
        let prob = match options.dropout.acts_on(&query) {
            true => options.dropout.prob(),
            false => 0.0,
        };
        let terms = match options.relative {
            Some(relative) => relative.terms([batch, heads, query_len, key_len]),
            None => [None, None],
        };
        let inputs = [query, key, value];
        return fused::attention(inputs, terms, options.is_hidden, options.scale, prob);
    }
    let scores = widened(query.matmul(key.swap_dims(2, 3)));
    let scores = match options.relative {
        Some(relative) => relative.add_to(scores),
        None => scores,
    };
    let (scores, scale) = match options.score_bias {
        Some(bias) => (scores.mul_scalar(options.scale) + widened(bias), 1.0),
        None => (scores, options.scale),
    };
    let probabilities = match options.is_hidden {
        Some(is_hidden) if options.dropout.acts_on(&scores) => {
            fused::dropped_softmax(scores, is_hidden, scale, options.dropout.prob())
        }
        is_hidden => {
            let probabilities = fused::scaled_softmax(scores, is_hidden, scale);
            options.dropout.forward(probabilities)
        }
    };
    like(probabilities, &value).matmul(value)
}

/// True at padding, in a shape that broadcasts over heads and queries.
///
/// # Shapes
/// - `attention_mask`: `[batch, key_len]`, 1 = attend, 0 = padding
/// - returns `[batch, 1, 1, key_len]`
pub fn is_padding(attention_mask: Tensor<2, Int>) -> Tensor<4, Bool> {
    let [batch, key_len] = attention_mask.dims();
    attention_mask.equal_elem(0).reshape([batch, 1, 1, key_len])
}

/// Gives each head an axis position of its own.
///
/// # Shapes
/// - `hidden_states`: `[batch, seq_len, heads * head_size]`
/// - returns `[batch, heads, seq_len, head_size]`
///
/// # Panics
/// If `heads` does not divide the last axis: the caller's mistake.
pub fn split_heads(hidden_states: Tensor<3>, heads: usize) -> Tensor<4> {
    let [batch, seq_len, size] = hidden_states.dims();
    assert!(
        heads > 0 && size % heads == 0,
        "{heads} heads do not divide {size}"
    );
    hidden_states
        .reshape([batch, seq_len, heads, size / heads])
        .swap_dims(1, 2)
}

/// Puts the heads' outputs side by side again, as [`split_heads`] had them.
///
/// # Shapes
/// - `context`: `[batch, heads, seq_len, head_size]`
/// - returns `[batch, seq_len, heads * head_size]`
pub fn merge_heads(context: Tensor<4>) -> Tensor<3> {
    let [batch, heads, seq_len, head_size] = context.dims();
    context
        .swap_dims(1, 2)
        .reshape([batch, seq_len, heads * head_size])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn wave(shape: [usize; 4], phase: f32, device: &Device) -> Tensor<4> {
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|i| (i as f32 * 0.7 + phase).sin())
            .collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn run(value: Tensor<4>, mask: [[i32; 3]; 2], device: &Device) -> Vec<f32> {
        let dropout = Dropout::new(0.5);
        let options = AttentionOptions {
            scale: 0.5,
            relative: None,
            score_bias: None,
            is_hidden: Some(is_padding(Tensor::from_data(mask, device))),
            dropout: &dropout,
        };
        let query = wave([2, 2, 3, 4], 0.0, device);
        let key = wave([2, 2, 3, 4], 1.0, device);
        let context = attend(query, key, value, options);
        context.try_into_vec_as::<f32>().unwrap()
    }

    #[test]
    fn a_hidden_value_changes_no_bit_and_a_visible_one_does() {
        for (name, device) in kiln_testing::devices() {
            let mask = [[1, 1, 0], [1, 1, 1]];
            let value = wave([2, 2, 3, 4], 2.0, &device);
            let before = run(value.clone(), mask, &device);
            let changed = |row: usize| {
                let patch = Tensor::full([1, 2, 1, 4], 9.0, &device);
                let value = value
                    .clone()
                    .slice_assign([0..1, 0..2, row..row + 1, 0..4], patch);
                run(value, mask, &device)
            };
            assert_eq!(before, changed(2), "{name}");
            assert_ne!(before, changed(1), "{name}");
        }
    }

    #[test]
    fn a_query_that_sees_nothing_averages_all_values() {
        for (name, device) in kiln_testing::devices() {
            let value = wave([2, 2, 3, 4], 2.0, &device);
            let mean: Vec<f32> = value.clone().mean_dim(2).try_into_vec_as::<f32>().unwrap();
            let context = run(value, [[0, 0, 0], [1, 1, 1]], &device);
            // Three single-precision terms of size up to 1.
            for (got, want) in context.iter().zip(&mean).take(4) {
                assert!((got - want).abs() < 1e-6, "{name}: {got} {want}");
            }
        }
    }

    #[test]
    fn merging_undoes_splitting() {
        for (_, device) in kiln_testing::devices() {
            let hidden = wave([1, 2, 3, 4], 0.0, &device).reshape([2, 3, 4]);
            let back = merge_heads(split_heads(hidden.clone(), 2));
            assert_eq!(back.into_data(), hidden.into_data());
        }
    }
}
