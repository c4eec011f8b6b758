//! What is drawn at random: a number for each place, from a key alone.

use rayon::prelude::*;

use super::blocks::BLOCK;
use super::math::{LANES, exp, highest, ln, vectorised};

/// Numbers in [0, 1) that make a key: 24 bits each.
pub(super) const KEY_WORDS: usize = 4;

/// Which entries are dropped: it depends on the key and the place alone, so backward draws it again and
/// nothing of the input's size is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drops {
    key: u64,
    factor: f32,
    below: u32,
}

impl Drops {
    /// Each entry with probability `prob`.
    pub(super) fn new(key: &[f32], prob: f64) -> Self {
        Self {
            key: key_of(key),
            factor: (1.0 / (1.0 - prob)) as f32,
            below: (prob * 2f64.powi(32)) as u32,
        }
    }

    /// Zero for the dropped ones, x/(1 − prob) for the others, of a tensor's entries from `place` on.
    #[inline(always)]
    pub(super) fn apply(&self, mut place: usize, mut values: &mut [f32]) {
        while !values.is_empty() {
            let (block, first) = (place / BLOCK, place % BLOCK);
            let count = values.len().min(BLOCK - first);
            let (now, rest) = values.split_at_mut(count);
            let key = mix64(self.key ^ mix64(block as u64));
            let (low, high) = (key as u32, (key >> 32) as u32);
            for (index, value) in now.iter_mut().enumerate() {
                let index = first as u32 + index as u32;
                let drawn = mix32((index ^ low).wrapping_mul(0x9e37_79b9)) ^ high;
                let drawn = mix32(drawn);
                *value = if drawn < self.below {
                    0.0
                } else {
                    *value * self.factor
                };
            }
            (place, values) = (place + count, rest);
        }
    }
}

/// Drops some of the entries.
pub(super) fn dropout(values: &mut [f32], drops: &Drops) {
    let blocks = values.par_chunks_mut(BLOCK).enumerate();
    blocks.for_each(|(block, values)| vectorised!(drops.apply(block * BLOCK, values)));
}

/// For each row the place of the largest score after Gumbel noise is added.
///
/// score + g with g = −ln E, E exponential, is largest where e^score/E is: one logarithm an entry
/// instead of two. What is drawn depends on the key and the place alone.
pub(super) fn gumbel_argmax(scores: &[f32], classes: usize, key: &[f32]) -> Vec<i32> {
    let key = key_of(key);
    let rows = scores.par_chunks_exact(classes.max(1)).enumerate();
    let drawn = rows.map(|(row, scores)| {
        vectorised!({
            let key = mix64(key ^ mix64(row as u64));
            let (low, high) = (key as u32, (key >> 32) as u32);
            let highest = highest(scores);
            let race = |index: u32, score: f32| {
                let drawn = mix32((index ^ low).wrapping_mul(0x9e37_79b9)) ^ high;
                // 23 bits and half a step, which is exact: never 0, never 1.
                let uniform = ((mix32(drawn) >> 9) as i32 as f32 + 0.5) * (1.0 / 8_388_608.0);
                exp(score - highest) / -ln(uniform)
            };
            let (mut best, mut at) = ([-1.0f32; LANES], [0u32; LANES]);
            let (blocks, rest) = scores.as_chunks::<LANES>();
            for (block, scores) in blocks.iter().enumerate() {
                for lane in 0..LANES {
                    let index = (block * LANES + lane) as u32;
                    let value = race(index, scores[lane]);
                    let is_better = value > best[lane];
                    best[lane] = if is_better { value } else { best[lane] };
                    at[lane] = if is_better { index } else { at[lane] };
                }
            }
            let mut winner = (-1.0f32, 0u32);
            let lanes = best.into_iter().zip(at);
            let rest = (blocks.len() * LANES..)
                .zip(rest)
                .map(|(index, &score)| (race(index as u32, score), index as u32));
            for (value, index) in lanes.chain(rest) {
                if value > winner.0 {
                    winner = (value, index);
                }
            }
            winner.1 as i32
        })
    });
    drawn.collect()
}

/// The key's numbers as 64 bits.
fn key_of(numbers: &[f32]) -> u64 {
    numbers.iter().fold(0, |key, &number| {
        mix64(key ^ (f64::from(number) * 2f64.powi(32)) as u64)
    })
}

/// The finaliser of SplitMix64 (Steele et al. 2014).
fn mix64(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The 32-bit finaliser of MurmurHash3 (Appleby 2008): every bit reaches every other.
#[inline(always)]
fn mix32(value: u32) -> u32 {
    let value = (value ^ (value >> 16)).wrapping_mul(0x85eb_ca6b);
    let value = (value ^ (value >> 13)).wrapping_mul(0xc2b2_ae35);
    value ^ (value >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_does_not_depend_on_where_a_slice_begins() {
        let drops = Drops::new(&[0.25, 0.5, 0.125, 0.75], 0.3);
        let mut whole = vec![1.0; 3 * BLOCK];
        dropout(&mut whole, &drops);
        // Within a block, up to its end, over two ends.
        for (start, len) in [(7, 100), (BLOCK - 5, 5), (BLOCK - 9, BLOCK + 20), (3, 0)] {
            let mut part = vec![1.0; len];
            drops.apply(start, &mut part);
            assert_eq!(part, whole[start..start + len], "{len} from {start}");
        }
    }

    #[test]
    fn entries_are_dropped_independently_of_their_neighbours_and_of_other_keys() {
        let count = 1_000_000;
        let drawn = |key: [f32; KEY_WORDS]| -> Vec<f64> {
            let mut output = vec![1.0; count];
            dropout(&mut output, &Drops::new(&key, 0.5));
            output
                .into_iter()
                .map(|value| f64::from(value) - 1.0)
                .collect()
        };
        let key = [0.25, 0.5, 0.125, 0.75];
        let signs = drawn(key);
        let correlation =
            |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / count as f64;
        // Sums of a million products of signs: five standard errors are 0.005.
        for lag in [1, 2, 3, 7, 16, 64, 128, 256, 1000, 16_384, 65_536] {
            let found = correlation(&signs, &signs[lag..]);
            assert!(found.abs() < 0.005, "lag {lag}: {found}");
        }
        for word in 0..KEY_WORDS {
            let mut other = key;
            other[word] += 1.0 / (1u32 << 24) as f32;
            let found = correlation(&signs, &drawn(other));
            assert!(found.abs() < 0.005, "key word {word}: {found}");
        }
        let share = signs.iter().filter(|sign| **sign < 0.0).count() as f64 / count as f64;
        assert!((share - 0.5).abs() < 0.0025, "share {share}");
    }
}
