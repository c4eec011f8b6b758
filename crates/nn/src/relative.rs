//! Scores by relative position: how far a key stands from a query picks a row of a table of relative
//! embeddings, whose products with query and key are added to the score.
//!
//! ```text
//! score[b, h, i, j] += by_query[b, h, i, row(p_i - j)] + by_key[b, h, j, row(p_i - j)]
//! ```
//!
//! p_i is the query's position, j the key's. The products with all rows of the table are made before
//! (one matrix product for each term); what is left is to look them up, and nothing wider than the
//! scores is ever made of it. Content-to-position and position-to-content of He et al. 2021
//! (DeBERTa), equation 4, are the two terms; the relative shift of Dai et al. 2019 (Transformer-XL)
//! is the first with a row for every distance.

use burn::tensor::{Device, Int, IntDType, Tensor, TensorData, assert_shape};

/// Which row of a table of relative embeddings stands for each distance between query and key.
///
/// Made once for each length, not for each layer.
#[derive(Debug, Clone)]
pub struct RelativeIndex {
    /// `[query_len + key_len - 1]`: the rows by growing distance.
    rows: Tensor<1, Int>,
    /// The distance that the first row is for.
    lowest: i64,
    /// `[1 or batch, query_len]`: where the queries stand.
    positions: Tensor<2, Int>,
    key_len: usize,
}

impl RelativeIndex {
    /// `row(distance)` for every distance, query's position less key's, that occurs between queries
    /// at `first_query..first_query + query_len` and keys at `0..key_len`.
    ///
    /// `first_query` is above zero where keys of a memory stand before the sequence.
    ///
    /// # Panics
    /// If a length is zero: the caller's mistake.
    pub fn new(
        query_len: usize,
        key_len: usize,
        first_query: usize,
        row: impl Fn(i64) -> usize,
        device: &Device,
    ) -> Self {
        assert!(
            query_len > 0 && key_len > 0,
            "{query_len} queries, {key_len} keys: nothing to look up"
        );
        let (first, lowest) = (first_query as i64, first_query as i64 - key_len as i64 + 1);
        let rows: Vec<i64> = (lowest..first + query_len as i64)
            .map(|distance| row(distance) as i64)
            .collect();
        let positions: Vec<i64> = (first..first + query_len as i64).collect();
        let distances = rows.len();
        Self {
            rows: Tensor::from_data(TensorData::new(rows, [distances]), device),
            lowest,
            positions: Tensor::from_data(TensorData::new(positions, [1, query_len]), device),
            key_len,
        }
    }

    /// The same table for queries that stand anywhere, such as at predicted positions alone.
    ///
    /// # Shapes
    /// - `positions`: `[batch, num_queries]`, counted as the keys are, each in
    ///   `first_query..first_query + query_len`; in any order, repeats are fine
    pub fn at(&self, positions: Tensor<2, Int>) -> Self {
        Self {
            positions: positions.cast(IntDType::from(self.rows.dtype())),
            ..self.clone()
        }
    }

    /// The row for every query and key: `[1 or batch, query_len, key_len]`.
    fn matrix(&self) -> Tensor<3, Int> {
        let [batch, query_len] = self.positions.dims();
        let keys = Tensor::<1, Int>::arange(0..self.key_len as i64, &self.rows.device())
            .cast(IntDType::from(self.rows.dtype()))
            .reshape([1, 1, self.key_len]);
        let offsets = self.positions.clone().sub_scalar(self.lowest);
        let offsets = offsets.reshape([batch, query_len, 1]) - keys;
        let shape = [batch, query_len, self.key_len];
        let flat = offsets.reshape([batch * query_len * self.key_len]);
        self.rows.clone().select(0, flat).reshape(shape)
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
    /// If the terms' shapes or the index do not fit the scores: the caller's mistake.
    pub fn add_to(self, mut scores: Tensor<4>) -> Tensor<4> {
        let [batch, heads, query_len, key_len] = scores.dims();
        assert_shape!(scores, [_, _, _, self.index.key_len]);
        assert_shape!(self.index.positions, [_, query_len]);

        let rows = self.index.matrix().unsqueeze_dim::<4>(1);
        if let Some(by_query) = self.by_query {
            assert_shape!(by_query, [batch, heads, query_len, _]);
            let rows = rows.clone().expand([batch, heads, query_len, key_len]);
            scores = scores + by_query.gather(3, rows);
        }
        if let Some(by_key) = self.by_key {
            assert_shape!(by_key, [batch, heads, key_len, _]);
            let rows = rows.swap_dims(2, 3);
            let rows = rows.expand([batch, heads, key_len, query_len]);
            scores = scores + by_key.gather(3, rows).swap_dims(2, 3);
        }
        scores
    }
}
