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

use std::ops::Range;

use burn::tensor::{Int, IntDType, Tensor, assert_shape};
use kiln_nn::{gather_positions, like};

/// Which segment each of some tokens stands in.
#[derive(Debug, Clone)]
pub(crate) struct Segments {
    /// `[batch, len, columns]`, 1 in the segment's column.
    columns: Tensor<3>,
}

impl Segments {
    /// Only whether two ids are equal matters.
    ///
    /// # Shapes
    /// - `token_type_ids`: `[batch, seq_len]`, each below `columns`
    pub(crate) fn new(token_type_ids: Tensor<2, Int>, columns: usize) -> Self {
        Self {
            columns: in_columns(token_type_ids, columns),
        }
    }

    /// These segments in the float type of `other`.
    pub(crate) fn like<const D: usize>(self, other: &Tensor<D>) -> Self {
        Self {
            columns: like(self.columns, other),
        }
    }

    /// These segments with a memory of `mem_len` positions in front, which counts as segment 0,
    /// whatever it held.
    pub(crate) fn behind_memory(&self, mem_len: usize) -> Self {
        let [batch, _, columns] = self.columns.dims();
        if mem_len == 0 {
            return self.clone();
        }
        let memory = Tensor::zeros([batch, mem_len], &self.columns.device());
        let memory = in_columns(memory, columns);
        Self {
            columns: Tensor::cat(vec![like(memory, &self.columns), self.columns.clone()], 1),
        }
    }

    /// The segments of the tokens at chosen positions.
    ///
    /// # Shapes
    /// - `positions`: `[batch, num_queries]`, each in `0..seq_len`
    pub(crate) fn at(&self, positions: Tensor<2, Int>) -> Self {
        Self {
            columns: gather_positions(self.columns.clone(), positions),
        }
    }

    /// The segments of `tokens` alone, which stand one after another.
    pub(crate) fn within(&self, tokens: Range<usize>) -> Self {
        let columns = self.columns.clone();
        Self {
            columns: columns.narrow(1, tokens.start, tokens.len()),
        }
    }

    /// What to put behind the tokens' queries.
    ///
    /// # Shapes
    /// - `gain`: `[batch, heads, len, 1]`, (Q_i + r_s)·(s₁ − s₀)
    /// - returns `[batch, heads, len, columns]`
    pub(crate) fn behind_queries(&self, gain: Tensor<4>) -> Tensor<4> {
        let [batch, len, _] = self.columns.dims();
        assert_shape!(gain, [batch, _, len, 1]);
        gain.neg() * self.columns.clone().unsqueeze_dim::<4>(1)
    }

    /// What to put behind the tokens' keys, `[batch, heads, len, columns]`.
    pub(crate) fn behind_keys(&self, heads: usize) -> Tensor<4> {
        let [batch, len, columns] = self.columns.dims();
        let all_heads = self.columns.clone().unsqueeze_dim::<4>(1);
        all_heads.expand([batch, heads, len, columns])
    }
}

/// 1 in each id's own column, `[batch, len, columns]`. Burn's `one_hot` reads the ids back from the
/// device, twice, and takes no single column.
fn in_columns(ids: Tensor<2, Int>, columns: usize) -> Tensor<3> {
    let [batch, len] = ids.dims();
    let shape = [batch, len, columns];
    let column = Tensor::<1, Int>::arange(0..columns as i64, &ids.device());
    let column = column.cast(IntDType::from(ids.dtype()));
    let column = column.reshape([1, 1, columns]).expand(shape);
    let ids = ids.unsqueeze_dim::<3>(2).expand(shape);
    ids.equal(column).float()
}
