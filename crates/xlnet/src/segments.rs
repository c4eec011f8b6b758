//! Segments: a score's term for whether query and key stand in the same one.
//!
//! Yang et al. 2019 (XLNet), section 2.5. The original adds, of two learned vectors s₀ (same) and s₁
//! (another), (Q_i + r_s)·s to the score. What is the same for all keys of a query changes no
//! probability, so that (Q_i + r_s)·(s₁ − s₀) where the segments differ says as much; and since
//!
//! ```text
//! [segments differ] = 1 − Σ_c [query in c]·[key in c]
//! ```
//!
//! one more column of query and key for each segment makes it part of the product query·key: nothing
//! of the scores' size is made for it.

use burn::tensor::{Int, Tensor, assert_shape};
use kiln_nn::gather_positions;

/// Which segment each token stands in, 1 in its column.
#[derive(Debug, Clone)]
pub struct Segments {
    /// `[batch, query_len, columns]`
    queries: Tensor<3>,
    /// `[batch, key_len, columns]`
    keys: Tensor<3>,
}

impl Segments {
    /// Only whether two ids are equal matters. Memory counts as segment 0, whatever it held.
    ///
    /// # Shapes
    /// - `token_type_ids`: `[batch, seq_len]`, each below `columns`
    ///
    /// # Panics
    /// If there are no columns: the caller's mistake.
    pub fn new(token_type_ids: Tensor<2, Int>, mem_len: usize, columns: usize) -> Self {
        assert!(columns > 0, "segments without a column");
        let [batch, _] = token_type_ids.dims();
        let queries: Tensor<3> = token_type_ids.one_hot(columns).float();
        let keys = if mem_len > 0 {
            let first = Tensor::<2, Int>::zeros([batch, mem_len], &queries.device());
            let memory: Tensor<3> = first.one_hot(columns).float();
            Tensor::cat(vec![memory, queries.clone()], 1)
        } else {
            queries.clone()
        };
        Self { queries, keys }
    }

    /// The same for queries at chosen positions.
    ///
    /// # Shapes
    /// - `positions`: `[batch, num_queries]`, each in `0..seq_len`
    pub fn at(&self, positions: Tensor<2, Int>) -> Self {
        Self {
            queries: gather_positions(self.queries.clone(), positions),
            keys: self.keys.clone(),
        }
    }

    /// The same for some of the queries, one after another.
    pub fn queries(&self, queries: std::ops::Range<usize>) -> Self {
        let [batch, _, columns] = self.queries.dims();
        let range = queries;
        Self {
            queries: self.queries.clone().slice([0..batch, range, 0..columns]),
            keys: self.keys.clone(),
        }
    }

    /// The columns to put behind the queries.
    ///
    /// # Shapes
    /// - `gain`: `[batch, heads, query_len, 1]`, (Q_i + r_s)·(s₁ − s₀)
    /// - returns `[batch, heads, query_len, columns]`
    ///
    /// # Panics
    /// If `gain` has another shape: the caller's mistake.
    pub fn query_columns(&self, gain: Tensor<4>) -> Tensor<4> {
        let [batch, query_len, _] = self.queries.dims();
        assert_shape!(gain, [batch, _, query_len, 1]);
        gain.neg() * self.queries.clone().unsqueeze_dim::<4>(1)
    }

    /// The columns to put behind the keys, `[batch, heads, key_len, columns]`.
    pub fn key_columns(&self, heads: usize) -> Tensor<4> {
        let [batch, key_len, columns] = self.keys.dims();
        let keys = self.keys.clone().unsqueeze_dim::<4>(1);
        keys.expand([batch, heads, key_len, columns])
    }
}
