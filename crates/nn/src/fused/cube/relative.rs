//! Scores with terms by relative position: a unit a score forwards; backwards a cube for each query or key
//! whose terms they are, a unit a term, so that nothing is added up by atomics.

use burn::tensor::Shape;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::operands::{Floats, Integers};
use super::rows::{per_entry, per_row};
use crate::fused::Terms;

/// Adds terms `[batch, heads, owners, count]` to `scores`, which may be written into.
pub(super) fn add(
    scores: &CubeTensor,
    terms: &Floats,
    rows: &Integers,
    starts: &Integers,
    kind: Terms,
) {
    let [batch, heads, queries, keys] = scores.meta.shape().dims();
    let shape = terms.shape();
    let (count, dim) = per_entry(scores, batch * heads * queries * keys);
    add_kernel::launch(
        &scores.client,
        count,
        dim,
        scores.clone().into_buffer_arg(),
        terms.arg(),
        rows.arg(),
        starts.arg(),
        heads,
        queries,
        keys,
        shape[3],
        starts.along(0) > 1,
        kind == Terms::OfQuery,
        rows.storage(),
    );
}

/// The gradient towards the terms, `count` for each query or key.
pub(super) fn backward(
    grad: &Floats,
    rows: &Integers,
    starts: &Integers,
    count: usize,
    kind: Terms,
) -> CubeTensor {
    let [batch, heads, queries, keys] = grad.shape().dims();
    let owners = match kind {
        Terms::OfQuery => queries,
        Terms::OfKey => keys,
    };
    let towards = grad.empty_of(Shape::new([batch, heads, owners, count]));
    let (cubes, dim) = per_row(&towards, batch * heads * owners, count);
    backward_kernel::launch(
        &towards.client,
        cubes,
        dim,
        grad.arg(),
        towards.clone().into_buffer_arg(),
        rows.arg(),
        starts.arg(),
        batch * heads * owners,
        heads,
        queries,
        keys,
        count,
        starts.along(0) > 1,
        kind == Terms::OfQuery,
        dim.num_elems() as usize,
        rows.storage(),
    );
    towards
}

/// The row of the terms for a query and a key; `own_starts`: each sequence of the batch has its own.
#[cube]
fn row_of<I: Numeric>(
    rows: &[I],
    starts: &[I],
    sequence: usize,
    query: usize,
    key: usize,
    queries: usize,
    #[comptime] own_starts: bool,
) -> usize {
    let mut at = query;
    if comptime!(own_starts) {
        at += sequence * queries;
    }
    u32::cast_from(rows[u32::cast_from(starts[at]) as usize + key]) as usize
}

#[cube(launch)]
fn add_kernel<I: Numeric>(
    scores: &mut [f32],
    terms: &[f32],
    rows: &[I],
    starts: &[I],
    heads: usize,
    queries: usize,
    keys: usize,
    count: usize,
    #[comptime] own_starts: bool,
    #[comptime] of_query: bool,
    #[define(I)] _storage: ElemType,
) {
    if ABSOLUTE_POS >= scores.len() {
        terminate!();
    }
    let key = ABSOLUTE_POS % keys;
    let query = (ABSOLUTE_POS / keys) % queries;
    let head = ABSOLUTE_POS / keys / queries;
    let row = row_of::<I>(rows, starts, head / heads, query, key, queries, own_starts);
    let mut owner = head * keys + key;
    if comptime!(of_query) {
        owner = head * queries + query;
    }
    scores[ABSOLUTE_POS] += terms[owner * count + row];
}

#[cube(launch)]
fn backward_kernel<I: Numeric>(
    grad: &[f32],
    towards: &mut [f32],
    rows: &[I],
    starts: &[I],
    all_owners: usize,
    heads: usize,
    queries: usize,
    keys: usize,
    count: usize,
    #[comptime] own_starts: bool,
    #[comptime] of_query: bool,
    #[comptime] units: usize,
    #[define(I)] _storage: ElemType,
) {
    if CUBE_POS >= all_owners {
        terminate!();
    }
    let mut owners = keys;
    let mut others = queries;
    if comptime!(of_query) {
        owners = queries;
        others = keys;
    }
    let owner = CUBE_POS % owners;
    let head = CUBE_POS / owners;
    let mut term = UNIT_POS as usize;
    while term < count {
        let mut sum = 0.0f32;
        for other in 0..others {
            let mut query = other;
            let mut key = owner;
            if comptime!(of_query) {
                query = owner;
                key = other;
            }
            let row = row_of::<I>(rows, starts, head / heads, query, key, queries, own_starts);
            if row == term {
                sum += grad[(head * queries + query) * keys + key];
            }
        }
        towards[CUBE_POS * count + term] = sum;
        term += units;
    }
}
