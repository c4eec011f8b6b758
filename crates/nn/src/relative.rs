//! Scores by relative position: how far a key stands from a query picks a row of a table of relative
//! embeddings, and that row's product with the query or the key is added to the score.
//!
//! ```text
//! score[b, h, i, j] += by_query[b, h, i, row(p_i - j)] + by_key[b, h, j, row(p_i - j)]
//! ```
//!
//! p_i is the query's position, j the key's. The products with all rows of the table are made before,
//! by one matrix product for each term; what is left is to look them up, and nothing wider than
//! scores and products is ever made. Content to position and position to content of He et al. 2021
//! (DeBERTa), section 3.1, are the two terms, and the relative shift of Dai et al. 2019
//! (Transformer-XL), appendix B, is the first with a row for every distance.
//!
//! Forward and backward with both terms, how many times as long other ways of looking up take on two
//! cores (`benches/relative.rs`), at 16 sequences of 128 with 4 heads and 256 rows, and at 4 of 512
//! with 12 heads and 512 rows:
//!
//! | | flex, 128 | flex, 512 | libtorch, 128 | libtorch, 512 |
//! | --- | --- | --- | --- | --- |
//! | Burn's gather with an expanded index | 15 | 12 | 2 | 1.2 |
//! | a row for every distance selected, then shifted by slices and reshapes | 19 | 16 | 6 | 6 |
//!
//! Hence a gather where there is no kernel. In attention on flex the terms are added to a block of scores
//! while it is in the cache.
//!
//! Cut the table to the rows that occur before the products are made: sequences that are short beside
//! its span then pay for their own length alone.

use burn::tensor::{Device, Int, IntDType, Tensor, TensorData, assert_shape};

use crate::fused::{PositionTerm, Terms, add_relative};
use crate::precision::like;

/// Which row of a table of relative embeddings stands for each distance between query and key.
///
/// Made once for each length, not for each layer.
#[derive(Debug, Clone)]
pub struct RelativeIndex {
    /// `[query_len + key_len - 1]`: the row for each distance, the largest distance first.
    rows: Tensor<1, Int>,
    /// `[1 or batch, num_queries]`: where each query's row for the first key lies in `rows`; those for
    /// the other keys follow.
    starts: Tensor<2, Int>,
    /// The position whose start is 0.
    last_query: i64,
    key_len: usize,
}

impl RelativeIndex {
    /// `row(distance)` for every distance, query's position less key's, that occurs between queries at
    /// `first_query..first_query + query_len` and keys at `0..key_len`.
    ///
    /// `first_query` is above 0 where keys of a memory stand before the sequence.
    ///
    /// # Panics
    /// If there are no queries or no keys: the caller's mistake.
    pub fn new(
        query_len: usize,
        key_len: usize,
        first_query: usize,
        row: impl Fn(i64) -> usize,
        device: &Device,
    ) -> Self {
        assert!(
            query_len > 0 && key_len > 0,
            "{query_len} queries and {key_len} keys have no distances"
        );
        let distances = query_len + key_len - 1;
        let last_query = (first_query + query_len) as i64 - 1;
        let rows: Vec<i64> = (0..distances as i64)
            .map(|place| row(last_query - place) as i64)
            .collect();
        let starts: Vec<i64> = (0..query_len as i64).rev().collect();
        Self {
            rows: Tensor::from_data(TensorData::new(rows, [distances]), device),
            starts: Tensor::from_data(TensorData::new(starts, [1, query_len]), device),
            last_query,
            key_len,
        }
    }

    /// How many queries the table is for.
    pub fn num_queries(&self) -> usize {
        let [_, num_queries] = self.starts.dims();
        num_queries
    }

    /// This table for queries that stand anywhere, such as at predicted positions alone.
    ///
    /// # Shapes
    /// - `positions`: `[batch, num_queries]`, counted as the keys are, each in
    ///   `first_query..first_query + query_len`; in any order, repeats are fine
    pub fn at(&self, positions: Tensor<2, Int>) -> Self {
        let positions = positions.cast(IntDType::from(self.rows.dtype()));
        Self {
            starts: positions.neg().add_scalar(self.last_query),
            ..self.clone()
        }
    }
}

/// Terms of the scores by relative position, before the scores' one scale.
#[derive(Debug, Clone)]
pub struct RelativeScores {
    /// `[batch, heads, query_len, rows]`: query·(relative key), content to position.
    pub by_query: Option<Tensor<4>>,
    /// `[batch, heads, key_len, rows]`: key·(relative query), position to content.
    pub by_key: Option<Tensor<4>>,
    /// Which row of the last axis stands for each query and key.
    pub index: RelativeIndex,
}

impl RelativeScores {
    /// The scores with both terms added.
    ///
    /// # Shapes
    /// - `scores`: `[batch, heads, query_len, key_len]`; returned in the same shape
    ///
    /// # Panics
    /// If the terms or the index do not fit the scores: the caller's mistake.
    pub fn add_to(self, mut scores: Tensor<4>) -> Tensor<4> {
        let [by_query, by_key] = self.terms(scores.dims());
        for (terms, kind) in [(by_query, Terms::OfQuery), (by_key, Terms::OfKey)] {
            if let Some(PositionTerm {
                terms,
                rows,
                starts,
            }) = terms
            {
                let terms = like(terms, &scores);
                scores = add_relative(scores, terms, rows, starts, kind);
            }
        }
        scores
    }

    /// The terms of queries and those of keys for scores `[batch, heads, query_len, key_len]`.
    ///
    /// # Panics
    /// If the terms or the index do not fit the scores: the caller's mistake.
    pub(crate) fn terms(
        self,
        [batch, heads, query_len, key_len]: [usize; 4],
    ) -> [Option<PositionTerm>; 2] {
        let RelativeIndex { rows, starts, .. } = self.index;
        let [shared, _] = starts.dims();
        assert_eq!(key_len, self.index.key_len, "an index for other keys");
        assert_shape!(starts, [_, query_len]);
        assert!(
            shared == 1 || shared == batch,
            "positions of {shared} sequences for a batch of {batch}"
        );
        if let Some(by_query) = &self.by_query {
            assert_shape!(by_query, [batch, heads, query_len, _]);
        }
        if let Some(by_key) = &self.by_key {
            assert_shape!(by_key, [batch, heads, key_len, _]);
        }
        [self.by_query, self.by_key].map(|terms| {
            terms.map(|terms| PositionTerm {
                terms,
                rows: rows.clone(),
                starts: starts.clone(),
            })
        })
    }
}

#[cfg(test)]
mod tests;
