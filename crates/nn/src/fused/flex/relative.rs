//! Looking up terms of scores by relative position, on plain slices.
//!
//! Every sum has a fixed order: over the keys of a query, or over the queries of a key.

use rayon::prelude::*;

use super::super::Terms;
use super::blocks::rows_per_block;

/// Keys worked on together: their terms and gradients stay in the first cache while all queries of a
/// block pass by, and a line of memory of the scores is read once.
const KEYS: usize = 16;

/// Where the term for each query and key lies.
pub(super) struct Lookup {
    /// By growing key, from each query's start on.
    pub(super) rows: Vec<usize>,
    /// For each query; of the whole batch, or the same for all of it.
    pub(super) starts: Vec<usize>,
    pub(super) heads: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    /// Rows of the table.
    pub(super) count: usize,
}

impl Lookup {
    /// The starts for a head, counted over the batch.
    fn starts(&self, head: usize) -> &[usize] {
        let first = head / self.heads * self.queries % self.starts.len();
        &self.starts[first..first + self.queries]
    }

    /// The rows for `len` keys from `key` on, of the query with this start.
    fn rows(&self, start: usize, key: usize, len: usize) -> &[usize] {
        &self.rows[start + key..start + key + len]
    }
}

/// Adds to each score its term.
pub(super) fn add(scores: &mut [f32], terms: &[f32], lookup: &Lookup, kind: Terms) {
    let (queries, keys) = (lookup.queries, lookup.keys);
    let block = rows_per_block(keys);
    let heads = scores.par_chunks_mut(queries * keys).enumerate();
    heads.for_each(|(head, scores)| {
        let blocks = scores.par_chunks_mut(block * keys).enumerate();
        blocks.for_each(|(index, scores)| {
            add_block(scores, terms, lookup, kind, head, index * block);
        });
    });
}

/// The gradient towards the terms.
pub(super) fn backward(grad: &[f32], lookup: &Lookup, kind: Terms) -> Vec<f32> {
    let (queries, keys, count) = (lookup.queries, lookup.keys, lookup.count);
    let owners = match kind {
        Terms::OfQuery => queries,
        Terms::OfKey => keys,
    };
    let mut towards = vec![0.0; grad.len() / (queries * keys) * owners * count];
    towards
        .par_chunks_mut(owners * count)
        .zip(grad.par_chunks(queries * keys))
        .enumerate()
        .for_each(|(head, (towards, grad))| backward_block(towards, grad, lookup, kind, head, 0));
    towards
}

/// Adds their terms to the scores of a head's queries from `first` on. Heads are counted over the batch.
pub(super) fn add_block(
    scores: &mut [f32],
    terms: &[f32],
    lookup: &Lookup,
    kind: Terms,
    head: usize,
    first: usize,
) {
    let (queries, keys, count) = (lookup.queries, lookup.keys, lookup.count);
    let starts = &lookup.starts(head)[first..];
    match kind {
        Terms::OfQuery => {
            let terms = &terms[(head * queries + first) * count..];
            add_by_query(scores, terms, starts, lookup);
        }
        Terms::OfKey => {
            let terms = &terms[head * keys * count..][..keys * count];
            add_by_key(scores, terms, starts, lookup);
        }
    }
}

/// Adds to the gradients towards a head's terms those of its queries from `first` on, in their order.
pub(super) fn backward_block(
    towards: &mut [f32],
    grad: &[f32],
    lookup: &Lookup,
    kind: Terms,
    head: usize,
    first: usize,
) {
    let starts = &lookup.starts(head)[first..];
    match kind {
        Terms::OfQuery => {
            let towards = &mut towards[first * lookup.count..];
            by_query_backward(towards, grad, starts, lookup);
        }
        Terms::OfKey => by_key_backward(towards, grad, starts, lookup),
    }
}

/// `scores[i, j] += by_query[i, row]`.
fn add_by_query(scores: &mut [f32], by_query: &[f32], starts: &[usize], lookup: &Lookup) {
    let (keys, count) = (lookup.keys, lookup.count);
    let queries = scores
        .chunks_exact_mut(keys)
        .zip(by_query.chunks_exact(count))
        .zip(starts);
    for ((scores, terms), &start) in queries {
        for (score, &row) in scores.iter_mut().zip(lookup.rows(start, 0, keys)) {
            *score += terms[row];
        }
    }
}

/// `towards[i, row] += Σ_j grad[i, j]`.
fn by_query_backward(towards: &mut [f32], grad: &[f32], starts: &[usize], lookup: &Lookup) {
    let (keys, count) = (lookup.keys, lookup.count);
    let queries = towards
        .chunks_exact_mut(count)
        .zip(grad.chunks_exact(keys))
        .zip(starts);
    for ((sums, grad), &start) in queries {
        for (&grad, &row) in grad.iter().zip(lookup.rows(start, 0, keys)) {
            sums[row] += grad;
        }
    }
}

/// `scores[i, j] += by_key[j, row]`.
fn add_by_key(scores: &mut [f32], by_key: &[f32], starts: &[usize], lookup: &Lookup) {
    let (keys, count) = (lookup.keys, lookup.count);
    for (tile, by_key) in by_key.chunks(KEYS * count).enumerate() {
        let (first, len) = (tile * KEYS, by_key.len() / count);
        for (scores, &start) in scores.chunks_exact_mut(keys).zip(starts) {
            let keys = scores[first..first + len]
                .iter_mut()
                .zip(by_key.chunks_exact(count))
                .zip(lookup.rows(start, first, len));
            for ((score, terms), &row) in keys {
                *score += terms[row];
            }
        }
    }
}

/// `towards[j, row] += Σ_i grad[i, j]`.
fn by_key_backward(towards: &mut [f32], grad: &[f32], starts: &[usize], lookup: &Lookup) {
    let (keys, count) = (lookup.keys, lookup.count);
    for (tile, towards) in towards.chunks_mut(KEYS * count).enumerate() {
        let (first, len) = (tile * KEYS, towards.len() / count);
        for (grad, &start) in grad.chunks_exact(keys).zip(starts) {
            let keys = towards
                .chunks_exact_mut(count)
                .zip(&grad[first..first + len])
                .zip(lookup.rows(start, first, len));
            for ((sums, &grad), &row) in keys {
                sums[row] += grad;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(len: usize, phase: f32) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * 1.7 + phase).sin()).collect()
    }

    /// More than a block of queries, keys that fill no tile, two batch rows with their own starts.
    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let (heads, queries, keys, count) = (2, 150, 149, 40);
        let lookup = Lookup {
            rows: (0..queries + keys - 1).map(|at| at / 8).collect(),
            starts: (0..2 * queries).map(|i| i * 7 % queries).collect(),
            heads,
            queries,
            keys,
            count,
        };
        let grad = wave(2 * heads * queries * keys, 0.0);
        let by_query = wave(2 * heads * queries * count, 1.0);
        let by_key = wave(2 * heads * keys * count, 2.0);
        let all = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| {
                let mut scores = grad.clone();
                add(&mut scores, &by_query, &lookup, Terms::OfQuery);
                add(&mut scores, &by_key, &lookup, Terms::OfKey);
                let towards = [Terms::OfQuery, Terms::OfKey];
                (scores, towards.map(|kind| backward(&grad, &lookup, kind)))
            })
        };
        assert_eq!(all(1), all(3));
    }
}
