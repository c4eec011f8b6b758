//! Scores of whole sequences.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use kiln_datasets::Problem;
use kiln_learner::LearnError;
use kiln_nn::loss::binary_cross_entropy_sum;
use kiln_nn::widened;
use serde_json::Value;

use super::named::Named;
use super::{Head, LossTerm, cross_entropy};
use crate::arguments::Inputs;
use crate::labels::{Labels, Numbers};
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
    reason = "one a micro-batch, of tensors' handles"
)]
pub enum SequenceLabels {
    /// One class for each sequence.
    Class(Labels),
    /// Numbers that the logits are to be, as many for each sequence as there are labels.
    Numbers(Numbers),
    /// Yes (1) or no (0) for each class.
    YesOrNo(Numbers),
    /// The classes' probabilities.
    Probabilities(Numbers),
}

/// What a sequence classifier learns: the problem that config.json names; without a name numbers where
/// there is one label, else none: the labels themselves decide.
///
/// # Errors
/// If there is no problem of that name.
pub(crate) fn problem_of(
    problem_type: Option<&str>,
    num_labels: usize,
) -> Result<Option<Problem>, ConfigError> {
    let Some(name) = problem_type else {
        return Ok((num_labels == 1).then_some(Problem::Regression));
    };
    let problem = Problem::from_problem_type(name);
    problem.map(Some).ok_or_else(|| ConfigError {
        field: "problem_type",
        value: Value::from(name).to_string(),
        remedy: "choose single_label_classification, multi_label_classification or regression"
            .to_owned(),
    })
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
        let are_classes = !inputs.is_float("labels");
        let problem = problem_of(problem_type, num_labels)?
            .or_else(|| are_classes.then_some(Problem::SingleLabel));
        let meaning = match (problem, self.real_labels) {
            (Some(Problem::Regression), _) => SequenceLabels::Numbers,
            (Some(Problem::MultiLabel), _) | (None, RealLabels::YesOrNo) => SequenceLabels::YesOrNo,
            (None, RealLabels::Probabilities) => SequenceLabels::Probabilities,
            // No other problem is one of sequences.
            (Some(_), _) => {
                return Ok(class_labels(&self.logits, inputs)?.map(SequenceLabels::Class));
            }
        };
        let shape: &[usize] = match num_labels {
            1 => &[batch],
            _ => &[batch, num_labels],
        };
        let values = inputs.floats("labels", shape)?;
        Ok(values.map(|values| {
            meaning(Numbers {
                weights: values.ones_like(),
                factors: None,
                values,
                rows: batch,
                count: (batch * num_labels) as f64,
            })
        }))
    }

    fn losses(self, labels: SequenceLabels) -> Vec<LossTerm> {
        let [batch, num_labels] = self.logits.dims();
        let logits = widened(self.logits);
        let flat = |logits: Tensor<2>| logits.reshape([batch * num_labels]);
        let (sum, weight) = match labels {
            SequenceLabels::Class(labels) => {
                return vec![cross_entropy("loss", logits, labels)];
            }
            SequenceLabels::Numbers(labels) => {
                let squares = (flat(logits) - labels.values).square();
                ((squares * labels.weights).sum(), labels.count)
            }
            SequenceLabels::YesOrNo(labels) => {
                let Numbers {
                    values,
                    weights,
                    factors,
                    ..
                } = labels;
                let weights = match factors {
                    Some(factors) => weights * factors,
                    None => weights,
                };
                let sum = binary_cross_entropy_sum(flat(logits), values, weights);
                (sum, labels.count)
            }
            SequenceLabels::Probabilities(labels) => {
                let terms = flat(log_softmax(logits, 1)) * labels.values;
                let sum = (terms * labels.weights).sum().neg();
                (sum, labels.count / num_labels as f64)
            }
        };
        vec![LossTerm {
            name: "loss",
            sum,
            weight,
        }]
    }
}

/// `labels`, a class for each row of `logits` `[batch, classes]`.
fn class_labels(logits: &Tensor<2>, inputs: &Inputs<'_>) -> Result<Option<Labels>, LearnError> {
    let [batch, classes] = logits.dims();
    Ok(inputs.labels("labels", &[batch], classes)?)
}

#[cfg(test)]
mod tests {
    use burn::tensor::FloatDType;

    use super::*;

    #[test]
    fn losses_of_logits_in_bfloat16_are_those_of_the_same_numbers_in_float32() {
        for (name, device) in kiln_testing::devices() {
            if !device.supports_dtype(FloatDType::BF16) {
                continue;
            }
            // Each of them is a bfloat16.
            let logits = Tensor::<2>::from_data([[0.5_f32, -1.25], [3.0, 0.0]], &device);
            let values = Tensor::<1>::from_data([0.3_f32, 0.7, 0.9, 0.1], &device);
            let numbers = Numbers {
                weights: values.ones_like(),
                factors: None,
                values,
                rows: 2,
                count: 4.0,
            };
            for labels in [
                SequenceLabels::Numbers,
                SequenceLabels::YesOrNo,
                SequenceLabels::Probabilities,
            ] {
                let loss = |logits: Tensor<2>| -> f32 {
                    let real_labels = RealLabels::YesOrNo;
                    let logits = SequenceLogits {
                        logits,
                        real_labels,
                    };
                    let terms = logits.losses(labels(numbers.clone()));
                    terms[0].mean().try_into_scalar().unwrap()
                };
                let rounded = loss(logits.clone().cast(FloatDType::BF16));
                assert_eq!(loss(logits.clone()), rounded, "{name}");
            }
        }
    }
}
