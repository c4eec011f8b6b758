//! Attention on flex, a head's queries block by block: scores stay in the cache from the product of query
//! and key to that with the value.
//!
//! A task is a head, or all heads of a sequence where there are sequences enough for the threads. Within
//! a head blocks of queries come one after the other, so that sums over queries have one order.

use burn::backend::{
    Flex, TensorMetadata,
    flex::FlexTensor,
    ops::{BoolTensorOps, FloatTensorOps},
};
use burn::tensor::Shape;
use rayon::prelude::*;

use super::super::attention::{
    AttentionGradients, AttentionInputs, AttentionState, Hidden, Places, PositionTerms,
};
use super::super::{Maybe, Terms};
use super::drawn::Drops;
use super::math::vectorised;
use super::operands::{Values, drops, key, lookup, mask, strided, tensor};
use super::product::{Matrix, Output};
use super::relative::{self, Lookup};
use super::softmax::{softmax_in_place, softmax_row_backward};

/// Scores of a block of queries: with their gradients they leave room in the second cache for a block of
/// keys and values.
const SCORES: usize = 1 << 14;

/// Queries at least, else the products would not be worth their start.
const FEWEST_QUERIES: usize = 16;

fn queries_per_block(keys: usize) -> usize {
    (SCORES / keys.max(1)).max(FEWEST_QUERIES)
}

/// `[batch, heads, len, size]` in any order of memory.
struct Heads {
    tensor: FlexTensor,
    shape: [usize; 4],
    strides: [usize; 4],
}

impl Heads {
    /// `None` for another float type than float32.
    fn of(tensor: &FlexTensor) -> Option<Self> {
        let shape = tensor.shape().dims();
        let (tensor, strides) = strided(tensor)?;
        Some(Self {
            tensor,
            shape,
            strides,
        })
    }

    /// Rows of a head, heads counted over the batch.
    fn rows(&self, head: usize, first: usize, count: usize) -> Matrix<'_> {
        let [_, heads, _, size] = self.shape;
        let [by_batch, by_head, down, along] = self.strides;
        let start = self.tensor.layout().start_offset()
            + head / heads * by_batch
            + head % heads * by_head
            + first * down;
        let values = &self.tensor.storage::<f32>()[start..];
        Matrix::strided(values, [count, size], [down, along])
    }

    fn all_rows(&self, head: usize) -> Matrix<'_> {
        self.rows(head, 0, self.shape[2])
    }
}

/// Tensors `[batch, heads, len, size]` that tasks write.
#[derive(Debug, Clone, Copy)]
struct Tasks {
    batch: usize,
    heads: usize,
    /// Heads of a task: all of a sequence, which then stand side by side, or one.
    heads_each: usize,
}

impl Tasks {
    fn new([batch, heads, ..]: [usize; 4]) -> Self {
        let are_enough = batch >= 2 * rayon::current_num_threads();
        Self {
            batch,
            heads,
            heads_each: if are_enough { heads } else { 1 },
        }
    }

    /// Heads over the whole batch that a task works on.
    fn heads_of(&self, task: usize) -> std::ops::Range<usize> {
        task * self.heads_each..(task + 1) * self.heads_each
    }

    fn count(&self) -> usize {
        self.batch * self.heads / self.heads_each
    }

    fn part<'a>(&self, values: &'a mut [f32], size: usize) -> Part<'a> {
        Part {
            values,
            heads: self.heads_each,
            size,
        }
    }

    /// For each task its part of each tensor, of which a head has so many values.
    fn parts<'a, const N: usize>(
        &self,
        tensors: [(&'a mut Vec<f32>, usize); N],
    ) -> Vec<[&'a mut [f32]; N]> {
        let mut rest = tensors.map(|(values, of_head)| (values.as_mut_slice(), of_head));
        (0..self.count())
            .map(|_| {
                rest.each_mut().map(|(values, of_head)| {
                    let (part, left) =
                        std::mem::take(values).split_at_mut(self.heads_each * *of_head);
                    *values = left;
                    part
                })
            })
            .collect()
    }

    /// Zeros for a tensor.
    fn zeros(&self, len: usize, size: usize) -> Vec<f32> {
        vec![0.0; self.batch * self.heads * len * size]
    }

    /// The tensor from what tasks wrote.
    fn tensor(&self, values: Vec<f32>, len: usize, size: usize) -> FlexTensor {
        if self.heads_each == 1 {
            return tensor(values, Shape::new([self.batch, self.heads, len, size]));
        }
        let values = tensor(values, Shape::new([self.batch, len, self.heads, size]));
        Flex::float_swap_dims(values, 1, 2)
    }
}

/// A task's part of a tensor.
struct Part<'a> {
    values: &'a mut [f32],
    heads: usize,
    size: usize,
}

impl Part<'_> {
    /// Rows of one of the task's heads, from the first.
    fn rows(&mut self, head: usize, first: usize) -> Output<'_> {
        let stride = self.heads * self.size;
        let start = (first * stride + head * self.size).min(self.values.len());
        Output::strided(&mut self.values[start..], stride)
    }
}

/// Terms by position, and where those of each query and key lie.
struct Relative {
    terms: Values,
    lookup: Lookup,
    kind: Terms,
}

impl Relative {
    /// `Some(None)` if there are none, `None` if they come in a type that has no kernel.
    fn of(terms: &PositionTerms<Flex>, kind: Terms, scores: &Shape) -> Option<Option<Self>> {
        match terms {
            PositionTerms::Absent => Some(None),
            PositionTerms::Present {
                terms,
                rows,
                starts,
            } => Some(Some(Self {
                lookup: lookup(rows, starts, scores, terms.shape()[3])?,
                terms: Values::of(terms)?,
                kind,
            })),
        }
    }

    fn add_to(&self, scores: &mut [f32], head: usize, first: usize) {
        relative::add_block(
            scores,
            self.terms.slice(),
            &self.lookup,
            self.kind,
            head,
            first,
        );
    }
}

/// (output, softmax if it is kept, the key of the dropped entries if there are any); `None` for another
/// float type than float32 and for tensors without entries.
pub(super) fn forward(
    inputs: &AttentionInputs<Flex>,
    scale: f64,
    prob: f64,
    keeps: bool,
) -> Option<(FlexTensor, Option<FlexTensor>, Option<FlexTensor>)> {
    let (q, k, v) = (
        Heads::of(&inputs.query)?,
        Heads::of(&inputs.key)?,
        Heads::of(&inputs.value)?,
    );
    let ([batch, heads, queries, _], [_, _, keys, size]) = (q.shape, v.shape);
    let shape = Shape::new([batch, heads, queries, keys]);
    if shape.num_elements() * size == 0 {
        return None;
    }
    let by_query = Relative::of(&inputs.by_query, Terms::OfQuery, &shape)?;
    let by_key = Relative::of(&inputs.by_key, Terms::OfKey, &shape)?;
    let relative = [by_query, by_key];
    let expanded = match &inputs.hidden {
        Hidden::Nothing => None,
        Hidden::Mask(is_hidden) => Some(Flex::bool_expand(is_hidden.clone(), shape.clone())),
    };
    let mask = match &expanded {
        Some(expanded) => Some(mask(expanded, &shape)?),
        None => None,
    };
    let key = (prob > 0.0).then(|| key(&inputs.query));
    let drops = key.as_ref().map(|key| drops(key, prob));

    let tasks = Tasks::new(q.shape);
    let mut output = tasks.zeros(queries, size);
    let mut softmax = vec![0.0; if keeps { shape.num_elements() } else { 0 }];
    let mut kept: Vec<Option<&mut [f32]>> = if keeps {
        let parts = softmax.chunks_mut(tasks.heads_each * queries * keys);
        parts.map(Some).collect()
    } else {
        (0..tasks.count()).map(|_| None).collect()
    };
    let block = queries_per_block(keys).min(queries);
    output
        .par_chunks_mut(tasks.heads_each * queries * size)
        .zip(kept.par_iter_mut())
        .enumerate()
        .for_each_init(
            || vec![0.0; 2 * block * keys],
            |scratch, (task, (output, kept))| {
                let (not_kept, dropped) = scratch.split_at_mut(block * keys);
                let mut output = tasks.part(output, size);
                for (place, head) in tasks.heads_of(task).enumerate() {
                    for first in (0..queries).step_by(block) {
                        let count = block.min(queries - first);
                        let row = head * queries + first;
                        let scores = match kept {
                            Some(kept) => &mut kept[(place * queries + first) * keys..],
                            None => &mut *not_kept,
                        };
                        let scores = &mut scores[..count * keys];
                        Output::strided(scores, keys)
                            .write(q.rows(head, first, count), k.all_rows(head).transposed());
                        for terms in relative.iter().flatten() {
                            terms.add_to(scores, head, first);
                        }
                        vectorised!({
                            for (index, scores) in scores.chunks_exact_mut(keys).enumerate() {
                                softmax_in_place(scores, scale as f32, mask.as_ref(), row + index);
                            }
                        });
                        let probabilities = match &drops {
                            Some(drops) => {
                                let dropped = &mut dropped[..count * keys];
                                vectorised!({
                                    dropped.copy_from_slice(scores);
                                    drops.apply(row * keys, dropped);
                                });
                                dropped
                            }
                            None => scores,
                        };
                        output
                            .rows(place, first)
                            .write(Matrix::rows(probabilities, keys), v.all_rows(head));
                    }
                }
            },
        );
    let softmax = keeps.then(|| tensor(softmax, shape));
    Some((tasks.tensor(output, queries, size), softmax, key))
}

/// The gradients; `None` for another float type than float32.
pub(super) fn backward(
    state: &AttentionState<Flex>,
    grad: &FlexTensor,
    scale: f64,
    prob: f64,
) -> Option<AttentionGradients<Flex>> {
    let (q, k, v) = (
        Heads::of(&state.query)?,
        Heads::of(&state.key)?,
        Heads::of(&state.value)?,
    );
    let (grad, softmax) = (Heads::of(grad)?, Values::of(&state.softmax)?);
    let ([_, _, queries, query_size], [_, _, keys, size]) = (q.shape, v.shape);
    let shape = state.softmax.shape();
    if shape.num_elements() * size == 0 {
        return None;
    }
    let by_query = looked_up(&state.by_query, &shape)?;
    let by_key = looked_up(&state.by_key, &shape)?;
    let drops = (prob > 0.0).then(|| drops(&state.dropped, prob));

    let tasks = Tasks::new(q.shape);
    let count = |lookup: &Option<Lookup>| lookup.as_ref().map_or(0, |it| it.count);
    let mut towards_query = tasks.zeros(queries, query_size);
    let mut towards_key = tasks.zeros(keys, query_size);
    let mut towards_value = tasks.zeros(keys, size);
    let mut towards_by_query = tasks.zeros(queries, count(&by_query));
    let mut towards_by_key = tasks.zeros(keys, count(&by_key));
    let block = queries_per_block(keys).min(queries);
    let parts = [
        (&mut towards_query, queries * query_size),
        (&mut towards_key, keys * query_size),
        (&mut towards_value, keys * size),
        (&mut towards_by_query, queries * count(&by_query)),
        (&mut towards_by_key, keys * count(&by_key)),
    ];
    let work: Vec<[&mut [f32]; 5]> = tasks.parts(parts);
    work.into_par_iter().enumerate().for_each_init(
        || vec![0.0; 2 * block * keys],
        |scratch, (task, [towards_query, towards_key, towards_value, of_query, of_key])| {
            let (scores, probabilities) = scratch.split_at_mut(block * keys);
            let mut towards_query = tasks.part(towards_query, query_size);
            let mut towards_key = tasks.part(towards_key, query_size);
            let mut towards_value = tasks.part(towards_value, size);
            for (place, head) in tasks.heads_of(task).enumerate() {
                for first in (0..queries).step_by(block) {
                    let count = block.min(queries - first);
                    let row = head * queries + first;
                    let scores = &mut scores[..count * keys];
                    let softmax = &softmax.slice()[row * keys..][..count * keys];
                    let grad = grad.rows(head, first, count);
                    Output::strided(scores, keys).write(grad, v.all_rows(head).transposed());
                    let probabilities = match &drops {
                        Some(drops) => {
                            let probabilities = &mut probabilities[..count * keys];
                            vectorised!(drop_both(
                                drops,
                                row * keys,
                                softmax,
                                probabilities,
                                scores
                            ));
                            &*probabilities
                        }
                        None => softmax,
                    };
                    let probabilities = Matrix::rows(probabilities, keys);
                    towards_value
                        .rows(place, 0)
                        .add(probabilities.transposed(), grad);
                    vectorised!({
                        let rows = scores
                            .chunks_exact_mut(keys)
                            .zip(softmax.chunks_exact(keys));
                        for (scores, softmax) in rows {
                            softmax_row_backward(scores, softmax, scale as f32);
                        }
                    });
                    let terms = [
                        (&by_query, Terms::OfQuery, &mut *of_query, queries),
                        (&by_key, Terms::OfKey, &mut *of_key, keys),
                    ];
                    for (lookup, kind, towards, owners) in terms {
                        if let Some(lookup) = lookup {
                            let len = owners * lookup.count;
                            let towards = &mut towards[place * len..][..len];
                            relative::backward_block(towards, scores, lookup, kind, head, first);
                        }
                    }
                    let scores = Matrix::rows(scores, keys);
                    towards_query
                        .rows(place, first)
                        .write(scores, k.all_rows(head));
                    towards_key
                        .rows(place, 0)
                        .add(scores.transposed(), q.rows(head, first, count));
                }
            }
        },
    );
    let [batch, heads, ..] = q.shape;
    let of_terms = |values: Vec<f32>, len: usize, lookup: &Option<Lookup>| match lookup {
        None => Maybe::Absent,
        Some(lookup) => Maybe::Present(tensor(
            values,
            Shape::new([batch, heads, len, lookup.count]),
        )),
    };
    Some(AttentionGradients {
        query: tasks.tensor(towards_query, queries, query_size),
        key: tasks.tensor(towards_key, keys, query_size),
        value: tasks.tensor(towards_value, keys, size),
        by_query: of_terms(towards_by_query, queries, &by_query),
        by_key: of_terms(towards_by_key, keys, &by_key),
    })
}

/// Drops the same entries of the softmax and of the gradient towards what was left of it.
#[inline(always)]
fn drop_both(drops: &Drops, place: usize, softmax: &[f32], left: &mut [f32], grad: &mut [f32]) {
    left.fill(1.0);
    drops.apply(place, left);
    for ((left, grad), &softmax) in left.iter_mut().zip(grad).zip(softmax) {
        let factor = *left;
        let is_dropped = factor == 0.0;
        *left = if is_dropped { 0.0 } else { softmax * factor };
        *grad = if is_dropped { 0.0 } else { *grad * factor };
    }
}

/// `Some(None)` where there are no terms, `None` for integers that have no kernel.
fn looked_up(places: &Places<Flex>, scores: &Shape) -> Option<Option<Lookup>> {
    match places {
        Places::Absent => Some(None),
        Places::Present {
            rows,
            starts,
            count,
        } => lookup(rows, starts, scores, *count).map(Some),
    }
}
