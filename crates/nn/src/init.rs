//! Initial values of parameters, drawn on the host.
//!
//! Burn draws a parameter on its device when it is first used, so its values depend on the backend
//! and on who reads first. Here tensor number k of a model, in the order of construction, is filled
//! from stream k of a specified generator (ChaCha8): the same seed gives the same weights on every
//! backend, with any number of threads.
//!
//! The distribution is the original BERT's: normal with standard deviation `initializer_range`,
//! redrawn beyond two standard deviations; biases zero; LayerNorm gain one and bias zero.

use burn::module::Param;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::{Device, Shape, Tensor, TensorData};
use chacha20::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng};
use rayon::prelude::*;

use crate::LayerNorm;

/// Values drawn from one stream; part of the definition of a seed's weights.
const CHUNK: usize = 1 << 14;

/// Keeps these streams apart from any other use of the same seed.
const PURPOSE: u64 = u64::from_le_bytes(*b"kiln-nn\0");

/// The original draws again beyond this many standard deviations.
const TRUNCATION: f64 = 2.0;

/// How weights are drawn; biases are zero in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightDistribution {
    /// Normal, redrawn beyond two standard deviations: the original code of BERT and ELECTRA.
    TruncatedNormal,
    /// Normal: Hugging Face's classes.
    Normal,
}

/// Makes layers and remembers how many tensors it has drawn.
#[derive(Debug)]
pub struct Init {
    device: Device,
    weights: Weights,
    drawn: u64,
}

#[derive(Debug, Clone, Copy)]
enum Weights {
    Zeros,
    Drawn {
        seed: u64,
        standard_deviation: f64,
        distribution: WeightDistribution,
    },
}

impl Init {
    /// Weights from a truncated normal distribution of standard deviation `initializer_range`.
    pub fn new(seed: u64, initializer_range: f64, device: &Device) -> Self {
        Self::with_distribution(
            seed,
            initializer_range,
            WeightDistribution::TruncatedNormal,
            device,
        )
    }

    /// Weights from `distribution` with standard deviation `initializer_range`.
    pub fn with_distribution(
        seed: u64,
        initializer_range: f64,
        distribution: WeightDistribution,
        device: &Device,
    ) -> Self {
        Self {
            device: device.clone(),
            weights: Weights::Drawn {
                seed,
                standard_deviation: initializer_range,
                distribution,
            },
            drawn: 0,
        }
    }

    /// Weights all zero: for a model whose weights are read from a file next.
    pub fn zeros(device: &Device) -> Self {
        Self {
            device: device.clone(),
            weights: Weights::Zeros,
            drawn: 0,
        }
    }

    /// Where the layers are made.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A linear layer: weight `[inputs, outputs]` drawn, bias `[outputs]` zero.
    pub fn linear(&mut self, inputs: usize, outputs: usize) -> Linear {
        // The configuration gives the layer its shape; its lazy values are never made.
        let mut linear = LinearConfig::new(inputs, outputs).init(&self.device);
        linear.weight = self.parameter([inputs, outputs]);
        linear.bias = Some(self.filled([outputs], 0.0));
        linear
    }

    /// A linear layer without a bias: weight `[inputs, outputs]` drawn.
    pub fn linear_without_bias(&mut self, inputs: usize, outputs: usize) -> Linear {
        let mut linear = LinearConfig::new(inputs, outputs)
            .with_bias(false)
            .init(&self.device);
        linear.weight = self.parameter([inputs, outputs]);
        linear
    }

    /// A table of `rows` vectors: weight `[rows, size]` drawn.
    pub fn embedding(&mut self, rows: usize, size: usize) -> Embedding {
        let mut embedding = EmbeddingConfig::new(rows, size).init(&self.device);
        embedding.weight = self.parameter([rows, size]);
        embedding
    }

    /// A normalisation over the last axis of `size`: gain one, bias zero.
    pub fn layer_norm(&mut self, size: usize, epsilon: f64) -> LayerNorm {
        LayerNorm::new(size, epsilon, &self.device)
    }

    /// A lone parameter of any shape, drawn like a weight.
    pub fn parameter<const D: usize>(&mut self, shape: [usize; D]) -> Param<Tensor<D>> {
        let standard_deviation = match self.weights {
            Weights::Zeros => 0.0,
            Weights::Drawn {
                standard_deviation, ..
            } => standard_deviation,
        };
        self.parameter_with(shape, standard_deviation)
    }

    /// A lone parameter of any shape, drawn with a standard deviation of its own.
    pub fn parameter_with<const D: usize>(
        &mut self,
        shape: [usize; D],
        standard_deviation: f64,
    ) -> Param<Tensor<D>> {
        let tensor = match self.weights {
            Weights::Zeros => Tensor::zeros(shape, &self.device),
            Weights::Drawn {
                seed, distribution, ..
            } => {
                let shape = Shape::from(shape);
                let values = draw(
                    [seed, self.drawn],
                    shape.num_elements(),
                    standard_deviation,
                    distribution,
                );
                Tensor::from_data(TensorData::new(values, shape), &self.device)
            }
        };
        self.drawn += 1;
        Param::from_tensor(tensor)
    }

    /// A lone parameter with one value everywhere, e.g. a bias of zeros.
    pub fn filled<const D: usize>(&mut self, shape: [usize; D], value: f64) -> Param<Tensor<D>> {
        Param::from_tensor(Tensor::full(shape, value, &self.device))
    }
}

/// `len` values of the stream (seed, tensor), chunk by chunk, each chunk a stream of its own.
fn draw(
    [seed, tensor]: [u64; 2],
    len: usize,
    standard_deviation: f64,
    distribution: WeightDistribution,
) -> Vec<f32> {
    let limit = match distribution {
        WeightDistribution::TruncatedNormal => TRUNCATION,
        WeightDistribution::Normal => f64::INFINITY,
    };
    let mut values = vec![0.0f32; len];
    values
        .par_chunks_mut(CHUNK)
        .enumerate()
        .for_each(|(chunk, values)| {
            let mut normal = Normal::at([seed, tensor, chunk as u64, PURPOSE]);
            for value in values {
                *value = (standard_deviation * normal.next_within(limit)) as f32;
            }
        });
    values
}

/// Standard normal numbers by Marsaglia's polar method (Marsaglia and Bray 1964).
///
/// The logarithm is libm's in Rust, not the platform's, so that every machine draws the same bits.
struct Normal {
    generator: ChaCha8Rng,
    spare: Option<f64>,
}

impl Normal {
    fn at(address: [u64; 4]) -> Self {
        let mut key = [0; 32];
        for (slot, word) in key.chunks_exact_mut(8).zip(address) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        Self {
            generator: ChaCha8Rng::from_seed(key),
            spare: None,
        }
    }

    fn next_within(&mut self, limit: f64) -> f64 {
        loop {
            let value = self.next();
            if value.abs() <= limit {
                return value;
            }
        }
    }

    fn next(&mut self) -> f64 {
        if let Some(value) = self.spare.take() {
            return value;
        }
        loop {
            let (x, y) = (self.symmetric(), self.symmetric());
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let factor = (-2.0 * libm::log(square) / square).sqrt();
                self.spare = Some(y * factor);
                return x * factor;
            }
        }
    }

    /// Uniform in [-1, 1), in steps of 2^-52.
    fn symmetric(&mut self) -> f64 {
        (self.generator.next_u64() >> 11) as f64 * (1.0 / (1u64 << 52) as f64) - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_do_not_depend_on_the_number_of_threads() {
        let drawn = |threads| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap()
                .install(|| draw([7, 3], 100_000, 0.02, WeightDistribution::TruncatedNormal))
        };
        assert_eq!(drawn(1), drawn(3));
    }

    #[test]
    fn another_seed_or_another_tensor_draws_other_weights() {
        let drawn = |address| draw(address, 8, 1.0, WeightDistribution::Normal);
        assert_ne!(drawn([1, 2]), drawn([2, 1]));
        assert_ne!(drawn([1, 2]), drawn([1, 3]));
    }

    #[test]
    fn a_truncated_normal_has_its_moments_and_stays_within_two_deviations() {
        let values = draw([1, 0], 1_000_000, 0.02, WeightDistribution::TruncatedNormal);
        let (mean, deviation) = moments(&values);
        // The standard deviation of a normal cut at two of its own is 0.8796 of it. Bounds: four
        // standard errors of a mean and of a deviation over a million draws.
        assert!(mean.abs() < 4.0 * 0.0176 / 1e3, "mean {mean}");
        assert!((deviation - 0.02 * 0.879_626).abs() < 5e-5, "{deviation}");
        assert!(values.iter().all(|value| value.abs() <= 0.04));
    }

    #[test]
    fn a_plain_normal_has_its_moments() {
        let values = draw([1, 0], 1_000_000, 1.0, WeightDistribution::Normal);
        let (mean, deviation) = moments(&values);
        // Four standard errors: 1 / 1000 for the mean, 1 / sqrt(2 million) for the deviation.
        assert!(mean.abs() < 4e-3, "mean {mean}");
        assert!((deviation - 1.0).abs() < 2.9e-3, "{deviation}");
        // Beyond two deviations lie 4.55 %; four standard errors of that share are 0.083 %.
        let beyond = values.iter().filter(|value| value.abs() > 2.0).count() as f64 / 1e6;
        assert!((beyond - 0.0455).abs() < 8.4e-4, "{beyond}");
    }

    #[test]
    fn biases_are_zero_gains_one_and_everything_is_a_leaf() {
        for (_, device) in kiln_testing::devices() {
            let device = device.autodiff();
            let mut init = Init::new(1, 0.02, &device);
            let linear = init.linear(3, 2);
            let norm = init.layer_norm(2, 1e-12);
            let bias = linear.bias.as_ref().unwrap();
            assert_eq!(bias.val().try_into_vec_as::<f32>().unwrap(), vec![0.0; 2]);
            let gain = norm.gamma.val().try_into_vec_as::<f32>().unwrap();
            assert_eq!(gain, vec![1.0; 2]);
            for tensor in [bias.val(), norm.gamma.val(), norm.beta.val()] {
                assert!(tensor.is_require_grad());
            }
            assert!(linear.weight.val().is_require_grad());
        }
    }

    fn moments(values: &[f32]) -> (f64, f64) {
        let count = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let variance = values
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / count;
        (mean, variance.sqrt())
    }
}
