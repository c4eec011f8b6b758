//! Operations that Burn composes of many tracked steps, or whose gradient it has wrong, as one step
//! each with a gradient written by hand.
//!
//! | operation | why |
//! | --- | --- |
//! | GELU (error function) | Burn's gradient on ndarray and the GPU backends is that of the tanh form |
//! | scaled, masked softmax | one pass instead of eight; backward needs the output alone |
//! | LayerNorm | one pass instead of eight; backward needs one tensor of the input's size |
//! | dropout | two passes less; on flex random numbers in parallel, and drawn again instead of kept |
//! | scores by relative position | added in place; backward needs nothing but the index |
//! | weighted cross-entropy | never stores log-probabilities, vocabulary-sized, beside the logits |
//! | projection to a tied table | the table's gradient comes in the table's own order of memory |
//! | sum of squares | one pass, nothing of the input's size is made |
//! | Gumbel-max sampling | the noise is never stored; on flex drawn in parallel |
//! | AdamW's update | one pass over value, gradient and moments instead of thirteen |
//!
//! [`FusedOps`] is the seam: its default bodies run on every backend, a backend with better means
//! overrides them (flex and libtorch do), and `Autodiff` records one step for each.

mod adamw;
mod autodiff;
mod cross_entropy;
mod dropout;
#[cfg(feature = "flex")]
mod flex;
mod gelu;
mod gumbel;
mod layer_norm;
mod relative;
mod softmax;
#[cfg(feature = "tch")]
mod tch;
mod tied_linear;

use burn::backend::{
    Backend, Dispatch, TensorMetadata, backend_extension,
    tensor::{BoolTensor, FloatTensor, IntTensor},
};
use burn::tensor::{Bool, Int, Tensor};

pub use adamw::AdamWUpdate;
pub use relative::Terms;

/// The fused operations, for a backend. Methods that end in `backward` or `saving` serve the
/// gradients of the others.
#[backend_extension(
    Autodiff,
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    LibTorch: cfg(feature = "tch"),
    Cube: cfg(any(
        feature = "wgpu", feature = "vulkan", feature = "metal",
        feature = "webgpu", feature = "cuda", feature = "rocm"
    )),
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

    /// x·tableᵀ + bias.
    fn tied_linear(
        x: FloatTensor<Self>,
        table: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        tied_linear::forward::<Self>(x, table, bias)
    }

    /// Σ xᵢ² as `[1]`. No gradient is recorded.
    fn squared_sum(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let last = x.shape().num_dims() - 1;
        // In two stages: flex's sum over millions of elements depends on the threads' timing.
        Self::float_sum(Self::float_sum_dim(Self::float_mul(x.clone(), x), last))
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

#[cfg(any(
    feature = "wgpu",
    feature = "vulkan",
    feature = "metal",
    feature = "webgpu",
    feature = "cuda",
    feature = "rocm"
))]
impl FusedOps for burn::backend::Cube {}

#[cfg(feature = "remote")]
impl FusedOps for burn::backend::Remote {}

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

/// Σ xᵢ², the squared Euclidean norm; the same to the last bit whatever the number of threads.
///
/// # Shapes
/// Any; returns `[1]`. The input is not tracked.
pub fn squared_sum<const D: usize>(input: Tensor<D>) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::squared_sum(input.into_dispatch()))
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

#[cfg(test)]
mod tests;
