//! Scores of whole sequences.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use kiln_learner::LearnError;
use kiln_nn::loss::binary_cross_entropy_sum;
use serde_json::Value;

use super::{Head, Labels, LossTerm, cross_entropy};
use crate::forward::{Inputs, Named};
use crate::model_config::ConfigError;

/// One of several fixed classes for each sequence, such as "follows" and "random" for two sentences.
#[derive(Debug, Clone)]
pub struct ClassLogits {
    /// `[batch, classes]`
    pub logits: Tensor<2>,
}

impl Head for ClassLogits {
    const TASK: &'static str = "next-sentence";
    const OUTPUTS: &'static [&'static str] = &["logits"];
    const LABELS: &'static [&'static str] = &["labels"];

    type Targets = Labels;

    fn named(&self, _: usize) -> Vec<Named> {
        vec![Named::new("logits", self.logits.clone())]
    }

    fn targets(&self, inputs: &Inputs<'_>, _: Option<&str>) -> Result<Option<Labels>, LearnError> {
        class_labels(&self.logits, inputs)
    }

    fn losses(self, labels: Labels) -> Vec<LossTerm> {
        vec![cross_entropy("loss", self.logits, labels)]
    }
}

/// What real numbers as labels of several classes mean where config.json has no `problem_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RealLabels {
    /// Yes or no for each class.
    YesOrNo,
    /// The probabilities of the classes, as in DeBERTa.
    Probabilities,
}

/// A label, several, or a number for each sequence, by config.json's `problem_type` or, without one,
/// by what the labels look like.
#[derive(Debug, Clone)]
pub struct SequenceLogits {
    /// `[batch, num_labels]`
    pub logits: Tensor<2>,
    /// What real numbers mean.
    pub real_labels: RealLabels,
}

/// What a sequence classifier is scored by.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "a handful a step, and each lives for one step"
)]
pub enum SequenceLabels {
    /// One class for each sequence.
    Class(Labels),
    /// Numbers `[batch * num_labels]` that the logits are to be.
    Numbers(Tensor<1>),
    /// Yes (1) or no (0) for each class, `[batch * num_labels]`.
    YesOrNo(Tensor<1>),
    /// The classes' probabilities, `[batch * num_labels]`.
    Probabilities(Tensor<1>),
}

impl Head for SequenceLogits {
    const TASK: &'static str = "classify";
    const OUTPUTS: &'static [&'static str] = &["logits"];
    const LABELS: &'static [&'static str] = &["labels"];

    type Targets = SequenceLabels;

    fn named(&self, _: usize) -> Vec<Named> {
        vec![Named::new("logits", self.logits.clone())]
    }

    fn targets(
        &self,
        inputs: &Inputs<'_>,
        problem_type: Option<&str>,
    ) -> Result<Option<SequenceLabels>, LearnError> {
        if inputs.shape("labels").is_none() {
            return Ok(None);
        }
        let [batch, num_labels] = self.logits.dims();
        let of_real: fn(Tensor<1>) -> SequenceLabels = match problem_type {
            Some("single_label_classification") => {
                return Ok(class_labels(&self.logits, inputs)?.map(SequenceLabels::Class));
            }
            Some("multi_label_classification") => SequenceLabels::YesOrNo,
            Some("regression") => SequenceLabels::Numbers,
            Some(problem) => return Err(unknown_problem(problem).into()),
            None if num_labels == 1 => SequenceLabels::Numbers,
            None if !inputs.is_float("labels") => {
                return Ok(class_labels(&self.logits, inputs)?.map(SequenceLabels::Class));
            }
            None => match self.real_labels {
                RealLabels::YesOrNo => SequenceLabels::YesOrNo,
                RealLabels::Probabilities => SequenceLabels::Probabilities,
            },
        };
        let shape: &[usize] = match num_labels {
            1 => &[batch],
            _ => &[batch, num_labels],
        };
        Ok(inputs.floats("labels", shape)?.map(of_real))
    }

    fn losses(self, labels: SequenceLabels) -> Vec<LossTerm> {
        let [batch, num_labels] = self.logits.dims();
        let flat = |logits: Tensor<2>| logits.reshape([batch * num_labels]);
        let (sum, weight) = match labels {
            SequenceLabels::Class(labels) => {
                return vec![cross_entropy("loss", self.logits, labels)];
            }
            SequenceLabels::Numbers(labels) => {
                let squares = (flat(self.logits) - labels).square();
                (squares.sum(), batch * num_labels)
            }
            SequenceLabels::YesOrNo(labels) => {
                let weights = labels.ones_like();
                let sum = binary_cross_entropy_sum(flat(self.logits), labels, weights);
                (sum, batch * num_labels)
            }
            SequenceLabels::Probabilities(labels) => {
                let terms = flat(log_softmax(self.logits, 1)) * labels;
                (terms.sum().neg(), batch)
            }
        };
        vec![LossTerm {
            name: "loss",
            sum,
            weight: weight as f64,
        }]
    }
}

/// `labels`, a class for each row of `logits` `[batch, classes]`.
fn class_labels(logits: &Tensor<2>, inputs: &Inputs<'_>) -> Result<Option<Labels>, LearnError> {
    let [batch, classes] = logits.dims();
    Ok(inputs.labels("labels", &[batch], classes)?)
}

/// Why there is no loss of this name.
fn unknown_problem(problem: &str) -> ConfigError {
    ConfigError {
        field: "problem_type",
        value: Value::from(problem).to_string(),
        remedy: "choose single_label_classification, multi_label_classification or regression"
            .to_owned(),
    }
}
