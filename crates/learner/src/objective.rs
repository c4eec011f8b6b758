//! What the learner asks of an objective, and all it knows of one.

use std::fmt::Debug;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use kiln_checkpoint::{NamedTensor, OpenError, WriteError};
use kiln_text::HostBatch;

/// One term of the loss: the learner divides its sum over a whole step by the step's weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TermSpec {
    /// The key in `metrics.jsonl`, ending in `_loss`, e.g. `mlm_loss`.
    pub name: &'static str,
    /// The part whose backward pass it belongs to.
    pub part: usize,
    /// What the mean is multiplied by in the part's loss.
    pub coefficient: f64,
    /// Whether exp(loss) is a perplexity worth showing.
    pub is_perplexity: bool,
    /// What a model that has learned nothing would guess.
    pub constant: ConstantGuess,
}

/// The best guess that never looks at the input: a term whose loss stays at what that loses is told
/// to have learned nothing (`watch.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstantGuess {
    /// No guess is told, because there is none or models stay at it for long anyway.
    Untold,
    /// A label, by how frequent each one is.
    Frequencies {
        /// The labels' whole-number buffer in the host's batch.
        labels: &'static str,
        /// The buffer of their weights; 0: not scored.
        weights: &'static str,
        /// What the guess knows, for messages: `word frequencies`.
        knows: &'static str,
    },
    /// Yes or no, by the share of yes.
    Share {
        /// The measure that reports the share.
        measure: &'static str,
        /// What the guess knows, for messages.
        knows: &'static str,
    },
}

impl ConstantGuess {
    /// A word, by its frequency among those to be predicted.
    pub const WORDS: Self = Self::Frequencies {
        labels: "labels",
        weights: "weights",
        knows: "word frequencies",
    };
}

/// One part of a step: a forward pass, a backward pass and an optimizer step of its own.
///
/// Most objectives have one. DeBERTa-v3's replaced token detection has two: the discriminator's
/// part sees what the generator sampled in the part before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSpec {
    /// The part's name in messages and in the optimizer's file.
    pub name: &'static str,
    /// Path prefixes of the parameters it trains, e.g. `generator.`; empty: all of them.
    pub trains: &'static [&'static str],
}

impl PartSpec {
    /// The one part of an objective that has no others: it trains all parameters.
    pub const WHOLE: Self = Self {
        name: "model",
        trains: &[],
    };

    /// Whether this part's optimizer moves the parameter at `path`.
    pub fn trains(&self, path: &str) -> bool {
        self.trains.is_empty() || self.trains.iter().any(|prefix| path.starts_with(prefix))
    }
}

/// How the optimizer treats a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParameterGroup {
    /// What the learning rate is multiplied by.
    pub rate_factor: f64,
    /// Whether weight decay pulls at it.
    pub decays: bool,
    /// Whether it stays as it is: it has no gradient, so neither clipping nor the optimizer knows it.
    pub is_frozen: bool,
}

/// Path fragments of parameters without weight decay, as in the original BERT code: biases and the
/// gain and bias of LayerNorm.
const NO_DECAY: [&str; 4] = ["bias", "layer_norm", "gamma", "beta"];

impl ParameterGroup {
    /// The group of the parameter at `path` by its name alone: the rate as it is, decay unless it is
    /// a bias or LayerNorm's.
    pub fn by_name(path: &str) -> Self {
        Self {
            rate_factor: 1.0,
            decays: !NO_DECAY.iter().any(|fragment| path.contains(fragment)),
            is_frozen: false,
        }
    }
}

/// What is carried from step to step and saved with the run.
pub trait Carry: Clone + Debug + Send + 'static {
    /// The state as named tensors, for a checkpoint; none where there is nothing to save.
    ///
    /// # Errors
    /// If it can't be read back from its device.
    fn tensors(&self) -> Result<Vec<NamedTensor>, WriteError>;

    /// The state that [`Self::tensors`] gave. `self` is the one that a run starts with: it has the
    /// shapes and the device.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape.
    fn restored(self, tensors: Vec<NamedTensor>) -> Result<Self, OpenError>;
}

impl Carry for () {
    fn tensors(&self) -> Result<Vec<NamedTensor>, WriteError> {
        Ok(Vec::new())
    }

    fn restored(self, _: Vec<NamedTensor>) -> Result<Self, OpenError> {
        Ok(())
    }
}

impl<C: Carry> Carry for Option<C> {
    fn tensors(&self) -> Result<Vec<NamedTensor>, WriteError> {
        self.as_ref().map_or_else(|| Ok(Vec::new()), Carry::tensors)
    }

    fn restored(self, tensors: Vec<NamedTensor>) -> Result<Self, OpenError> {
        self.map(|carry| carry.restored(tensors)).transpose()
    }
}

/// A quantity to report as sum / weight over the step, e.g. `mlm_accuracy`.
#[derive(Debug, Clone)]
pub struct Measure {
    /// The key in `metrics.jsonl`.
    pub name: &'static str,
    /// `[1]`, on the device: read back once a step, with everything else.
    pub sum: Tensor<1>,
    /// The divisor, `[1]`, on the device.
    pub weight: Tensor<1>,
}

/// What one forward pass of one part gives.
#[derive(Debug)]
pub struct PartOutput<O: Objective + ?Sized> {
    /// The sums of this part's loss terms, `[1]` each, in the order of [`Objective::terms`].
    pub sums: Vec<Tensor<1>>,
    /// What else to report.
    pub measures: Vec<Measure>,
    /// What the same micro-batch's next part needs.
    pub scratch: O::Scratch,
    /// What the micro-batch of the same number in the next step needs.
    pub carry: O::Carry,
}

/// Something to train: how a batch becomes a loss.
///
/// The learner owns the loop and the optimizer, [`crate::ModelFiles`] the files; an objective owns the
/// mathematics. It holds settings and no parameters, those are [`Self::Model`]'s.
pub trait Objective: Debug + Send + Sync + 'static {
    /// All parameters, of all parts.
    type Model: Module + ModuleDisplay + 'static;
    /// One micro-batch on a device.
    type Batch: Clone + Send + 'static;
    /// Handed from one part of a step to the next within one micro-batch, e.g. the generator's
    /// samples. `()` where there is one part.
    type Scratch: Default + Debug + Send + 'static;
    /// Carried from step to step and saved with the run, e.g. XLNet's memory. `()` where nothing
    /// is. One value a micro-batch of a step: what number m leaves is for number m of the next step.
    type Carry: Carry;

    /// The parts of a step, in order.
    fn parts(&self) -> Vec<PartSpec> {
        vec![PartSpec::WHOLE]
    }

    /// The loss terms, grouped by part in the order of the parts.
    fn terms(&self) -> Vec<TermSpec>;

    /// The names of the measures that [`Self::forward`] gives, e.g. `mlm_accuracy`.
    fn measure_names(&self) -> Vec<&'static str>;

    /// The weight of each term in this micro-batch, in the order of [`Self::terms`]: what the
    /// term's sum is a sum over, e.g. the number of predicted tokens.
    ///
    /// Counted on the host, so that the divisor of the whole step is known before its first
    /// backward pass: k micro-batches of b then equal one batch of k times b.
    fn weights(&self, batch: &HostBatch) -> Vec<f64>;

    /// Moves a micro-batch to a device.
    fn upload(&self, batch: &HostBatch, device: &Device) -> Self::Batch;

    /// The carried state that every micro-batch of a run's first step starts with.
    fn start_carry(&self, device: &Device) -> Self::Carry;

    /// How the optimizer treats the parameter at `path`, e.g. `bert.encoder.layer.0.output.dense.bias`.
    fn group(&self, path: &str) -> ParameterGroup {
        ParameterGroup::by_name(path)
    }

    /// Runs the forward pass of `part`.
    fn forward(
        &self,
        model: &Self::Model,
        part: usize,
        batch: &Self::Batch,
        scratch: Self::Scratch,
        carry: &Self::Carry,
    ) -> PartOutput<Self>;
}
