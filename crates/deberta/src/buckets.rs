//! Which relative embedding stands for a distance between two tokens.
//!
//! He et al. 2021 (DeBERTa), equation 3, with v2's logarithmic buckets: distances up to half the
//! number of buckets have a row each, those beyond share rows, ever more of them. Where the largest
//! distance lies below half the number of buckets, the logarithm that divides is negative, and
//! buckets fall again with the distance: such models are published, and read as in Hugging Face.

use std::ops::Range;

use crate::config::DebertaConfig;

/// Maps distances, query's position less key's, to rows of the table of relative embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelativePositions {
    span: usize,
    buckets: Option<LogBuckets>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LogBuckets {
    buckets: usize,
    max_relative_positions: usize,
}

impl RelativePositions {
    /// The map that a configuration has.
    pub fn new(config: &DebertaConfig) -> Self {
        Self {
            span: config.span(),
            buckets: config.position_buckets().map(|buckets| LogBuckets {
                buckets,
                max_relative_positions: config.max_relative_positions(),
            }),
        }
    }

    /// The row of a distance, below 2 · span: δ of equation 3.
    pub fn row(&self, distance: i64) -> usize {
        let bucket = match self.buckets {
            Some(buckets) => buckets.of(distance),
            None => distance,
        };
        let span = self.span as i64;
        (bucket.saturating_add(span)).clamp(0, 2 * span - 1) as usize
    }

    /// The rows that distances within `seq_len` tokens reach, and those between them. Every other
    /// row of the table can stay out of the forward pass.
    pub fn reached(&self, seq_len: usize) -> Range<usize> {
        let farthest = seq_len.saturating_sub(1) as i64;
        if self.buckets.is_none_or(LogBuckets::grow) {
            return self.row(-farthest)..self.row(farthest) + 1;
        }
        let same = self.row(0);
        let rows = (-farthest..=farthest).map(|distance| self.row(distance));
        let (lowest, highest) = rows.fold((same, same), |(lowest, highest), row| {
            (lowest.min(row), highest.max(row))
        });
        lowest..highest + 1
    }
}

impl LogBuckets {
    /// Whether buckets grow with the distance.
    fn grow(self) -> bool {
        self.max_relative_positions > self.buckets / 2 + 1
    }

    /// The bucket of a distance; its sign is the distance's.
    fn of(self, distance: i64) -> i64 {
        let middle = (self.buckets / 2) as i64;
        let size = distance.abs();
        if size <= middle {
            return distance;
        }
        // In single precision step by step, as everywhere else: at the edge of a bucket a rounding
        // decides. The logarithm is libm's, so that it decides alike on every machine.
        let logarithm = |ratio: f32| libm::log(f64::from(ratio)) as f32;
        let middle_size = middle as f32;
        let share = logarithm(size as f32 / middle_size)
            / logarithm((self.max_relative_positions as f32 - 1.0) / middle_size);
        let beyond = (share * (middle - 1) as f32).ceil() as i64;
        distance.signum() * beyond.saturating_add(middle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(buckets: i64, max_relative_positions: i64) -> RelativePositions {
        RelativePositions::new(&DebertaConfig {
            position_buckets: Some(buckets),
            max_relative_positions,
            ..DebertaConfig::v2()
        })
    }

    fn bucket(positions: &RelativePositions, distance: i64) -> i64 {
        positions.buckets.unwrap().of(distance)
    }

    #[test]
    fn buckets_are_those_of_the_published_models() {
        let published = positions(256, 512);
        for (distance, expected) in [
            (0, 0),
            (1, 1),
            (128, 128),
            (129, 129),
            (135, 133),
            (160, 149),
            (200, 169),
            (256, 192),
            (300, 207),
            (400, 233),
            (510, 255),
            (511, 255),
        ] {
            assert_eq!(bucket(&published, distance), expected, "{distance}");
        }
        assert_eq!(published.row(511), 511);
        assert_eq!(published.row(-511), 1);
    }

    #[test]
    fn buckets_grow_with_the_distance_and_are_odd() {
        for (buckets, farthest) in [
            (256, 512),
            (32, 128),
            (64, 512),
            (8, 16),
            (256, 1024),
            (4, 64),
            (2, 9),
            (7, 50),
        ] {
            let positions = positions(buckets, farthest);
            for distance in 0..farthest {
                let found = bucket(&positions, distance);
                assert_eq!(bucket(&positions, -distance), -found);
                assert!(bucket(&positions, distance + 1) >= found, "{distance}");
                assert!(bucket(&positions, distance + 1) <= found + 1, "{distance}");
            }
        }
    }

    #[test]
    fn rows_beyond_the_span_are_the_outermost_and_only_reached_ones_are_named() {
        let plain = RelativePositions::new(&DebertaConfig {
            max_relative_positions: 5,
            ..DebertaConfig::v2()
        });
        let rows: Vec<usize> = (-7..8).map(|distance| plain.row(distance)).collect();
        assert_eq!(rows, [0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9]);
        assert_eq!(plain.reached(1), 5..6);
        assert_eq!(plain.reached(3), 3..8);
        assert_eq!(plain.reached(99), 0..10);
        assert_eq!(positions(256, 512).reached(128), 129..384);
        assert_eq!(positions(256, 512).reached(512), 1..512);
    }

    /// Distances below half the buckets have a row each; beyond it rows fall, and leave the table on
    /// the other side.
    #[test]
    fn with_a_largest_distance_below_half_the_buckets_rows_fall_beyond_it() {
        let short = positions(8, 4);
        let rows: Vec<usize> = (0..12).map(|distance| short.row(distance)).collect();
        assert_eq!(rows, [8, 9, 10, 11, 12, 10, 8, 7, 5, 4, 3, 2]);
        assert_eq!(short.reached(5), 4..13);
        assert_eq!(short.reached(6), 4..13);
        assert_eq!(short.reached(12), 2..15);
        // Published: 256 buckets for 128 positions.
        let published = positions(256, 128);
        assert_eq!(published.reached(129), 128..385);
        assert_eq!(published.reached(160), 0..512);
        for positions in [short, published] {
            for seq_len in [1, 2, 5, 9, 100, 131, 200] {
                let reached = positions.reached(seq_len);
                let farthest = seq_len as i64 - 1;
                let mut rows = (-farthest..=farthest).map(|distance| positions.row(distance));
                assert!(rows.all(|row| reached.contains(&row)), "{seq_len}");
            }
        }
    }

    /// A table larger than the distances it can tell apart has buckets nobody reaches; far beyond
    /// them nothing overflows.
    #[test]
    fn absurd_distances_have_a_row() {
        for positions in [positions(256, 128), positions(256, 129), positions(4, 2)] {
            for distance in [i64::from(i32::MAX), -i64::from(i32::MAX), 1 << 40] {
                assert!(positions.row(distance) < 2 * positions.span);
            }
        }
    }
}
