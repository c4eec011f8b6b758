//! Operations that Burn composes of many tracked steps, or whose gradient it has wrong, as one step
//! each with a gradient written by hand.
//!
//! | operation | why |
//! | --- | --- |
//! | GELU (error function) | Burn's gradient on ndarray and the GPU backends is that of the tanh form |
//! | scaled, masked softmax | one pass instead of eight; backward needs the output alone |
//! | LayerNorm | one pass instead of eight; backward needs one tensor of the input's size |
//! | softmax of which entries are dropped | one pass each way instead of two |
//! | dropout, residual, LayerNorm | one pass each way instead of three |
//! | projection | each gradient is one product over all tokens, where Burn makes one a sequence and adds them up; on flex the product is added to the bias |
//! | projection, then GELU | on flex and graphics processors the bias is added in the pass of the activation |
//! | attention | on flex scores stay in the cache from the first product to the second, and heads stand side by side without a copy |
//! | dropout | two passes less; on flex random numbers in parallel, and drawn again instead of kept |
//! | scores by relative position | added in place; backward needs nothing but the index |
//! | weighted cross-entropy | never stores log-probabilities, vocabulary-sized, beside the logits |
//! | rows of a table | on graphics processors the gradient is added up in parallel, in a fixed order |
//! | projection to a tied table | the table's gradient comes in the table's own order of memory |
//! | sum of squares, added to others | one pass, nothing of the input's size is made |
//! | Gumbel-max sampling | the noise is never stored; on flex drawn in parallel |
//! | AdamW's update | one pass over value, gradient and moments instead of thirteen |
//!
//! [`FusedOps`] is the seam: its default bodies run on every backend, a backend with better means
//! overrides them (flex, libtorch and the graphics processors' do), and `Autodiff` records one step for each.

mod adamw;
mod attention;
mod autodiff;
mod cross_entropy;
#[cfg(all(feature = "cube", not(feature = "fusion")))]
mod cube;
mod dropout;
mod embedding;
#[cfg(feature = "flex")]
mod flex;
mod functions;
mod gelu;
mod gumbel;
mod layer_norm;
mod linear;
mod maybe;
mod relative;
mod softmax;
mod sums;
#[cfg(feature = "tch")]
mod tch;
mod tied_linear;

use burn::backend::{
    Backend, backend_extension,
    tensor::{BoolTensor, FloatTensor, IntTensor},
};

pub use adamw::AdamWUpdate;
pub use attention::{
    AttentionGradients, AttentionInputs, AttentionState, Hidden, Places, PositionTerms,
};
pub use functions::{
    PositionTerm, adamw, add_relative, add_squared_sum, attention, cross_entropy, dropout,
    dropped_softmax, embedding, gelu, gumbel_argmax, layer_norm, linear, linear_gelu,
    residual_layer_norm, scaled_softmax, tied_linear,
};
pub use maybe::Maybe;
pub use relative::Terms;

/// The fused operations, for a backend. Methods that end in `backward` or `saving` serve the
/// gradients of the others.
#[backend_extension(
    Autodiff,
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    LibTorch: cfg(feature = "tch"),
    Cube: cfg(feature = "cube"),
    Remote: cfg(feature = "remote")
)]
pub trait FusedOps: Backend {
    /// x·Φ(x), Φ by the error function.
    fn gelu_erf(x: FloatTensor<Self>) -> FloatTensor<Self> {
        gelu::forward::<Self>(x)
    }

    /// The gradient of [`FusedOps::gelu_erf`] at `x`, times `grad`.
    fn gelu_erf_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        gelu::backward::<Self>(x, grad)
    }

    /// Softmax of `scale`·scores over the last axis.
    fn scaled_softmax(scores: FloatTensor<Self>, scale: f64) -> FloatTensor<Self> {
        softmax::scaled::<Self>(scores, scale)
    }

    /// [`FusedOps::scaled_softmax`] with the lowest finite number in place of the score where
    /// `is_hidden`, which broadcasts to the scores' shape.
    fn masked_softmax(
        scores: FloatTensor<Self>,
        is_hidden: BoolTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        softmax::masked::<Self>(scores, is_hidden, scale)
    }

    /// The gradient of both softmaxes towards the scores, from their output.
    fn softmax_backward(
        output: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        softmax::backward::<Self>(output, grad, scale)
    }

    /// [`FusedOps::masked_softmax`], of which entries are then dropped as by [`FusedOps::dropout`].
    fn dropped_softmax(
        scores: FloatTensor<Self>,
        is_hidden: BoolTensor<Self>,
        scale: f64,
        prob: f64,
    ) -> FloatTensor<Self> {
        Self::dropped_softmax_saving(scores, is_hidden, scale, prob).0
    }

    /// [`FusedOps::dropped_softmax`] with what its gradient needs: (output, softmax, what tells the dropped
    /// entries).
    fn dropped_softmax_saving(
        scores: FloatTensor<Self>,
        is_hidden: BoolTensor<Self>,
        scale: f64,
        prob: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        dropped_softmax_saving_composed::<Self>(scores, is_hidden, scale, prob)
    }

    /// The gradient towards the scores.
    fn dropped_softmax_backward(
        softmax: FloatTensor<Self>,
        dropped: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        scale: f64,
        prob: f64,
    ) -> FloatTensor<Self> {
        dropped_softmax_backward_composed::<Self>(softmax, dropped, grad, scale, prob)
    }

    /// Scores `[batch, heads, query_len, key_len]`, to each of which is added, for query i and key j,
    /// entry `rows[starts[i] + j]` of the terms of the one or the other.
    fn add_relative(
        scores: FloatTensor<Self>,
        terms: FloatTensor<Self>,
        rows: IntTensor<Self>,
        starts: IntTensor<Self>,
        kind: Terms,
    ) -> FloatTensor<Self> {
        relative::add::<Self>(scores, terms, rows, starts, kind)
    }

    /// The gradient towards the terms, `count` for each query or key. That towards the scores is
    /// `grad` itself.
    fn add_relative_backward(
        grad: FloatTensor<Self>,
        rows: IntTensor<Self>,
        starts: IntTensor<Self>,
        count: usize,
        kind: Terms,
    ) -> FloatTensor<Self> {
        relative::backward::<Self>(grad, rows, starts, count, kind)
    }

    /// gamma·(x − mean)/√(variance + epsilon) + beta over the last axis.
    fn layer_normalised(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        Self::layer_norm(x, gamma, Some(beta), epsilon)
    }

    /// [`FusedOps::layer_normalised`] with what the gradient needs: (output, normalised x,
    /// 1/√(variance + epsilon) as `[..., 1]`).
    fn layer_normalised_saving(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        layer_norm::forward_saving::<Self>(x, gamma, beta, epsilon)
    }

    /// The gradients towards (x, gamma, beta).
    fn layer_normalised_backward(
        normalised: FloatTensor<Self>,
        inverse_deviation: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        layer_norm::backward::<Self>(normalised, inverse_deviation, gamma, grad)
    }

    /// [`FusedOps::layer_normalised`] of residual + branch, entries of the branch dropped as by
    /// [`FusedOps::dropout`] before, none if `prob` is 0.
    fn residual_normalised(
        branch: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        prob: f64,
    ) -> FloatTensor<Self> {
        let branch = if prob > 0.0 {
            Self::dropout(branch, prob)
        } else {
            branch
        };
        Self::layer_normalised(Self::float_add(branch, residual), gamma, beta, epsilon)
    }

    /// [`FusedOps::residual_normalised`] with what the gradient needs: (output, normalised sum,
    /// 1/√(variance + epsilon) as `[..., 1]`, what tells the dropped entries if there are any).
    fn residual_normalised_saving(
        branch: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        prob: f64,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        residual_saving_composed::<Self>(branch, residual, gamma, beta, epsilon, prob)
    }

    /// The gradients towards (branch, residual, gamma, beta).
    fn residual_normalised_backward(
        normalised: FloatTensor<Self>,
        inverse_deviation: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        dropped: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        prob: f64,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        residual_backward_composed::<Self>(
            normalised,
            inverse_deviation,
            gamma,
            dropped,
            grad,
            prob,
        )
    }

    /// The output of attention: softmax of `scale`·(query·keyᵀ + terms by position), hidden keys left out
    /// and entries dropped as by [`FusedOps::dropout`] with probability `prob`, times the values.
    fn attended(
        #[extension_type] inputs: AttentionInputs<Self>,
        scale: f64,
        prob: f64,
    ) -> FloatTensor<Self> {
        Self::attended_saving(inputs, scale, prob).0
    }

    /// [`FusedOps::attended`] with what the gradient needs: (output, softmax, what tells the dropped
    /// entries if there are any).
    fn attended_saving(
        #[extension_type] inputs: AttentionInputs<Self>,
        scale: f64,
        prob: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        attended_saving_composed::<Self>(inputs, scale, prob)
    }

    /// The gradients towards all that [`FusedOps::attended`] is computed from.
    fn attended_backward(
        #[extension_type] state: AttentionState<Self>,
        grad: FloatTensor<Self>,
        scale: f64,
        prob: f64,
    ) -> AttentionGradients<Self> {
        attended_backward_composed::<Self>(state, grad, scale, prob)
    }

    /// x·weight + bias, weight being `[in, out]`.
    fn projected(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Maybe<Self>,
    ) -> FloatTensor<Self> {
        linear::forward::<Self>(x, weight, bias.into_option())
    }

    /// The gradient of [`FusedOps::projected`] towards x.
    fn projected_backward_x(
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        linear::towards_x::<Self>(weight, grad)
    }

    /// The gradient towards the weight.
    fn projected_backward_weight(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        linear::towards_weight::<Self>(x, grad)
    }

    /// The gradient towards the bias.
    fn projected_backward_bias(grad: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::towards_bias::<Self>(grad)
    }

    /// [`FusedOps::gelu_erf`] of x·weight + bias, weight being `[in, out]`.
    fn linear_gelu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        Self::linear_gelu_saving(x, weight, bias).0
    }

    /// [`FusedOps::linear_gelu`] with what the gradient needs: (output, what GELU acted on, with the bias or
    /// without it as the backend likes).
    fn linear_gelu_saving(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let before = Self::projected(x, weight, Maybe::Present(bias));
        (Self::gelu_erf(before.clone()), before)
    }

    /// The gradient towards x·weight + bias, from the second result of [`FusedOps::linear_gelu_saving`].
    fn linear_gelu_backward(
        before: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let _ = bias;
        Self::gelu_erf_backward(before, grad)
    }

    /// Zero with probability `prob`, else x/(1 − `prob`).
    fn dropout(x: FloatTensor<Self>, prob: f64) -> FloatTensor<Self> {
        Self::dropout_saving(x, prob).0
    }

    /// [`FusedOps::dropout`] with whatever the backend needs to drop the same entries again.
    fn dropout_saving(x: FloatTensor<Self>, prob: f64) -> (FloatTensor<Self>, FloatTensor<Self>) {
        dropout::forward_saving::<Self>(x, prob)
    }

    /// The gradient of [`FusedOps::dropout_saving`], from the second of its results.
    fn dropout_backward(
        saved: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        prob: f64,
    ) -> FloatTensor<Self> {
        let _ = prob;
        dropout::backward::<Self>(saved, grad)
    }

    /// `Σ weightᵢ·(logsumexp(logitsᵢ) − logitsᵢ[labelᵢ])` as `[1]`.
    fn cross_entropy(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
        weights: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        Self::cross_entropy_saving(logits, labels, weights).0
    }

    /// [`FusedOps::cross_entropy`] with what the gradient needs: (sum, logsumexp of each row as
    /// `[n, 1]`).
    fn cross_entropy_saving(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
        weights: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        cross_entropy::forward_saving::<Self>(logits, labels, weights)
    }

    /// The gradient towards the logits.
    fn cross_entropy_backward(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
        weights: FloatTensor<Self>,
        log_sums: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        cross_entropy::backward::<Self>(logits, labels, weights, log_sums, grad)
    }

    /// The rows `ids`, `[batch, seq_len]`, of a table.
    fn embedded(table: FloatTensor<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        embedding::forward::<Self>(table, ids)
    }

    /// The gradient towards the table, which is given for its shape.
    fn embedded_backward(
        table: FloatTensor<Self>,
        ids: IntTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        embedding::backward::<Self>(table, ids, grad)
    }

    /// x·tableᵀ + bias.
    fn tied_linear(
        x: FloatTensor<Self>,
        table: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let weight = Self::float_swap_dims(table, 0, 1);
        Self::projected(x, weight, Maybe::Present(bias))
    }

    /// before + Σ xᵢ² as `[1]`. No gradient is recorded.
    fn add_squared_sum(before: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        sums::add_squared_sum::<Self>(before, x)
    }

    /// For each row of scores `[n, classes]` the place of the largest after independent Gumbel noise
    /// is added to all of them: `[n]`. No gradient is recorded.
    fn gumbel_argmax(scores: FloatTensor<Self>) -> IntTensor<Self> {
        gumbel::argmax::<Self>(scores)
    }

    /// (value, first moment, second moment) after one update of AdamW. No gradient is recorded.
    fn adamw(
        value: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        update: AdamWUpdate,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        adamw::update::<Self>(value, gradient, first, second, update)
    }
}

#[cfg(feature = "ndarray")]
impl FusedOps for burn::backend::NdArray {}

// Burn's fusion joins the composed forms by itself, and its backend is of another type.
#[cfg(all(feature = "cube", feature = "fusion"))]
impl FusedOps for burn::backend::Cube {}

#[cfg(feature = "remote")]
impl FusedOps for burn::backend::Remote {}

/// [`FusedOps::dropped_softmax_saving`] of operations that every backend has.
fn dropped_softmax_saving_composed<B: FusedOps>(
    scores: FloatTensor<B>,
    is_hidden: BoolTensor<B>,
    scale: f64,
    prob: f64,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let softmax = B::masked_softmax(scores, is_hidden, scale);
    let (output, dropped) = B::dropout_saving(softmax.clone(), prob);
    (output, softmax, dropped)
}

/// [`FusedOps::dropped_softmax_backward`] of operations that every backend has.
fn dropped_softmax_backward_composed<B: FusedOps>(
    softmax: FloatTensor<B>,
    dropped: FloatTensor<B>,
    grad: FloatTensor<B>,
    scale: f64,
    prob: f64,
) -> FloatTensor<B> {
    B::softmax_backward(softmax, B::dropout_backward(dropped, grad, prob), scale)
}

/// [`FusedOps::residual_normalised_saving`] of operations that every backend has; where nothing is dropped
/// the last result is of no meaning.
fn residual_saving_composed<B: FusedOps>(
    branch: FloatTensor<B>,
    residual: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    epsilon: f64,
    prob: f64,
) -> (
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
) {
    let (branch, dropped) = if prob > 0.0 {
        let (branch, dropped) = B::dropout_saving(branch, prob);
        (branch, Some(dropped))
    } else {
        (branch, None)
    };
    let sum = B::float_add(branch, residual);
    let (output, normalised, inverse) = B::layer_normalised_saving(sum, gamma, beta, epsilon);
    let dropped = dropped.unwrap_or_else(|| inverse.clone());
    (output, normalised, inverse, dropped)
}

/// [`FusedOps::residual_normalised_backward`] of operations that every backend has.
fn residual_backward_composed<B: FusedOps>(
    normalised: FloatTensor<B>,
    inverse_deviation: FloatTensor<B>,
    gamma: FloatTensor<B>,
    dropped: FloatTensor<B>,
    grad: FloatTensor<B>,
    prob: f64,
) -> (
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
) {
    let (towards_sum, towards_gamma, towards_beta) =
        B::layer_normalised_backward(normalised, inverse_deviation, gamma, grad);
    let towards_branch = if prob > 0.0 {
        B::dropout_backward(dropped, towards_sum.clone(), prob)
    } else {
        towards_sum.clone()
    };
    (towards_branch, towards_sum, towards_gamma, towards_beta)
}

/// (output, softmax, what tells the dropped entries).
fn attended_saving_composed<B: FusedOps>(
    inputs: AttentionInputs<B>,
    scale: f64,
    prob: f64,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let scores = B::float_matmul(inputs.query, B::float_swap_dims(inputs.key, 2, 3));
    let scores = with_terms(inputs.by_query, scores, Terms::OfQuery);
    let scores = with_terms(inputs.by_key, scores, Terms::OfKey);
    let (probabilities, softmax, dropped) = match inputs.hidden {
        Hidden::Mask(is_hidden) if prob > 0.0 => {
            B::dropped_softmax_saving(scores, is_hidden, scale, prob)
        }
        hidden => {
            let softmax = match hidden {
                Hidden::Mask(is_hidden) => B::masked_softmax(scores, is_hidden, scale),
                Hidden::Nothing => B::scaled_softmax(scores, scale),
            };
            let (probabilities, dropped) = if prob > 0.0 {
                B::dropout_saving(softmax.clone(), prob)
            } else {
                (softmax.clone(), softmax.clone())
            };
            (probabilities, softmax, dropped)
        }
    };
    let output = B::float_matmul(probabilities, inputs.value);
    (output, softmax, dropped)
}

/// With P the softmax, D what is left of it after entries are dropped, and G the gradient towards the
/// output: towards the value Dᵀ·G, towards D G·valueᵀ; the rest is that of the softmax and of the product.
fn attended_backward_composed<B: FusedOps>(
    state: AttentionState<B>,
    grad: FloatTensor<B>,
    scale: f64,
    prob: f64,
) -> AttentionGradients<B> {
    let AttentionState {
        query,
        key,
        value,
        softmax,
        dropped,
        by_query,
        by_key,
    } = state;
    let towards_probabilities = B::float_matmul(grad.clone(), B::float_swap_dims(value, 2, 3));
    let (probabilities, towards_scores) = if prob > 0.0 {
        (
            // Dropping is linear: it is its own gradient.
            B::dropout_backward(dropped.clone(), softmax.clone(), prob),
            B::dropped_softmax_backward(softmax, dropped, towards_probabilities, scale, prob),
        )
    } else {
        let towards = B::softmax_backward(softmax.clone(), towards_probabilities, scale);
        (softmax, towards)
    };
    AttentionGradients {
        value: B::float_matmul(B::float_swap_dims(probabilities, 2, 3), grad),
        by_query: terms_gradient(by_query, &towards_scores, Terms::OfQuery),
        by_key: terms_gradient(by_key, &towards_scores, Terms::OfKey),
        key: B::float_matmul(B::float_swap_dims(towards_scores.clone(), 2, 3), query),
        query: B::float_matmul(towards_scores, key),
    }
}

/// Scores with their terms by position.
fn with_terms<B: FusedOps>(
    terms: PositionTerms<B>,
    scores: FloatTensor<B>,
    kind: Terms,
) -> FloatTensor<B> {
    match terms {
        PositionTerms::Absent => scores,
        PositionTerms::Present {
            terms,
            rows,
            starts,
        } => B::add_relative(scores, terms, rows, starts, kind),
    }
}

/// The gradient towards terms by position, if there are any.
fn terms_gradient<B: FusedOps>(
    places: Places<B>,
    towards_scores: &FloatTensor<B>,
    kind: Terms,
) -> Maybe<B> {
    match places {
        Places::Absent => Maybe::Absent,
        Places::Present {
            rows,
            starts,
            count,
        } => Maybe::Present(B::add_relative_backward(
            towards_scores.clone(),
            rows,
            starts,
            count,
            kind,
        )),
    }
}

#[cfg(test)]
mod tests;
