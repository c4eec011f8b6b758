//! Random numbers as a function of their address: the same (seed, purpose, index) always gives the
//! same draws, on every machine and in every order of asking.
//!
//! ChaCha8 is specified and portable, so a run repeats on another computer and after an upgrade of
//! any library; nothing here keeps state between two addresses.

use chacha20::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng};

/// What a stream of random numbers is for: two purposes never share draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// The order in which an epoch visits its examples.
    Order = 1,
    /// Which sentences make an example.
    Examples = 2,
    /// Which tokens are masked, and by what.
    Masking = 3,
    /// Initial values of parameters.
    Initialisation = 4,
    /// The seed handed to a device for dropout and sampling.
    Device = 5,
    /// Held-out documents.
    Split = 6,
    /// The part of a text that a tokenizer is trained on.
    Sample = 7,
    /// Which examples a resample of scores draws, and which of two runs' answers change places.
    Resample = 8,
    /// The order of the batches that a stretch of an epoch is cut into.
    Batches = 9,
}

/// A stream of random numbers found by its address.
#[derive(Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// The stream at (`seed`, `purpose`, `a`, `b`), e.g. (seed, masking, epoch, example).
    pub fn at(seed: u64, purpose: Purpose, a: u64, b: u64) -> Self {
        let mut key = [0; 32];
        for (slot, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, a, b]) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform over all 64-bit numbers.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1), in steps of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Uniform in `0..n`, without bias (Lemire 2019, "Fast Random Integer Generation in an
    /// Interval"). `n` = 0 gives 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let threshold = n.wrapping_neg() % n;
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(n);
            if wide as u64 >= threshold {
                return (wide >> 64) as u64;
            }
        }
    }

    /// Puts `items` into a uniformly random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// A random order of `0..len` in which any place is found without making the others.
///
/// A four-round Feistel network over the next power of four, walked until the result is below
/// `len` (Black and Rogaway 2002, "Ciphers with Arbitrary Finite Domains"): at most four walks are
/// expected, and no table is kept, however long the corpus.
#[derive(Debug, Clone)]
pub struct Permutation {
    len: u64,
    half_bits: u32,
    keys: [u64; 4],
}

impl Permutation {
    /// The order that epoch `epoch` uses under `seed`.
    pub fn new(seed: u64, epoch: u64, len: u64) -> Self {
        let mut rng = Rng::at(seed, Purpose::Order, epoch, len);
        let bits = u64::BITS - len.saturating_sub(1).leading_zeros();
        Self {
            len,
            half_bits: bits.div_ceil(2).max(1),
            keys: std::array::from_fn(|_| rng.next_u64()),
        }
    }

    /// What stands at `index` of the permutation.
    ///
    /// # Panics
    /// If `index` is not below the length: the caller's mistake.
    pub fn at(&self, index: u64) -> u64 {
        assert!(
            index < self.len,
            "index {index} in an order of {}",
            self.len
        );
        let mut value = index;
        loop {
            value = self.encrypt(value);
            if value < self.len {
                return value;
            }
        }
    }

    fn encrypt(&self, value: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for key in self.keys {
            let mixed = mix(right ^ key) & mask;
            (left, right) = (right, left ^ mixed);
        }
        (left << self.half_bits) | right
    }
}

/// The finaliser of SplitMix64 (Steele et al. 2014): every input bit reaches every output bit.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gives_the_same_draws_and_another_address_others() {
        let draw = |a, b| Rng::at(7, Purpose::Masking, a, b).next_u64();
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(2, 1));
        assert_ne!(draw(1, 2), Rng::at(7, Purpose::Examples, 1, 2).next_u64());
    }

    #[test]
    fn a_permutation_visits_every_place_once() {
        for len in [1, 2, 3, 5, 16, 17, 1000, 4097] {
            let order = Permutation::new(3, 1, len);
            let mut seen: Vec<u64> = (0..len).map(|index| order.at(index)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..len).collect::<Vec<_>>());
        }
    }

    #[test]
    fn two_epochs_have_two_orders() {
        let first = Permutation::new(3, 0, 100);
        let second = Permutation::new(3, 1, 100);
        assert!((0..100).any(|index| first.at(index) != second.at(index)));
    }

    #[test]
    fn places_of_a_permutation_are_uniform() {
        // Chi-squared with 9 degrees of freedom: above 27.9 has probability 0.001, and the seed
        // is fixed.
        let mut counts = [0u32; 10];
        for seed in 0..10_000 {
            counts[Permutation::new(seed, 0, 10).at(4) as usize] += 1;
        }
        let statistic: f64 = counts
            .iter()
            .map(|&c| (f64::from(c) - 1000.0).powi(2) / 1000.0)
            .sum();
        assert!(statistic < 27.9, "{counts:?}");
    }
}
