//! The last step of a language model's head: a score for every word.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, assert_shape};

use crate::fused::tied_linear;
use crate::init::Init;
use crate::precision::like;

/// What a head has apart from what it usually shares: its matrix from the word table, its bias from
/// the one beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Apart {
    /// A matrix of its own.
    pub weight: bool,
    /// A bias of its own.
    pub bias: bool,
}

/// A head's own matrix and bias, where it has them; usually it has neither.
///
/// The word table and the bias beside it are arguments: a shared parameter has one owner, hence one
/// gradient, one state of the optimizer and one entry in the checkpoint.
#[derive(Module, Debug)]
pub struct Decoder {
    /// `[vocab_size, width]`
    weight: Option<Param<Tensor<2>>>,
    /// `[vocab_size]`
    bias: Option<Param<Tensor<1>>>,
}

impl Decoder {
    /// Draws what stands apart, the matrix first; a bias is zero.
    pub fn new(apart: Apart, [vocab_size, width]: [usize; 2], init: &mut Init) -> Self {
        Self {
            weight: apart.weight.then(|| init.parameter([vocab_size, width])),
            bias: apart.bias.then(|| init.filled([vocab_size], 0.0)),
        }
    }

    /// Unnormalised log-probabilities, by its own matrix and bias or by those given.
    ///
    /// # Shapes
    /// - `hidden_states`: `[n, width]`
    /// - `words`: `[vocab_size, width]`
    /// - `bias`: `[vocab_size]`
    /// - returns `[n, vocab_size]`
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn score(&self, hidden_states: Tensor<2>, words: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
        let words = self.weight.as_ref().map_or(words, Param::val);
        let bias = self.bias.as_ref().map_or(bias, Param::val);
        let ([_, width], [vocab_size]) = (hidden_states.dims(), bias.dims());
        assert_shape!(words, [vocab_size, width]);
        let (words, bias) = (like(words, &hidden_states), like(bias, &hidden_states));
        tied_linear(hidden_states, words, bias)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    #[test]
    fn what_stands_apart_is_used_and_what_does_not_is_shared() {
        for (name, device) in kiln_testing::devices() {
            let tensor = |values: [f32; 4]| {
                Tensor::<2>::from_data(TensorData::new(values.to_vec(), [2, 2]), &device)
            };
            let (hidden, words) = (tensor([1.0, 2.0, 3.0, 4.0]), tensor([1.0, 0.0, 0.0, 1.0]));
            let bias = Tensor::<1>::from_data([0.5, -0.5], &device);
            let score = |weight: bool, own_bias: bool| {
                let apart = Apart {
                    weight,
                    bias: own_bias,
                };
                let decoder = Decoder::new(apart, [2, 2], &mut Init::zeros(&device));
                let scores = decoder.score(hidden.clone(), words.clone(), bias.clone());
                scores.try_into_vec_as::<f32>().unwrap()
            };
            // Its own are zeros here.
            assert_eq!(score(false, false), [1.5, 1.5, 3.5, 3.5], "{name}");
            assert_eq!(score(true, false), [0.5, -0.5, 0.5, -0.5], "{name}");
            assert_eq!(score(false, true), [1.0, 2.0, 3.0, 4.0], "{name}");
            assert_eq!(score(true, true), [0.0; 4], "{name}");
        }
    }
}
