//! The outputs of every class and the losses as Hugging Face computes them.

use burn::tensor::{Tensor, TensorData, activation};
use kiln_learner::LearnError;
use kiln_learner::architecture::Output;
use kiln_nn::loss::cross_entropy_sum;

use super::inputs::{Inputs, Labels};
use super::refused;
use crate::{BertConfig, BertForPreTraining, BertModel};

/// What a forward pass gives.
#[derive(Default)]
pub(super) struct Results {
    tensors: Vec<Named>,
    pub(super) loss: Option<Tensor<1>>,
}

/// An output, flat, with its shape.
struct Named {
    name: &'static str,
    shape: Vec<usize>,
    values: Tensor<1>,
}

impl Results {
    /// Adds the encoder's own outputs; returns the pooled vector.
    pub(super) fn encoder(
        &mut self,
        model: &BertModel,
        hidden_states: Tensor<3>,
    ) -> Option<Tensor<2>> {
        self.add("last_hidden_state", hidden_states.clone());
        let pooled = model.pool(hidden_states)?;
        self.add("pooler_output", pooled.clone());
        Some(pooled)
    }

    /// Both heads of pretraining; the loss is the sum of two means, if both labels are given.
    pub(super) fn pretraining(
        &mut self,
        model: &BertForPreTraining,
        hidden_states: Tensor<3>,
        inputs: &Inputs<'_>,
        config: &BertConfig,
    ) -> Result<(), LearnError> {
        let mlm_loss = self.predictions(
            "prediction_logits",
            model,
            hidden_states.clone(),
            inputs,
            config,
        )?;
        let Some(logits) = model.next_sentence_logits(hidden_states) else {
            return Ok(());
        };
        self.add("seq_relationship_logits", logits.clone());
        let labels = inputs.labels("next_sentence_label", &[inputs.batch], 2);
        let nsp_loss = labels.map_err(refused)?.map(|labels| mean(logits, labels));
        for (name, loss) in [("mlm_loss", &mlm_loss), ("next_sentence_loss", &nsp_loss)] {
            if let Some(loss) = loss {
                self.add_scalar(name, loss.clone());
            }
        }
        if let (Some(mlm_loss), Some(nsp_loss)) = (mlm_loss, nsp_loss) {
            self.set_loss(mlm_loss + nsp_loss);
        }
        Ok(())
    }

    /// The masked language model alone.
    pub(super) fn masked_lm(
        &mut self,
        model: &BertForPreTraining,
        hidden_states: Tensor<3>,
        inputs: &Inputs<'_>,
        config: &BertConfig,
    ) -> Result<(), LearnError> {
        if let Some(loss) = self.predictions("logits", model, hidden_states, inputs, config)? {
            self.set_loss(loss);
        }
        Ok(())
    }

    /// Vocabulary logits at every position, and the mean over those that are scored.
    fn predictions(
        &mut self,
        name: &'static str,
        model: &BertForPreTraining,
        hidden_states: Tensor<3>,
        inputs: &Inputs<'_>,
        config: &BertConfig,
    ) -> Result<Option<Tensor<1>>, LearnError> {
        let (batch, seq_len, vocab_size) = (inputs.batch, inputs.seq_len, config.vocab_size);
        let logits = model.prediction_logits(hidden_states);
        self.add(name, logits.clone().reshape([batch, seq_len, vocab_size]));
        let labels = inputs.labels("labels", &[batch, seq_len], vocab_size);
        Ok(labels.map_err(refused)?.map(|labels| mean(logits, labels)))
    }

    /// One of several classes for each row.
    pub(super) fn classes(
        &mut self,
        logits: Tensor<2>,
        inputs: &Inputs<'_>,
    ) -> Result<(), LearnError> {
        self.add("logits", logits.clone());
        self.class_loss(logits, inputs)
    }

    /// A label a sequence, by `problem_type` or what the labels look like.
    pub(super) fn sequence(
        &mut self,
        logits: Tensor<2>,
        inputs: &Inputs<'_>,
        config: &BertConfig,
    ) -> Result<(), LearnError> {
        self.add("logits", logits.clone());
        let num_labels = config.num_labels();
        let problem = match config.problem_type.as_deref() {
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
        let terms = if problem == "regression" {
            (logits - labels).square()
        } else {
            // log(1 + e^x) − x·y, without overflow.
            let softplus = activation::softplus(logits.clone().abs().neg(), 1.0);
            activation::relu(logits.clone()) - logits * labels + softplus
        };
        self.set_loss(terms.mean());
        Ok(())
    }

    /// A label a token.
    pub(super) fn tokens(
        &mut self,
        logits: Tensor<3>,
        inputs: &Inputs<'_>,
    ) -> Result<(), LearnError> {
        self.add("logits", logits.clone());
        let [batch, seq_len, num_labels] = logits.dims();
        let labels = inputs.labels("labels", &[batch, seq_len], num_labels);
        if let Some(labels) = labels.map_err(refused)? {
            self.set_loss(mean(logits.reshape([batch * seq_len, num_labels]), labels));
        }
        Ok(())
    }

    /// A start and an end; the softmax runs over all positions, padding included.
    pub(super) fn span(
        &mut self,
        start: Tensor<2>,
        end: Tensor<2>,
        inputs: &Inputs<'_>,
    ) -> Result<(), LearnError> {
        self.add("start_logits", start.clone());
        self.add("end_logits", end.clone());
        let starts = inputs.positions("start_positions").map_err(refused)?;
        let ends = inputs.positions("end_positions").map_err(refused)?;
        if let (Some(starts), Some(ends)) = (starts, ends) {
            self.set_loss((mean(start, starts) + mean(end, ends)).div_scalar(2.0));
        }
        Ok(())
    }

    /// Makes Σ output · cotangent the loss, if there are cotangents.
    pub(super) fn against_cotangents(&mut self, inputs: &Inputs<'_>) -> Result<(), LearnError> {
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
    pub(super) fn read(&self) -> Result<Vec<Output>, LearnError> {
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
                name: output.name.to_owned(),
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
            self.set_loss(mean(logits, labels));
        }
        Ok(())
    }

    fn set_loss(&mut self, loss: Tensor<1>) {
        self.add_scalar("loss", loss.clone());
        self.loss = Some(loss);
    }

    fn add<const D: usize>(&mut self, name: &'static str, tensor: Tensor<D>) {
        let shape = tensor.dims();
        self.tensors.push(Named {
            name,
            shape: shape.to_vec(),
            values: tensor.reshape([shape.iter().product::<usize>()]),
        });
    }

    /// A loss: of rank 0, as in Hugging Face.
    fn add_scalar(&mut self, name: &'static str, values: Tensor<1>) {
        self.tensors.push(Named {
            name,
            shape: Vec::new(),
            values,
        });
    }
}

/// The mean cross-entropy over what is scored.
fn mean(logits: Tensor<2>, labels: Labels) -> Tensor<1> {
    cross_entropy_sum(logits, labels.labels, labels.weights).div_scalar(labels.count)
}
