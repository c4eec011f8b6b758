//! Relative positions: how far a key stands behind or before a query, as sines and cosines.
//!
//! Dai et al. 2019 (Transformer-XL), section 3.3: nothing is learned about a distance but the
//! projection of its vector,
//!
//! ```text
//! vector(p) = [sin(p·f_0), …, sin(p·f_(D/2-1)), cos(p·f_0), …]     f_t = 10000^(-2t/D)
//! ```
//!
//! with p the query's position less the key's, memory counted. Queries are taken in chunks: the
//! products with all rows that any of them needs are then never larger than the scores themselves.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use kiln_nn::{Cached, RelativeIndex};

use crate::config::{AttentionType, XlnetConfig};

/// Queries of one chunk at most.
const CHUNK: usize = 128;

/// What of a configuration decides about distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rules {
    d_model: usize,
    attn_type: AttentionType,
    clamp_len: Option<i64>,
    bi_data: bool,
}

/// Makes the tables of distances, and keeps those made last: in training every step asks for the same.
#[derive(Debug, Clone)]
pub struct RelativePositions {
    rules: Rules,
    /// By the lengths of sequence and memory.
    tables: Cached<[usize; 2], PositionTable>,
}

/// The vectors of all distances that occur in one forward pass.
#[derive(Debug, Clone)]
pub struct PositionTable {
    /// `[1, rows, d_model]`, or `[2, rows, d_model]` where the second half of the batch reads
    /// backwards; row 0 is the lowest distance's. Before dropout.
    pub vectors: Tensor<3>,
    /// Which rows each chunk of the content stream's queries needs.
    pub chunks: Vec<QueryChunk>,
    /// Which row stands for each of all queries and keys.
    pub index: RelativeIndex,
}

/// Some of the queries, one after another.
#[derive(Debug, Clone)]
pub struct QueryChunk {
    /// Which of them, counted without memory.
    pub queries: Range<usize>,
    /// The rows of the table that they need.
    pub rows: Range<usize>,
    /// Which of those rows stands for each query and key.
    pub index: RelativeIndex,
}

impl RelativePositions {
    /// A maker of tables for a model of `config`.
    pub fn new(config: &XlnetConfig) -> Self {
        Self {
            rules: Rules {
                d_model: config.d_model,
                attn_type: config.attn_type,
                clamp_len: config.clamp_len(),
                bi_data: config.bi_data,
            },
            tables: Cached::default(),
        }
    }

    /// Whether the second half of a batch reads backwards.
    pub fn has_two_directions(&self) -> bool {
        self.rules.bi_data
    }

    /// The table for `seq_len` queries behind `mem_len` hidden states of a memory.
    pub fn table(&self, seq_len: usize, mem_len: usize, device: &Device) -> PositionTable {
        let make = || self.make(seq_len, mem_len, device);
        self.tables.get([seq_len, mem_len], device, make)
    }

    fn make(&self, seq_len: usize, mem_len: usize, device: &Device) -> PositionTable {
        let key_len = mem_len + seq_len;
        // The highest distance is that of the last query to the first key.
        let distances = self.lowest(seq_len)..key_len as i64;
        let row = |distance: i64| (distance.max(distances.start) - distances.start) as usize;
        let directions = if self.rules.bi_data { 2 } else { 1 };
        let shape = [directions, row(distances.end), self.rules.d_model];
        let vectors = TensorData::new(self.vectors(&distances), shape);
        PositionTable {
            vectors: Tensor::from_data(vectors, device),
            chunks: self.chunks(seq_len, mem_len, row, device),
            index: RelativeIndex::new(seq_len, key_len, mem_len, row, device),
        }
    }

    /// The lowest distance that a visible key can have.
    fn lowest(&self, seq_len: usize) -> i64 {
        match self.rules.attn_type {
            AttentionType::Bi => 1 - seq_len as i64,
            // What lies ahead is hidden: any row will do for it.
            AttentionType::Uni => 0,
        }
    }

    fn chunks(
        &self,
        seq_len: usize,
        mem_len: usize,
        row: impl Fn(i64) -> usize,
        device: &Device,
    ) -> Vec<QueryChunk> {
        // Two at least: half the queries with their distances to all keys are less than the scores.
        let count = seq_len.div_ceil(CHUNK).max(2).min(seq_len.max(1));
        let at = |chunk: usize| seq_len * chunk / count;
        let key_len = mem_len + seq_len;
        let chunk = |number| {
            let queries = at(number)..at(number + 1);
            let first_query = mem_len + queries.start;
            let first_row = row(first_query as i64 - (key_len as i64 - 1));
            let last_row = row((mem_len + queries.end) as i64 - 1);
            QueryChunk {
                rows: first_row..last_row + 1,
                index: RelativeIndex::new(
                    queries.len(),
                    key_len,
                    first_query,
                    |distance| row(distance) - first_row,
                    device,
                ),
                queries,
            }
        };
        (0..count).map(chunk).collect()
    }

    /// The vectors of all distances, lowest first, forwards and then, if there are two directions,
    /// backwards: flat `[1 or 2, rows, d_model]`.
    fn vectors(&self, distances: &Range<i64>) -> Vec<f32> {
        let Rules {
            d_model,
            clamp_len,
            bi_data,
            ..
        } = self.rules;
        let frequencies = frequencies(d_model);
        let signs: &[i64] = if bi_data { &[1, -1] } else { &[1] };
        let mut vectors = Vec::new();
        for sign in signs {
            for distance in distances.clone() {
                let position = match clamp_len {
                    Some(limit) => (sign * distance).clamp(-limit, limit),
                    None => sign * distance,
                };
                // In single precision up to here, as PyTorch and TensorFlow compute it.
                let angles = frequencies
                    .iter()
                    .map(|frequency| f64::from(position as f32 * frequency));
                vectors.extend(angles.clone().map(|angle| libm::sin(angle) as f32));
                vectors.extend(angles.map(|angle| libm::cos(angle) as f32));
            }
        }
        vectors
    }
}

/// f_t, half as many as the width, rounded where PyTorch rounds.
fn frequencies(d_model: usize) -> Vec<f32> {
    let exponents = (0..d_model).step_by(2);
    let exponents = exponents.map(|even| even as f32 / d_model as f32);
    exponents
        .map(|exponent| 1.0 / libm::pow(10_000.0, f64::from(exponent)) as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(json: &str) -> RelativePositions {
        let config: XlnetConfig = serde_json::from_str(json).unwrap();
        RelativePositions::new(&config)
    }

    #[test]
    fn distance_zero_is_sines_of_zero_and_then_cosines() {
        let found = positions(r#"{"d_model":6}"#).vectors(&(0..1));
        assert_eq!(found, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn backwards_a_distance_has_the_vector_of_its_opposite() {
        let found = positions(r#"{"d_model":4,"bi_data":true}"#).vectors(&(-3..4));
        let (forwards, backwards) = found.split_at(7 * 4);
        for row in 0..7 {
            let opposite = 6 - row;
            assert_eq!(
                forwards[row * 4..row * 4 + 4],
                backwards[opposite * 4..opposite * 4 + 4]
            );
        }
    }

    #[test]
    fn distances_beyond_the_limit_are_the_limit() {
        let found = positions(r#"{"d_model":4,"clamp_len":2}"#).vectors(&(-4..5));
        let row = |distance: i64| {
            let start = (distance + 4) as usize * 4;
            found[start..start + 4].to_vec()
        };
        assert_eq!(row(-4), row(-2));
        assert_eq!(row(4), row(2));
        assert_ne!(row(2), row(1));
    }

    #[test]
    fn chunks_cover_all_queries_once_and_are_never_wider_than_the_scores() {
        let device = kiln_testing::devices().remove(0).1;
        for (seq_len, mem_len) in [
            (1, 0),
            (1, 5),
            (2, 0),
            (7, 3),
            (64, 64),
            (300, 0),
            (512, 384),
        ] {
            for json in [r#"{"d_model":4}"#, r#"{"d_model":4,"attn_type":"uni"}"#] {
                let table = positions(json).table(seq_len, mem_len, &device);
                let key_len = seq_len + mem_len;
                let mut next = 0;
                for chunk in &table.chunks {
                    assert_eq!(chunk.queries.start, next);
                    next = chunk.queries.end;
                    assert!(chunk.rows.end <= table.vectors.dims()[1]);
                    assert!(
                        chunk.queries.len() * chunk.rows.len() <= seq_len * key_len,
                        "{seq_len} {mem_len} {chunk:?}"
                    );
                }
                assert_eq!(next, seq_len);
            }
        }
    }

    #[test]
    fn a_table_is_that_of_both_its_lengths() {
        let values =
            |table: PositionTable| -> Vec<f32> { table.vectors.try_into_vec_as().unwrap() };
        for (name, device) in kiln_testing::devices() {
            let positions = positions(r#"{"d_model":4}"#);
            let short = values(positions.table(3, 2, &device));
            let again = values(positions.clone().table(3, 2, &device));
            assert_eq!(short, again, "{name}");
            // As long together, but queries begin elsewhere.
            let other = positions.table(2, 3, &device);
            assert_eq!(other.chunks.len(), 2, "{name}");
            assert_ne!(values(other), short, "{name}");
        }
    }
}
