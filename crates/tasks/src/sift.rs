//! SiFT, scale-invariant fine-tuning (He et al. 2021, DeBERTa): a classifier learns to predict the
//! same when its normalised embeddings are disturbed a little.
//!
//! With x the embedding sum of a batch, N LayerNorm without gain and shift, and z the logits of what
//! is put before the embeddings' own LayerNorm:
//!
//! ```text
//! t    = z(N(x))                                              clean pass: the task's loss is t's
//! δ₀   ~ N(0, σ), kept within ±2σ
//! g    = d/dδ₀ Σ rows ascent loss(z(N(x) + δ₀), t)            nothing else gets a gradient
//! δ₁   = δ₀ + η g / (1e-6 + max |g|)                          the maximum over each token's axis
//! loss = task loss + λ mean over rows symmetric(z(N(x) + δ₁), t)
//! ```
//!
//! N(x) is a constant in the perturbed passes, so the embeddings learn from the clean pass alone: from
//! the task's loss, and from the last term through t. N stands there in the clean pass as well, in
//! training and in evaluation; it has no parameters, and the model's own LayerNorm after it makes
//! nearly the same of N(x) as of x, so a checkpoint needs no trace of it.
//!
//! An architecture whose embeddings end in no LayerNorm (XLNet: [`crate::Encoder::NORMALISES_EMBEDDINGS`])
//! would be another model behind N. Its clean pass reads x as it is, and the perturbed ones read
//!
//! ```text
//! x + s δ = m + s (N(x) + δ)                    m and s: the mean and the deviation that N takes out
//! ```
//!
//! which is the same disturbance of the normalised embeddings, brought back to the scale of x; x and s are
//! constants there. The paper has no such models: the form is Kiln's.
//!
//! An embedding sum becomes what the clean pass reads, and its scale, by [`Disturbed`]; the rest of the
//! model is the closure that [`CleanPass`]' methods take. Every draw, dropout's as well, is the device's:
//! the learner seeds it.

use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Distribution, FloatDType, Tensor, assert_shape};
use kiln_learner::{ConstantGuess, TermSpec};
use kiln_nn::{fused, widened};
use serde::{Deserialize, Serialize};

/// Inside the root of N; the original's.
const EPSILON: f64 = 1e-7;

/// Added to the largest entry of a token's gradient: one of zeros moves nothing. Not so small as it
/// looks: at the start, when t is flat, gradients are smaller, and the step falls short of η.
const DIVISION_FLOOR: f64 = 1e-6;

/// δ₀ stays within this many σ.
const CUT: f64 = 2.0;

/// How much and in which way the embeddings are disturbed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiftSettings {
    /// λ, what the term is multiplied by in the loss.
    pub weight: f64,
    /// η, how far a token's perturbation moves along its steepest axis.
    pub step_size: f64,
    /// σ, the deviation that the perturbation is drawn with.
    pub init_perturbation: f64,
    /// What the step climbs.
    pub ascent_loss: AscentLoss,
}

/// What the ascent step makes larger. The term in the loss is the symmetric one whatever is chosen
/// here, as in the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AscentLoss {
    /// Cross-entropies both ways. The clean logits are constant in the ascent, and so is the side
    /// that weighs: its gradient is [`AscentLoss::Kl`]'s.
    SymmetricKl,
    /// Cross-entropy of the perturbed logits against the clean prediction.
    Kl,
    /// Squared difference of the logits, a mean over the labels.
    Mse,
}

impl Default for SiftSettings {
    /// What the paper's larger models are fine-tuned on MNLI with.
    fn default() -> Self {
        Self {
            weight: 5.0,
            step_size: 1e-4,
            init_perturbation: 1e-2,
            ascent_loss: AscentLoss::SymmetricKl,
        }
    }
}

impl SiftSettings {
    /// Refuses settings that disturb nothing or can't be computed with.
    ///
    /// # Errors
    /// A sentence that names the field, its value and the remedy.
    pub fn validate(&self) -> Result<(), String> {
        for (field, value, published) in [
            ("sift.weight", self.weight, 5.0),
            ("sift.init_perturbation", self.init_perturbation, 1e-2),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return Err(format!(
                    "{field} = {value}: a number above 0, e.g. {published}; leave SiFT out to do \
                     without it"
                ));
            }
        }
        if !(self.step_size.is_finite() && self.step_size >= 0.0) {
            return Err(format!(
                "sift.step_size = {}: a number from 0 (no ascent, noise alone) up, e.g. 1e-4",
                self.step_size
            ));
        }
        Ok(())
    }

    /// The term that an objective lists for SiFT; its sum is [`CleanPass::sift_sum`], its weight the
    /// sum of the row weights.
    pub fn term(&self, part: usize) -> TermSpec {
        TermSpec {
            constant: ConstantGuess::Untold,
            name: "sift_loss",
            part,
            coefficient: self.weight,
            is_perplexity: false,
        }
    }

    /// δ₀: N(0, σ) in each entry, kept within ±2σ.
    ///
    /// # Shapes
    /// - `embedded`: `[batch, seq_len, hidden_size]`, for its shape and device
    /// - returns the same, in float32 at least
    pub fn draw(&self, embedded: &Tensor<3>) -> Tensor<3> {
        let sigma = self.init_perturbation;
        let noise = Tensor::random(
            embedded.dims(),
            Distribution::Normal(0.0, sigma),
            &embedded.device(),
        );
        widened(noise).clamp(-CUT * sigma, CUT * sigma)
    }
}

/// N: each token's embedding sum brought to mean 0 and variance 1.
///
/// # Shapes
/// - `embedded`: `[batch, seq_len, hidden_size]`, the sum before the embeddings' own LayerNorm
/// - returns the same, to stand in its place
pub fn normalise(embedded: Tensor<3>) -> Tensor<3> {
    let [_, _, hidden_size] = embedded.dims();
    let options = (&embedded.device(), embedded.dtype());
    let gain = Tensor::ones([hidden_size], options);
    let shift = Tensor::zeros([hidden_size], options);
    fused::layer_norm(embedded, gain, shift, EPSILON)
}

/// What the passes read in the place of an embedding sum.
#[derive(Debug, Clone)]
pub struct Disturbed {
    /// What the clean pass reads, `[batch, seq_len, hidden_size]`, with its graph.
    pub embedded: Tensor<3>,
    /// s, what a perturbation is multiplied by, `[batch, seq_len, 1]`, a constant; none: it is 1.
    pub scale: Option<Tensor<3>>,
}

impl Disturbed {
    /// N(x), for embeddings that end in a LayerNorm.
    ///
    /// # Shapes
    /// - `sum`: `[batch, seq_len, hidden_size]`, x
    pub fn normalised(sum: Tensor<3>) -> Self {
        Self {
            embedded: normalise(sum),
            scale: None,
        }
    }

    /// x itself and its deviation s, for embeddings that the layers read as they are.
    ///
    /// # Shapes
    /// - `sum`: `[batch, seq_len, hidden_size]`, x
    pub fn in_its_scale(sum: Tensor<3>) -> Self {
        let constant = widened(sum.clone().detach());
        let centred = constant.clone() - constant.mean_dim(2);
        let scale = (centred.square().mean_dim(2) + EPSILON).sqrt();
        Self {
            embedded: sum,
            scale: Some(scale),
        }
    }
}

/// What the clean pass leaves to the perturbed ones.
#[derive(Debug, Clone)]
pub struct CleanPass {
    /// What it has read.
    pub read: Disturbed,
    /// `[rows, num_labels]`, with their graph: rows are sequences, or tokens to be tagged. One label
    /// is a number to be predicted.
    pub logits: Tensor<2>,
    /// `[rows]`, 1, or 0 for a row that does not count; no gradient goes there.
    pub row_weights: Tensor<1>,
}

impl CleanPass {
    /// λ's factor, as a sum over rows: climbs from δ₀ to δ₁, and compares the predictions.
    ///
    /// `logits_of` is the model from the embeddings' LayerNorm on: from `[batch, seq_len,
    /// hidden_size]` to `[rows, num_labels]`. It runs twice, and must use the model it is given: the
    /// first time that is one whose parameters are constants.
    ///
    /// # Shapes
    /// - `start`: `[batch, seq_len, hidden_size]`, as [`SiftSettings::draw`] gives it
    /// - returns `[1]`
    ///
    /// # Panics
    /// If the shapes do not fit each other, or outside of training: there is nothing to learn from
    /// the term on a plain device.
    pub fn sift_sum<M: Module>(
        self,
        settings: &SiftSettings,
        start: Tensor<3>,
        model: &M,
        logits_of: impl Fn(&M, Tensor<3>) -> Tensor<2>,
    ) -> Tensor<1> {
        let delta = self.climb(settings, start, model, &logits_of);
        self.perturbed_sum(delta, model, &logits_of)
    }

    /// δ₁: one step from δ₀ towards where the predictions differ most. δ₀ where the step's length
    /// is not a number.
    ///
    /// The rows' losses are added up, so a row's step does not depend on its batch. (The original
    /// does so for both cross-entropies, but takes the mean of `mse` over the batch.)
    ///
    /// # Shapes
    /// - `start`: `[batch, seq_len, hidden_size]`, as [`SiftSettings::draw`] gives it
    /// - returns the same, a constant
    ///
    /// # Panics
    /// As [`Self::sift_sum`].
    pub fn climb<M: Module>(
        &self,
        settings: &SiftSettings,
        start: Tensor<3>,
        model: &M,
        logits_of: impl Fn(&M, Tensor<3>) -> Tensor<2>,
    ) -> Tensor<3> {
        let [batch, seq_len, hidden_size] = self.read.embedded.dims();
        assert_shape!(start, [batch, seq_len, hidden_size]);
        // Constants, and not merely unread: a graph that reaches parameters stays in memory until a
        // backward pass through them comes by, and would cost their gradients. Dropout acts all the
        // same.
        let frozen = model.clone().no_grad();
        let start = start.detach();
        let delta = start.clone().require_grad();
        let perturbed = logits_of(&frozen, self.perturbed(delta.clone()));
        let clean = self.logits.clone().detach();
        let rows = ascent_rows(settings.ascent_loss, perturbed, clean);
        let mut gradients = (rows * self.row_weights.clone()).sum().backward();

        let start = start.inner();
        let Some(slope) = delta.grad_remove(&mut gradients) else {
            // The logits do not depend on the embeddings.
            return start;
        };
        let largest = slope.clone().abs().max_dim(2);
        let step = slope.clone() / (largest + DIVISION_FLOOR);
        let moved = start.clone() + step.mul_scalar(settings.step_size);
        let norm = slope.square().sum_dim(2).sum().sqrt();
        let is_lost = norm.is_finite().bool_not().reshape([1, 1, 1]);
        moved.mask_where(is_lost.expand(start.dims()), start)
    }

    /// λ's factor for a given δ₁, as a sum over rows.
    ///
    /// # Shapes
    /// - `delta`: `[batch, seq_len, hidden_size]`, a constant
    /// - returns `[1]`
    ///
    /// # Panics
    /// As [`Self::sift_sum`].
    pub fn perturbed_sum<M: Module>(
        self,
        delta: Tensor<3>,
        model: &M,
        logits_of: impl Fn(&M, Tensor<3>) -> Tensor<2>,
    ) -> Tensor<1> {
        let perturbed = logits_of(model, self.perturbed(delta));
        (difference_rows(perturbed, self.logits) * self.row_weights).sum()
    }

    /// What the clean pass has read, a constant, and s δ; added in float32 at least, handed on as the model
    /// computes.
    fn perturbed(&self, delta: Tensor<3>) -> Tensor<3> {
        let Disturbed { embedded, scale } = &self.read;
        let delta = match scale {
            Some(scale) => delta * scale.clone(),
            None => delta,
        };
        let precision = FloatDType::from(embedded.dtype());
        let sum = widened(embedded.clone().detach()) + delta;
        match sum.dtype() == embedded.dtype() {
            true => sum,
            false => sum.cast(precision),
        }
    }
}

/// How far apart two predictions are, symmetrically, row by row; gradients go to both.
///
/// Classes: CE(softmax clean, perturbed) + CE(softmax perturbed, clean), the first argument of each a
/// constant. Its gradient is that of KL(clean ‖ perturbed) + KL(perturbed ‖ clean) so weighed; its
/// value has both entropies on top, 2 ln(num_labels) for flat predictions. A single label has no
/// softmax: there the squared difference. (The original takes the softmax over the batch then.)
///
/// # Shapes
/// - `perturbed`, `clean`: `[rows, num_labels]`
/// - returns `[rows]`
///
/// # Panics
/// If those shapes do not hold: the caller's mistake.
pub fn difference_rows(perturbed: Tensor<2>, clean: Tensor<2>) -> Tensor<1> {
    let [rows, num_labels] = clean.dims();
    assert_shape!(perturbed, [rows, num_labels]);
    let (perturbed, clean) = (widened(perturbed), widened(clean));
    if num_labels == 1 {
        return squared_rows(perturbed, clean);
    }
    let (perturbed, clean) = (log_softmax(perturbed, 1), log_softmax(clean, 1));
    let forwards = cross_entropy_rows(clean.clone(), perturbed.clone());
    let backwards = cross_entropy_rows(perturbed, clean);
    forwards + backwards
}

/// What the ascent climbs, `[rows]`; `clean` is a constant.
fn ascent_rows(loss: AscentLoss, perturbed: Tensor<2>, clean: Tensor<2>) -> Tensor<1> {
    let [_, num_labels] = clean.dims();
    match loss {
        AscentLoss::SymmetricKl => difference_rows(perturbed, clean),
        AscentLoss::Kl if num_labels > 1 => cross_entropy_rows(
            log_softmax(widened(clean), 1),
            log_softmax(widened(perturbed), 1),
        ),
        AscentLoss::Kl | AscentLoss::Mse => squared_rows(widened(perturbed), widened(clean)),
    }
}

/// −Σ p log q over each row's labels, from log p, a constant here, and log q.
fn cross_entropy_rows(log_shares: Tensor<2>, log_softmax: Tensor<2>) -> Tensor<1> {
    let shares = log_shares.detach().exp();
    (shares * log_softmax).sum_dim(1).squeeze_dim::<1>(1).neg()
}

/// The mean over each row's labels of the squared difference.
fn squared_rows(left: Tensor<2>, right: Tensor<2>) -> Tensor<1> {
    (left - right).square().mean_dim(1).squeeze_dim::<1>(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_disturb_nothing_are_refused_by_name() {
        assert!(SiftSettings::default().validate().is_ok());
        let refused = |change: fn(&mut SiftSettings)| {
            let mut settings = SiftSettings::default();
            change(&mut settings);
            settings.validate().unwrap_err()
        };
        assert!(refused(|sift| sift.weight = 0.0).starts_with("sift.weight = 0"));
        assert!(refused(|sift| sift.weight = f64::NAN).starts_with("sift.weight = NaN"));
        assert!(refused(|sift| sift.step_size = -1.0).starts_with("sift.step_size = -1"));
        assert!(
            refused(|sift| sift.init_perturbation = f64::INFINITY)
                .starts_with("sift.init_perturbation = inf")
        );
    }

    #[test]
    fn settings_are_written_by_the_published_names() {
        let text = serde_json::to_value(SiftSettings::default()).unwrap();
        assert_eq!(text["ascent_loss"], "symmetric-kl");
        let back: SiftSettings = serde_json::from_value(text).unwrap();
        assert_eq!(back, SiftSettings::default());
    }
}
