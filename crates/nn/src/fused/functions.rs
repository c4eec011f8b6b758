//! The fused operations on tensors of any backend.

use burn::backend::Dispatch;
use burn::tensor::{Bool, Int, Tensor};

use super::{AdamWUpdate, AttentionInputs, FusedOps, Hidden, Maybe, PositionTerms, Terms};

/// GELU by the error function, x·Φ(x) (Hendrycks and Gimpel 2016).
///
/// # Shapes
/// Any; returned as it came.
pub fn gelu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::gelu_erf(input.into_dispatch()))
}

/// Softmax of `scale`·scores over the last axis; where `is_hidden`, the lowest finite number stands
/// for the score.
///
/// # Shapes
/// - `scores`: any
/// - `is_hidden`: broadcasts to it
/// - returns the shape of `scores`
pub fn scaled_softmax<const D: usize>(
    scores: Tensor<D>,
    is_hidden: Option<Tensor<D, Bool>>,
    scale: f64,
) -> Tensor<D> {
    let scores = scores.into_dispatch();
    Tensor::from_dispatch(match is_hidden {
        Some(is_hidden) => {
            <Dispatch as FusedOps>::masked_softmax(scores, is_hidden.into_dispatch(), scale)
        }
        None => <Dispatch as FusedOps>::scaled_softmax(scores, scale),
    })
}

/// [`scaled_softmax`] of which entries are dropped as by [`dropout`].
///
/// # Shapes
/// As those of [`scaled_softmax`].
pub fn dropped_softmax<const D: usize>(
    scores: Tensor<D>,
    is_hidden: Tensor<D, Bool>,
    scale: f64,
    prob: f64,
) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::dropped_softmax(
        scores.into_dispatch(),
        is_hidden.into_dispatch(),
        scale,
        prob,
    ))
}

/// Scores with terms by relative position added, in place where nothing else holds them;
/// [`crate::RelativeScores`] is its checked front.
///
/// # Shapes
/// - `scores`: `[batch, heads, query_len, key_len]`; returned in the same shape
/// - `terms`: `[batch, heads, query_len, count]` or `[batch, heads, key_len, count]`, as `kind` says
/// - `rows`: `[places]`, each below `count`: for query i and key j entry `rows[starts[i] + j]` of the
///   last axis of the terms is added
/// - `starts`: `[1 or batch, query_len]`, of the integer type of `rows`
pub fn add_relative(
    scores: Tensor<4>,
    terms: Tensor<4>,
    rows: Tensor<1, Int>,
    starts: Tensor<2, Int>,
    kind: Terms,
) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::add_relative(
        scores.into_dispatch(),
        terms.into_dispatch(),
        rows.into_dispatch(),
        starts.into_dispatch(),
        kind,
    ))
}

/// Layer normalisation over the last axis; [`crate::LayerNorm`] is its module.
///
/// # Shapes
/// - `input`: `[..., size]`
/// - `gamma`, `beta`: `[size]`
/// - returns `[..., size]`
pub fn layer_norm<const D: usize>(
    input: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::layer_normalised(
        input.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        epsilon,
    ))
}

/// [`layer_norm`] of residual + branch, entries of the branch dropped as by [`dropout`] before, none if
/// `prob` is 0; [`crate::LayerNorm::forward_residual`] is its front.
///
/// # Shapes
/// - `branch`, `residual`: `[..., size]`
/// - `gamma`, `beta`: `[size]`
/// - returns `[..., size]`
pub fn residual_layer_norm<const D: usize>(
    branch: Tensor<D>,
    residual: Tensor<D>,
    [gamma, beta]: [Tensor<1>; 2],
    epsilon: f64,
    prob: f64,
) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::residual_normalised(
        branch.into_dispatch(),
        residual.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        epsilon,
        prob,
    ))
}

/// Attention as one step, without checks; [`crate::attend`] is its front.
///
/// # Shapes
/// - `query`: `[batch, heads, query_len, key_size]`
/// - `key`: `[batch, heads, key_len, key_size]`
/// - `value`: `[batch, heads, key_len, value_size]`
/// - `by_query`, `by_key`, `rows`, `starts`: as those of [`add_relative`]
/// - `is_hidden`: broadcasts to `[batch, heads, query_len, key_len]`
/// - returns `[batch, heads, query_len, value_size]`
pub fn attention(
    [query, key, value]: [Tensor<4>; 3],
    [by_query, by_key]: [Option<PositionTerm>; 2],
    is_hidden: Option<Tensor<4, Bool>>,
    scale: f64,
    prob: f64,
) -> Tensor<4> {
    let terms = |terms: Option<PositionTerm>| match terms {
        None => PositionTerms::Absent,
        Some(PositionTerm {
            terms,
            rows,
            starts,
        }) => PositionTerms::Present {
            terms: terms.into_dispatch(),
            rows: rows.into_dispatch(),
            starts: starts.into_dispatch(),
        },
    };
    let inputs = AttentionInputs::<Dispatch> {
        query: query.into_dispatch(),
        key: key.into_dispatch(),
        value: value.into_dispatch(),
        by_query: terms(by_query),
        by_key: terms(by_key),
        hidden: match is_hidden {
            None => Hidden::Nothing,
            Some(is_hidden) => Hidden::Mask(is_hidden.into_dispatch()),
        },
    };
    Tensor::from_dispatch(<Dispatch as FusedOps>::attended(inputs, scale, prob))
}

/// Terms of scores by relative position.
#[derive(Debug, Clone)]
pub struct PositionTerm {
    /// `[batch, heads, query_len or key_len, count]`
    pub terms: Tensor<4>,
    /// `[places]`, each below `count`
    pub rows: Tensor<1, Int>,
    /// `[1 or batch, query_len]`
    pub starts: Tensor<2, Int>,
}

/// input·weight + bias; each gradient is one product over all rows.
///
/// # Shapes
/// - `input`: `[..., in]`
/// - `weight`: `[in, out]`
/// - `bias`: `[out]`
/// - returns `[..., out]`
pub fn linear<const D: usize>(
    input: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::projected(
        input.into_dispatch(),
        weight.into_dispatch(),
        Maybe::from_option(bias.map(Tensor::into_dispatch)),
    ))
}

/// [`gelu`] of input·weight + bias.
///
/// # Shapes
/// - `input`: `[..., in]`
/// - `weight`: `[in, out]`
/// - `bias`: `[out]`
/// - returns `[..., out]`
pub fn linear_gelu<const D: usize>(
    input: Tensor<D>,
    weight: Tensor<2>,
    bias: Tensor<1>,
) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::linear_gelu(
        input.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ))
}

/// Zero with probability `prob`, else the entry divided by 1 − `prob`; [`crate::Dropout`] is its
/// module, which decides whether to drop at all.
///
/// # Shapes
/// Any; returned as it came.
pub fn dropout<const D: usize>(input: Tensor<D>, prob: f64) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::dropout(input.into_dispatch(), prob))
}

/// Σ weightᵢ·nllᵢ; [`crate::loss::cross_entropy_sum`] is its checked front.
///
/// # Shapes
/// - `logits`: `[n, classes]`
/// - `labels`, `weights`: `[n]`
/// - returns `[1]`
pub fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>, weights: Tensor<1>) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::cross_entropy(
        logits.into_dispatch(),
        labels.into_dispatch(),
        weights.into_dispatch(),
    ))
}

/// Rows of a table; [`crate::embed_words`] is its front for words.
///
/// # Shapes
/// - `table`: `[rows, size]`
/// - `ids`: `[batch, seq_len]`, each below `rows`
/// - returns `[batch, seq_len, size]`
pub fn embedding(table: Tensor<2>, ids: Tensor<2, Int>) -> Tensor<3> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::embedded(
        table.into_dispatch(),
        ids.into_dispatch(),
    ))
}

/// Scores of every row of a table, x·tableᵀ + bias: the vocabulary projection of a model whose
/// output is tied to its word embeddings.
///
/// # Shapes
/// - `input`: `[n, size]`
/// - `table`: `[words, size]`
/// - `bias`: `[words]`
/// - returns `[n, words]`
pub fn tied_linear(input: Tensor<2>, table: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::tied_linear(
        input.into_dispatch(),
        table.into_dispatch(),
        bias.into_dispatch(),
    ))
}

/// before + Σ xᵢ², a squared Euclidean norm; the same to the last bit whatever the number of threads.
///
/// # Shapes
/// - `before`: `[1]`; returned in the same shape
/// - `x`: any; neither is tracked
pub fn add_squared_sum<const D: usize>(before: Tensor<1>, x: Tensor<D>) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::add_squared_sum(
        before.into_dispatch(),
        x.into_dispatch(),
    ))
}

/// One class for each row, drawn from the softmax of its scores; [`crate::sampling::sample_tokens`]
/// is its front.
///
/// # Shapes
/// - `scores`: `[n, classes]`, not tracked
/// - returns `[n]`
pub fn gumbel_argmax(scores: Tensor<2>) -> Tensor<1, Int> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::gumbel_argmax(
        scores.into_dispatch(),
    ))
}

/// (value, first moment, second moment) after one update of AdamW, in place where nothing else
/// holds them.
///
/// # Shapes
/// All `[elements]`, none of them tracked.
pub fn adamw(
    value: Tensor<1>,
    gradient: Tensor<1>,
    first: Tensor<1>,
    second: Tensor<1>,
    update: AdamWUpdate,
) -> (Tensor<1>, Tensor<1>, Tensor<1>) {
    let (value, first, second) = <Dispatch as FusedOps>::adamw(
        value.into_dispatch(),
        gradient.into_dispatch(),
        first.into_dispatch(),
        second.into_dispatch(),
        update,
    );
    (
        Tensor::from_dispatch(value),
        Tensor::from_dispatch(first),
        Tensor::from_dispatch(second),
    )
}
