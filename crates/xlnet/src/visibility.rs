//! Who may see whom: padding, permutations, reading order.
//!
//! Yang et al. 2019, section 2.3. A permutation is given as two ranks a token, its own as a query and
//! its own as a key, from which a device makes the mask: query i may not see key j if
//! `query_rank[i] <= key_rank[j]`. Padding is a special case of it. Memory is always visible, and in
//! the content stream a token always sees itself.

use std::ops::Range;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData, assert_shape};

/// What is hidden in the tokens of one pass, memory aside.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "one a forward pass, and tensors are handles"
)]
pub enum Visibility {
    /// Nothing.
    All,
    /// Key j from query i where `queries[i] <= keys[j]`.
    Ranks {
        /// `[batch, seq_len]`
        queries: Tensor<2, Int>,
        /// `[batch, seq_len]`
        keys: Tensor<2, Int>,
    },
    /// `[batch, seq_len, seq_len]`, (query, key), 1 = hidden: Hugging Face's `perm_mask`.
    Mask(Tensor<3, Int>),
}

impl Visibility {
    /// Padding hidden from all.
    ///
    /// # Shapes
    /// - `attention_mask`: `[batch, seq_len]`, 1 = token, 0 = padding
    pub fn padding(attention_mask: Tensor<2, Int>) -> Self {
        Self::Ranks {
            queries: attention_mask.zeros_like(),
            // 0 at padding, which a query of rank 0 may not see; -1 elsewhere.
            keys: attention_mask.neg(),
        }
    }

    /// What the content stream's queries may not see, memory first.
    ///
    /// # Shapes
    /// - returns `[batch or 1, 1, queries, mem_len + seq_len]`, true = hidden; `None` where nothing is
    pub(crate) fn of_content(
        &self,
        chosen: Range<usize>,
        lengths: PassLengths,
        causal: Option<&Causal>,
    ) -> Option<Tensor<4, Bool>> {
        let (start, count) = (chosen.start, chosen.len());
        let hidden = match self {
            Self::All => None,
            Self::Ranks { queries, keys } => {
                Some(compare(queries.clone().narrow(1, start, count), keys))
            }
            Self::Mask(mask) => Some(mask.clone().narrow(1, start, count).equal_elem(1)),
        };
        let causal = causal.map(|causal| causal.hidden.clone().narrow(0, start, count));
        let hidden = either(
            hidden.map(|hidden| behind_memory(hidden, lengths)),
            causal.map(|rows| rows.equal_elem(1).unsqueeze_dim::<3>(0)),
        )?;
        let sees_itself = own_place(chosen, lengths, &hidden.device());
        let sees_itself = sees_itself.unsqueeze_dim::<3>(0).expand(hidden.shape());
        let hidden = hidden.bool_and(sees_itself.bool_not());
        Some(hidden.unsqueeze_dim::<4>(1))
    }

    /// What queries at chosen positions may not see: their own token is hidden like any other.
    ///
    /// # Shapes
    /// - `positions`: `[batch, num_queries]`
    /// - returns `[batch, 1, num_queries, mem_len + seq_len]`, true = hidden
    pub(crate) fn of_queries(
        &self,
        positions: &Tensor<2, Int>,
        lengths: PassLengths,
        causal: Option<&Causal>,
    ) -> Option<Tensor<4, Bool>> {
        let [batch, count] = positions.dims();
        let hidden = match self {
            Self::All => None,
            Self::Ranks { queries, keys } => {
                Some(compare(queries.clone().gather(1, positions.clone()), keys))
            }
            Self::Mask(mask) => {
                let rows = positions.clone().unsqueeze_dim::<3>(2);
                let rows = rows.expand([batch, count, lengths.seq_len]);
                Some(mask.clone().gather(1, rows).equal_elem(1))
            }
        };
        let causal = causal.map(|causal| {
            let rows = positions.clone().reshape([batch * count]);
            let rows = causal.hidden.clone().select(0, rows).equal_elem(1);
            rows.reshape([batch, count, lengths.key_len()])
        });
        let hidden = either(hidden.map(|hidden| behind_memory(hidden, lengths)), causal)?;
        Some(hidden.unsqueeze_dim::<4>(1))
    }
}

/// Lengths of one pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PassLengths {
    /// Tokens.
    pub(crate) seq_len: usize,
    /// Hidden states of the memory.
    pub(crate) mem_len: usize,
}

impl PassLengths {
    /// Both.
    pub(crate) fn key_len(self) -> usize {
        self.mem_len + self.seq_len
    }
}

/// What reading from left to right hides.
#[derive(Debug, Clone)]
pub(crate) struct Causal {
    /// `[seq_len, mem_len + seq_len]`, 1 = hidden.
    hidden: Tensor<2, Int>,
}

impl Causal {
    /// All keys behind a query; with `same_length` also the earliest, so that every query sees as
    /// many.
    pub(crate) fn new(lengths: PassLengths, same_length: bool, device: &Device) -> Self {
        let (seq_len, key_len) = (lengths.seq_len, lengths.key_len());
        let hidden: Vec<i32> = (0..seq_len)
            .flat_map(|query| {
                (0..key_len).map(move |key| {
                    let is_ahead = key > query + lengths.mem_len;
                    i32::from(is_ahead || (same_length && key < query))
                })
            })
            .collect();
        Self {
            hidden: Tensor::from_data(TensorData::new(hidden, [seq_len, key_len]), device),
        }
    }
}

/// True where `queries[i] <= keys[j]`, `[batch, queries, keys]`.
fn compare(queries: Tensor<2, Int>, keys: &Tensor<2, Int>) -> Tensor<3, Bool> {
    let [batch, seq_len] = keys.dims();
    let [_, count] = queries.dims();
    assert_shape!(queries, [batch, _]);
    let shape = [batch, count, seq_len];
    let queries = queries.unsqueeze_dim::<3>(2).expand(shape);
    let keys = keys.clone().unsqueeze_dim::<3>(1).expand(shape);
    queries.lower_equal(keys)
}

/// Puts columns for the memory in front of `hidden`, which nothing hides.
fn behind_memory(hidden: Tensor<3, Bool>, lengths: PassLengths) -> Tensor<3, Bool> {
    if lengths.mem_len == 0 {
        return hidden;
    }
    let [batch, rows, _] = hidden.dims();
    let memory = Tensor::<3, Int>::zeros([batch, rows, lengths.mem_len], &hidden.device());
    Tensor::cat(vec![memory.equal_elem(1), hidden], 2)
}

/// What either hides; the second may be the same for the whole batch.
fn either(
    hidden: Option<Tensor<3, Bool>>,
    also: Option<Tensor<3, Bool>>,
) -> Option<Tensor<3, Bool>> {
    match (hidden, also) {
        (Some(hidden), Some(also)) => {
            let also = also.expand(hidden.shape());
            Some(hidden.bool_or(also))
        }
        (hidden, also) => hidden.or(also),
    }
}

/// True where a query meets its own token, `[queries, mem_len + seq_len]`.
fn own_place(queries: Range<usize>, lengths: PassLengths, device: &Device) -> Tensor<2, Bool> {
    let first = (lengths.mem_len + queries.start) as i64;
    let rows = Tensor::<1, Int>::arange(first..first + queries.len() as i64, device);
    let columns = Tensor::<1, Int>::arange(0..lengths.key_len() as i64, device);
    let shape = [queries.len(), lengths.key_len()];
    let rows = rows.unsqueeze_dim::<2>(1).expand(shape);
    rows.equal(columns.unsqueeze_dim::<2>(0).expand(shape))
}
