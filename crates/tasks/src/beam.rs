//! XLNet's head for spans with a beam: where a span starts, where it ends if it starts there, and whether
//! there is one at all (Yang et al. 2019, appendix A.3.2; Hugging Face `XLNetPoolerStartLogits`,
//! `XLNetPoolerEndLogits`, `XLNetPoolerAnswerClass`).
//!
//! With h a token's hidden state, s that of the token where the span starts, c that of `<cls>`:
//!
//! ```text
//! start  = dense(h)
//! end    = dense_1(LayerNorm(tanh(dense_0([h; s]))))
//! answer = dense_1(tanh(dense_0([s; c])))
//! ```
//!
//! In training s is the state at the true start. In a search each of the best starts has ends of its own,
//! and the answer's s is the mean of all states, weighed by how probable a start each is.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor, assert_shape};
use kiln_nn::fused::linear;
use kiln_nn::{Init, LayerNorm, gather_positions, like, project, widened};

/// What the logit of a position becomes that cannot be an answer: its probability is 0.
const IMPOSSIBLE: f64 = -1e30;

/// Where a span starts.
#[derive(Module, Debug)]
pub struct StartLogits {
    dense: Linear,
}

/// Where a span ends, of which the start is known.
#[derive(Module, Debug)]
pub struct EndLogits {
    dense_0: Linear,
    layer_norm: LayerNorm,
    dense_1: Linear,
}

/// Whether there is no span.
#[derive(Module, Debug)]
pub struct AnswerClass {
    dense_0: Linear,
    dense_1: Linear,
}

/// All three.
#[derive(Module, Debug)]
pub struct SpanBeam {
    start_logits: StartLogits,
    end_logits: EndLogits,
    answer_class: AnswerClass,
}

/// What a search finds in each sequence.
#[derive(Debug, Clone)]
pub struct Found {
    /// `[batch, starts]`, the probabilities of the best starts, falling; Hugging Face calls them
    /// logarithms.
    pub start_probabilities: Tensor<2>,
    /// `[batch, starts]`, their positions.
    pub starts: Tensor<2, Int>,
    /// `[batch, ends, starts]`, the probabilities of the best ends for each start: the best of each
    /// start, then the second best of each.
    pub end_probabilities: Tensor<3>,
    /// `[batch, ends, starts]`, their positions.
    pub ends: Tensor<3, Int>,
    /// `[batch]`, the logit of there being no answer.
    pub no_answer: Tensor<1>,
}

impl SpanBeam {
    /// Draws the head, of hidden states that are `width` wide.
    pub fn new(width: usize, layer_norm_eps: f64, init: &mut Init) -> Self {
        Self {
            start_logits: StartLogits {
                dense: init.linear(width, 1),
            },
            end_logits: EndLogits {
                dense_0: init.linear(2 * width, width),
                layer_norm: init.layer_norm(width, layer_norm_eps),
                dense_1: init.linear(width, 1),
            },
            answer_class: AnswerClass {
                dense_0: init.linear(2 * width, width),
                dense_1: init.linear_without_bias(width, 1),
            },
        }
    }

    /// How well each token starts a span.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, width]`
    /// - `p_mask`: `[batch, seq_len]`, 1 where no answer can be
    /// - returns `[batch, seq_len]`
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn start(&self, hidden_states: Tensor<3>, p_mask: Option<&Tensor<2>>) -> Tensor<2> {
        let logits = project(&self.start_logits.dense, hidden_states);
        masked(logits.squeeze_dim::<2>(2), p_mask.cloned())
    }

    /// How well each token ends a span, for each of some starts.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, width]`
    /// - `starts`: `[batch, starts]`, positions
    /// - `p_mask`: `[batch, seq_len]`, 1 where no answer can be
    /// - returns `[batch, starts, seq_len]`
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn ends(
        &self,
        hidden_states: Tensor<3>,
        starts: Tensor<2, Int>,
        p_mask: Option<&Tensor<2>>,
    ) -> Tensor<3> {
        let [batch, seq_len, width] = hidden_states.dims();
        let [_, num_starts] = starts.dims();
        assert_shape!(starts, [batch, num_starts]);
        let start_states = gather_positions(hidden_states.clone(), starts);
        let head = &self.end_logits;
        // The product with [h; s] is one with h and one with s, each made once.
        let weight = head.dense_0.weight.val();
        let half = |index: usize| weight.clone().narrow(0, index * width, width);
        let bias = head.dense_0.bias.as_ref().map(Param::val);
        let of_tokens = linear(hidden_states, half(0), bias);
        let of_starts = linear(start_states, half(1), None);
        let hidden = of_tokens.unsqueeze_dim::<4>(1) + of_starts.unsqueeze_dim::<4>(2);
        let hidden = head.layer_norm.forward(hidden.tanh());
        let logits = project(&head.dense_1, hidden).squeeze_dim::<3>(3);
        let p_mask = p_mask.map(|mask| {
            let mask = mask.clone().unsqueeze_dim::<3>(1);
            mask.expand([batch, num_starts, seq_len])
        });
        masked(logits, p_mask)
    }

    /// The logit of there being no answer, from the state at a span's start and that of `<cls>`.
    ///
    /// # Shapes
    /// - `start_states`, `cls_states`: `[batch, width]`
    /// - returns `[batch]`
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn no_answer(&self, start_states: Tensor<2>, cls_states: Tensor<2>) -> Tensor<1> {
        let both = Tensor::cat(vec![start_states, cls_states], 1);
        let hidden = project(&self.answer_class.dense_0, both).tanh();
        self.answer_class
            .dense_1
            .forward(hidden)
            .squeeze_dim::<1>(1)
    }

    /// Searches the best starts, and the best ends for each of them; fewer where a sequence has not so
    /// many tokens.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, width]`
    /// - `p_mask`: `[batch, seq_len]`, 1 where no answer can be
    /// - `cls_index`: `[batch]`, the position of `<cls>`; none: the last one
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn search(
        &self,
        hidden_states: Tensor<3>,
        p_mask: Option<&Tensor<2>>,
        cls_index: Option<&Tensor<1, Int>>,
        [start_n_top, end_n_top]: [usize; 2],
    ) -> Found {
        let start_shares = softmax(widened(self.start(hidden_states.clone(), p_mask)), 1);
        let starts = best(start_shares.clone(), start_n_top, 1);
        let end_logits = self.ends(hidden_states.clone(), starts.clone(), p_mask);
        let end_shares = softmax(widened(end_logits), 2);
        let ends = best(end_shares.clone(), end_n_top, 2);
        let weights = like(start_shares.clone(), &hidden_states).unsqueeze_dim::<3>(1);
        let start_states = weights.matmul(hidden_states.clone()).squeeze_dim::<2>(1);
        Found {
            start_probabilities: start_shares.gather(1, starts.clone()),
            starts,
            end_probabilities: end_shares.gather(2, ends.clone()).swap_dims(1, 2),
            ends: ends.swap_dims(1, 2),
            no_answer: self.no_answer(start_states, states_at(hidden_states, cls_index)),
        }
    }
}

/// The positions of the `count` largest along `axis`, falling; of all where there are fewer.
fn best<const D: usize>(shares: Tensor<D>, count: usize, axis: usize) -> Tensor<D, Int> {
    let there = shares.dims().get(axis).copied().unwrap_or_default();
    // Not `argtopk`, which not every backend has, and which refuses to take all.
    let (_, positions) = shares.detach().topk_with_indices(count.min(there), axis);
    positions
}

/// The hidden states at a position of each sequence, the last one where none is given.
///
/// # Shapes
/// - `hidden_states`: `[batch, seq_len, width]`
/// - `positions`: `[batch]`
/// - returns `[batch, width]`
///
/// # Panics
/// If those shapes do not hold: the caller's mistake.
pub fn states_at(hidden_states: Tensor<3>, positions: Option<&Tensor<1, Int>>) -> Tensor<2> {
    let [_, seq_len, _] = hidden_states.dims();
    let states = match positions {
        Some(positions) => {
            let positions = positions.clone().unsqueeze_dim::<2>(1);
            gather_positions(hidden_states, positions)
        }
        None => hidden_states.narrow(1, seq_len.saturating_sub(1), 1),
    };
    states.squeeze_dim::<2>(1)
}

fn masked<const D: usize>(logits: Tensor<D>, mask: Option<Tensor<D>>) -> Tensor<D> {
    let Some(mask) = mask else { return logits };
    let mask = like(mask, &logits);
    let hidden = mask.clone().mul_scalar(IMPOSSIBLE);
    logits * mask.neg().add_scalar(1.0) + hidden
}
