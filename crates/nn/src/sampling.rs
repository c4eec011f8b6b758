//! Tokens drawn from a softmax on the device, by the Gumbel-max trick.
//!
//! ```text
//! argmax(logits / temperature + g),  g = −ln(−ln u),  u uniform in (0, 1)
//! ```
//!
//! is distributed as softmax(logits / temperature) (Maddison et al. 2014, "A* Sampling", section 2):
//! one pass over the logits, fixed shapes, and nothing is read back to the host.

use burn::tensor::{Distribution, IndexingUpdateOp, Int, IntDType, Tensor, assert_shape};

use crate::{fused, untracked, widened};

/// What a disallowed token's logit loses (google-research/electra, `sample_from_softmax`): no noise
/// makes up for it.
const DISALLOWED: f64 = -1000.0;

/// One token for every row, drawn from softmax(`logits` / `temperature`). No gradient flows through.
///
/// What is drawn is a function of the device's generator: seed it before ([`Device::seed`]).
///
/// # Shapes
/// - `logits`: `[n, vocab_size]`
/// - `disallowed`: `[n]`, a token for each row that shall not be drawn
/// - returns `[n]`, of the device's own integer type
///
/// # Panics
/// If those shapes do not hold: the caller's mistake.
///
/// [`Device::seed`]: burn::tensor::Device::seed
pub fn sample_tokens(
    logits: Tensor<2>,
    temperature: f64,
    disallowed: Option<Tensor<1, Int>>,
) -> Tensor<1, Int> {
    let [n, _] = logits.dims();
    let logits = widened(untracked(logits));
    let mut scores = if temperature == 1.0 {
        logits
    } else {
        logits.div_scalar(temperature)
    };
    if let Some(disallowed) = disallowed {
        assert_shape!(disallowed, [n]);
        let lost = Tensor::full([n, 1], DISALLOWED, &scores.device());
        let columns = disallowed.reshape([n, 1]);
        scores = scores.scatter(1, columns, lost, IndexingUpdateOp::Add);
    }
    fused::gumbel_argmax(scores)
}

/// One token for every row, each of `vocab_size` as likely as the others.
///
/// # Shapes
/// - `disallowed`: `[n]`, a token for each row that shall not be drawn
/// - returns `[n]`, of the integer type of `like`
///
/// # Panics
/// If those shapes do not hold: the caller's mistake.
pub fn sample_uniform_tokens(
    like: &Tensor<1, Int>,
    vocab_size: usize,
    disallowed: Option<Tensor<1, Int>>,
) -> Tensor<1, Int> {
    let [n] = like.dims();
    let device = like.device();
    // Leaving one out and moving up those behind it.
    let choices = vocab_size - usize::from(disallowed.is_some() && vocab_size > 1);
    let uniform = Tensor::<1>::random([n], Distribution::Uniform(0.0, 1.0), &device);
    let drawn = uniform
        .mul_scalar(choices as f64)
        .floor()
        // A product just below the number of choices may round up to it.
        .clamp(0.0, choices as f64 - 1.0)
        .int()
        .cast(IntDType::from(like.dtype()));
    match disallowed {
        Some(disallowed) if vocab_size > 1 => {
            assert_shape!(disallowed, [n]);
            let is_behind = drawn.clone().greater_equal(disallowed);
            drawn + is_behind.int().cast(IntDType::from(like.dtype()))
        }
        _ => drawn,
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use kiln_testing::{devices, lock_generator};

    use super::*;

    const DRAWS: usize = 100_000;

    fn draw(
        logits: &[f32],
        temperature: f64,
        disallowed: Option<i32>,
        device: &Device,
    ) -> Vec<usize> {
        let rows = TensorData::new(logits.repeat(DRAWS), [DRAWS, logits.len()]);
        let rows = Tensor::<2>::from_data(rows, device);
        let disallowed = disallowed
            .map(|token| Tensor::from_data(TensorData::new(vec![token; DRAWS], [DRAWS]), device));
        let drawn = sample_tokens(rows, temperature, disallowed);
        counts(drawn, logits.len())
    }

    fn counts(drawn: Tensor<1, Int>, vocab_size: usize) -> Vec<usize> {
        let mut counts = vec![0; vocab_size];
        for token in drawn.try_into_vec_as::<i32>().unwrap() {
            counts[token as usize] += 1;
        }
        counts
    }

    /// Pearson's statistic against the softmax of the scores.
    fn chi_squared(counts: &[usize], scores: &[f64]) -> f64 {
        let total: f64 = scores.iter().map(|score| score.exp()).sum();
        let draws: usize = counts.iter().sum();
        let terms = counts.iter().zip(scores).map(|(&count, score)| {
            let expected = draws as f64 * score.exp() / total;
            (count as f64 - expected).powi(2) / expected
        });
        terms.sum()
    }

    /// The seeds are fixed, so this either holds or not; above 27.9 (nine degrees of freedom) a
    /// right sampler would be with probability 0.001.
    #[test]
    fn samples_follow_the_softmax_at_every_temperature() {
        let _guard = lock_generator();
        let logits = [0.0, 1.0, -1.0, 2.0, 0.5, -0.5, 1.5, -2.0, 0.2, 3.0];
        for (name, device) in devices() {
            for (seed, temperature) in [(1, 1.0), (2, 0.5), (3, 2.0)] {
                kiln_backend::seed(&device, seed);
                let counts = draw(&logits.map(|x| x as f32), temperature, None, &device);
                let scores = logits.map(|logit| logit / temperature);
                let statistic = chi_squared(&counts, &scores);
                assert!(statistic < 27.9, "{name} at {temperature}: {statistic}");
                // Noise added after the softmax, or temperature in the wrong place, shows at once.
                let other = logits.map(|logit| logit / (temperature * 1.1));
                assert!(chi_squared(&counts, &other) > 27.9, "{name}");
            }
        }
    }

    #[test]
    fn a_disallowed_token_is_never_drawn_and_the_others_keep_their_shares() {
        let _guard = lock_generator();
        let logits = [0.0, 4.0, 1.0, 2.0];
        for (name, device) in devices() {
            kiln_backend::seed(&device, 4);
            let mut counts = draw(&logits.map(|x| x as f32), 1.0, Some(1), &device);
            assert_eq!(counts.remove(1), 0, "{name}");
            let statistic = chi_squared(&counts, &[0.0, 1.0, 2.0]);
            // Two degrees of freedom: above 13.8 with probability 0.001.
            assert!(statistic < 13.8, "{name}: {statistic}");
        }
    }

    #[test]
    fn uniform_samples_are_uniform_over_all_that_is_allowed() {
        let _guard = lock_generator();
        for (name, device) in devices() {
            let like = Tensor::<1, Int>::zeros([DRAWS], &device);
            kiln_backend::seed(&device, 5);
            let all = counts(sample_uniform_tokens(&like, 10, None), 10);
            assert!(chi_squared(&all, &[0.0; 10]) < 27.9, "{name}: {all:?}");
            let disallowed = like.full_like(3);
            let mut some = counts(sample_uniform_tokens(&like, 11, Some(disallowed)), 11);
            assert_eq!(some.remove(3), 0);
            assert!(chi_squared(&some, &[0.0; 10]) < 27.9, "{name}: {some:?}");
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_tokens_and_another_one_others() {
        let _guard = lock_generator();
        for (name, device) in devices() {
            let drawn = |seed| {
                kiln_backend::seed(&device, seed);
                let logits = Tensor::<2>::zeros([50, 100], &device);
                let drawn = sample_tokens(logits, 1.0, None);
                drawn.try_into_vec_as::<i32>().unwrap()
            };
            assert_eq!(drawn(1), drawn(1), "{name}");
            assert_ne!(drawn(1), drawn(2), "{name}");
        }
    }
}
