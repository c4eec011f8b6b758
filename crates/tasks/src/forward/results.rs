//! The outputs of a forward pass, and the losses of heads as Hugging Face computes them.

use std::borrow::Cow;

use burn::tensor::{Tensor, TensorData, assert_shape};
use kiln_learner::LearnError;
use kiln_nn::loss::{binary_cross_entropy_sum, cross_entropy_sum};

use super::{Inputs, Labels, refused};
use crate::architecture::Output;
use crate::model_config::{ConfigError, refuse};

/// What a forward pass gives: outputs in the order they were added, and a loss if there is one.
///
/// Each head's method adds the head's logits and, where the labels are given, sets the loss.
#[derive(Debug, Default)]
pub struct Results {
    tensors: Vec<Named>,
    loss: Option<Tensor<1>>,
}

/// An output, flat, with its shape.
#[derive(Debug)]
struct Named {
    name: Cow<'static, str>,
    shape: Vec<usize>,
    values: Tensor<1>,
}

impl Results {
    /// An output by Hugging Face's name, any rank.
    pub fn add<const D: usize>(&mut self, name: impl Into<Cow<'static, str>>, tensor: Tensor<D>) {
        let shape = tensor.dims();
        self.tensors.push(Named {
            name: name.into(),
            shape: shape.to_vec(),
            values: tensor.reshape([shape.iter().product::<usize>()]),
        });
    }

    /// A part of the loss, `[1]`: written with rank 0, as in Hugging Face.
    pub fn add_scalar(&mut self, name: &'static str, values: Tensor<1>) {
        self.tensors.push(Named {
            name: name.into(),
            shape: Vec::new(),
            values,
        });
    }

    /// The loss, `[1]`, which is also the output `loss`.
    pub fn set_loss(&mut self, loss: Tensor<1>) {
        self.add_scalar("loss", loss.clone());
        self.loss = Some(loss);
    }

    /// The loss, `[1]`, if one was set.
    pub fn loss(&self) -> Option<&Tensor<1>> {
        self.loss.as_ref()
    }

    /// Vocabulary logits at every position, or at as many predicted ones as there are rows, as the
    /// output `name`; returns the mean cross-entropy `[1]` over the positions that `labels` scores,
    /// if they are given. The loss is not set.
    ///
    /// # Shapes
    /// - `logits`: `[batch * n, vocab_size]`
    ///
    /// # Errors
    /// If `labels` do not fit.
    ///
    /// # Panics
    /// If `logits` has another shape: the caller's mistake.
    pub fn predictions(
        &mut self,
        name: &'static str,
        logits: Tensor<2>,
        inputs: &Inputs<'_>,
        vocab_size: usize,
    ) -> Result<Option<Tensor<1>>, LearnError> {
        let batch = inputs.batch;
        let [rows, _] = logits.dims();
        let count = rows / batch.max(1);
        self.add(name, logits.clone().reshape([batch, count, vocab_size]));
        let labels = inputs.labels("labels", &[batch, count], vocab_size);
        let labels = labels.map_err(refused)?;
        Ok(labels.map(|labels| mean_cross_entropy(logits, labels)))
    }

    /// A yes or no a token: Hugging Face `ElectraForPreTraining`.
    ///
    /// The loss is the mean binary cross-entropy over the positions with `attention_mask` 1, over
    /// all without a mask; `labels` are 0 or 1, as whole or real numbers.
    ///
    /// # Shapes
    /// - `logits`: `[batch, seq_len]`
    ///
    /// # Errors
    /// If `labels` or `attention_mask` do not fit, or the mask leaves nothing to score.
    ///
    /// # Panics
    /// If `logits` has another shape: the caller's mistake.
    pub fn binary(&mut self, logits: Tensor<2>, inputs: &Inputs<'_>) -> Result<(), LearnError> {
        let (batch, seq_len) = (inputs.batch, inputs.seq_len);
        assert_shape!(logits, [batch, seq_len]);
        self.add("logits", logits.clone());
        let labels = inputs.probabilities("labels", &[batch, seq_len]);
        let Some(labels) = labels.map_err(refused)? else {
            return Ok(());
        };
        let (weights, count) = inputs.attended().map_err(refused)?;
        let logits = logits.reshape([batch * seq_len]);
        self.set_loss(binary_cross_entropy_sum(logits, labels, weights).div_scalar(count));
        Ok(())
    }

    /// One of several classes for each sequence.
    ///
    /// # Shapes
    /// - `logits`: `[batch, classes]`
    ///
    /// # Errors
    /// If `labels` do not fit.
    pub fn classes(&mut self, logits: Tensor<2>, inputs: &Inputs<'_>) -> Result<(), LearnError> {
        self.add("logits", logits.clone());
        self.class_loss(logits, inputs)
    }

    /// A label a sequence, by `problem_type` or, without one, by what the labels look like.
    ///
    /// # Shapes
    /// - `logits`: `[batch, num_labels]`
    ///
    /// # Errors
    /// If `labels` do not fit, or there is no such problem.
    ///
    /// # Panics
    /// If `logits` has another shape: the caller's mistake.
    pub fn sequence(
        &mut self,
        logits: Tensor<2>,
        inputs: &Inputs<'_>,
        num_labels: usize,
        problem_type: Option<&str>,
    ) -> Result<(), LearnError> {
        self.add("logits", logits.clone());
        if inputs.shape("labels").is_some() {
            check_problem_type(problem_type)?;
        }
        let problem = match problem_type {
            Some(problem) => problem,
            None if num_labels == 1 => "regression",
            None if inputs.is_float("labels") => "multi_label_classification",
            None => "single_label_classification",
        };
        if problem == "single_label_classification" {
            return self.class_loss(logits, inputs);
        }
        let batch = inputs.batch;
        let shape: &[usize] = match num_labels {
            1 => &[batch],
            _ => &[batch, num_labels],
        };
        let Some(labels) = inputs.floats("labels", shape).map_err(refused)? else {
            return Ok(());
        };
        let logits = logits.reshape([batch * num_labels]);
        let loss = if problem == "regression" {
            (logits - labels).square().mean()
        } else {
            let weights = labels.ones_like();
            binary_cross_entropy_sum(logits, labels, weights)
                .div_scalar((batch * num_labels) as f64)
        };
        self.set_loss(loss);
        Ok(())
    }

    /// A label a token.
    ///
    /// # Shapes
    /// - `logits`: `[batch, seq_len, num_labels]`
    ///
    /// # Errors
    /// If `labels` do not fit.
    pub fn tokens(&mut self, logits: Tensor<3>, inputs: &Inputs<'_>) -> Result<(), LearnError> {
        self.add("logits", logits.clone());
        let [batch, seq_len, num_labels] = logits.dims();
        let labels = inputs.labels("labels", &[batch, seq_len], num_labels);
        if let Some(labels) = labels.map_err(refused)? {
            self.set_loss(mean_cross_entropy(
                logits.reshape([batch * seq_len, num_labels]),
                labels,
            ));
        }
        Ok(())
    }

    /// A start and an end; the softmax runs over all positions, padding included.
    ///
    /// # Shapes
    /// - `start`, `end`: `[batch, seq_len]`
    ///
    /// # Errors
    /// If `start_positions` or `end_positions` do not fit.
    pub fn span(
        &mut self,
        start: Tensor<2>,
        end: Tensor<2>,
        inputs: &Inputs<'_>,
    ) -> Result<(), LearnError> {
        self.add("start_logits", start.clone());
        self.add("end_logits", end.clone());
        let [_, count] = start.dims();
        let starts = inputs.positions("start_positions", count);
        let ends = inputs.positions("end_positions", count);
        let (starts, ends) = (starts.map_err(refused)?, ends.map_err(refused)?);
        if let (Some(starts), Some(ends)) = (starts, ends) {
            self.set_loss(
                (mean_cross_entropy(start, starts) + mean_cross_entropy(end, ends)).div_scalar(2.0),
            );
        }
        Ok(())
    }

    /// Makes Σ output · cotangent the loss, if there are cotangents.
    ///
    /// # Errors
    /// If a cotangent has another shape than its output.
    pub fn against_cotangents(&mut self, inputs: &Inputs<'_>) -> Result<(), LearnError> {
        let mut sum: Option<Tensor<1>> = None;
        for output in &self.tensors {
            let name = format!("cotangent.{}", output.name);
            let cotangent = inputs.floats(&name, &output.shape).map_err(refused)?;
            if let Some(cotangent) = cotangent {
                let term = (output.values.clone() * cotangent).sum();
                sum = Some(match sum {
                    Some(before) => before + term,
                    None => term,
                });
            }
        }
        if let Some(sum) = sum {
            self.set_loss(sum);
        }
        Ok(())
    }

    /// All outputs on the host.
    ///
    /// # Errors
    /// If the device fails.
    pub fn read(&self) -> Result<Vec<Output>, LearnError> {
        let outputs = self.tensors.iter().map(|output| {
            let values = output.values.clone();
            // Reading a tracked tensor would begin a computation that no backward pass ever frees.
            let values = if values.is_autodiff() {
                values.inner()
            } else {
                values
            };
            let values = values
                .try_into_vec_as::<f32>()
                .map_err(|error| LearnError::Device {
                    step: 0,
                    reason: error.to_string(),
                })?;
            Ok(Output {
                name: output.name.clone().into_owned(),
                data: TensorData::new(values, output.shape.clone()),
            })
        });
        outputs.collect()
    }

    fn class_loss(&mut self, logits: Tensor<2>, inputs: &Inputs<'_>) -> Result<(), LearnError> {
        let [batch, classes] = logits.dims();
        let labels = inputs
            .labels("labels", &[batch], classes)
            .map_err(refused)?;
        if let Some(labels) = labels {
            self.set_loss(mean_cross_entropy(logits, labels));
        }
        Ok(())
    }
}

/// The mean cross-entropy over what is scored, `[1]`.
///
/// # Shapes
/// - `logits`: `[n, classes]`, for as many rows as there are labels
///
/// # Panics
/// If `logits` has other rows: the caller's mistake.
pub fn mean_cross_entropy(logits: Tensor<2>, labels: Labels) -> Tensor<1> {
    cross_entropy_sum(logits, labels.labels, labels.weights).div_scalar(labels.count)
}

/// Checks the name of a sequence classifier's loss.
fn check_problem_type(problem_type: Option<&str>) -> Result<(), ConfigError> {
    match problem_type {
        None
        | Some("single_label_classification" | "multi_label_classification" | "regression") => {
            Ok(())
        }
        Some(problem) => refuse(
            "problem_type",
            problem,
            "choose single_label_classification, multi_label_classification or regression",
        ),
    }
}
