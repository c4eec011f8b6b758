//! What heads give, kind by kind: outputs by Hugging Face's names, the labels they are scored by,
//! and their losses.
//!
//! A loss is a sum and a weight: a forward pass divides the one by the other, a training step
//! divides the sums of all its micro-batches by the weights of all.

mod beam;
mod choice;
mod named;
mod sequence;
mod tokens;
mod trained;
mod words;

use std::fmt::Debug;

use burn::tensor::Tensor;
use kiln_datasets::Problem;
use kiln_learner::LearnError;
use kiln_nn::loss::cross_entropy_sum;

pub use crate::class_loss::{ClassLoss, WeighedClasses};
pub use crate::labels::{HostLabels, Labels, Numbers};
pub use beam::{BeamLogits, BeamTargets, HostBeam};
pub use choice::ChoiceLogits;
pub use named::Named;
pub(crate) use sequence::problem_of;
pub use sequence::{ClassLogits, RealLabels, SequenceLabels, SequenceLogits};
pub use tokens::{ReplacedLogits, SpanLogits, TokenLogits};
pub use trained::{HostSequence, HostTargets, TrainedHead};
pub use words::{PretrainingLogits, WordLogits};

use crate::arguments::Inputs;
use crate::replaced_tokens::Half;

/// One term of a loss, not yet divided.
#[derive(Debug, Clone)]
pub struct LossTerm {
    /// One of [`Head::TERMS`].
    pub name: &'static str,
    /// `[1]`, over all that is scored.
    pub sum: Tensor<1>,
    /// What the sum is divided by; counted on the host, above 0.
    pub weight: f64,
}

impl LossTerm {
    /// The term's mean, `[1]`: sum over weight.
    pub fn mean(&self) -> Tensor<1> {
        self.sum.clone().div_scalar(self.weight)
    }
}

/// What a kind of head gives for a batch.
pub trait Head: Sized {
    /// What it serves, by its name on the command line.
    const TASK: &'static str;
    /// The names of its outputs, in order.
    const OUTPUTS: &'static [&'static str];
    /// The arguments that give it a loss.
    const LABELS: &'static [&'static str];
    /// The terms of its loss, by name.
    const TERMS: &'static [&'static str] = &["loss"];
    /// By what the sum of the terms' means is multiplied.
    const COEFFICIENT: f64 = 1.0;
    /// Of a pair of models, the one that has it.
    const HALF: Half = Half::Discriminator;
    /// Whether a batch's rows are the continuations of fewer examples, of which each has as many: the
    /// arguments of a forward pass are `[batch, num_choices, seq_len]`.
    const CHOOSES: bool = false;
    /// Whether the terms are outputs too.
    const TELLS_TERMS: bool = false;
    /// How many of the last terms a loss may lack.
    const OPTIONAL_TERMS: usize = 0;
    /// What it reads beside what the encoder does, and its labels.
    const ARGUMENTS: &'static [&'static str] = &[];
    /// What is learned with it; none: config.json says which of the problems of sequences.
    const PROBLEM: Option<Problem> = None;

    /// What it is scored by.
    type Targets: Debug + Clone + Send + 'static;

    /// The outputs, in Hugging Face's shapes, of so many sequences.
    fn named(&self, batch: usize) -> Vec<Named>;

    /// The labels among `inputs`, if they are given. `problem_type` is config.json's, which decides
    /// what labels of sequences mean.
    ///
    /// # Errors
    /// If they do not fit.
    fn targets(
        &self,
        inputs: &Inputs<'_>,
        problem_type: Option<&str>,
    ) -> Result<Option<Self::Targets>, LearnError>;

    /// The terms that have labels, in the order of [`Head::TERMS`].
    fn losses(self, targets: Self::Targets) -> Vec<LossTerm>;
}

/// No head: the encoder alone.
#[derive(Debug, Clone, Copy)]
pub struct NoHead;

impl Head for NoHead {
    const TASK: &'static str = "embed";
    const OUTPUTS: &'static [&'static str] = &[];
    const LABELS: &'static [&'static str] = &[];
    const TERMS: &'static [&'static str] = &[];

    type Targets = ();

    fn named(&self, _: usize) -> Vec<Named> {
        Vec::new()
    }

    fn targets(&self, _: &Inputs<'_>, _: Option<&str>) -> Result<Option<()>, LearnError> {
        Ok(None)
    }

    fn losses(self, (): ()) -> Vec<LossTerm> {
        Vec::new()
    }
}

/// The cross-entropy of `logits` `[n, classes]`, for as many rows as there are labels.
fn cross_entropy(name: &'static str, logits: Tensor<2>, labels: Labels) -> LossTerm {
    let (sum, weight) = match labels.loss {
        Some(loss) => {
            let weight = loss.divisor;
            (loss.sum(logits, labels.labels, labels.weights), weight)
        }
        None => {
            let sum = cross_entropy_sum(logits, labels.labels, labels.weights);
            (sum, labels.count)
        }
    };
    LossTerm { name, sum, weight }
}
