//! The outputs of a forward pass by name, and its loss.

use burn::tensor::{Tensor, TensorData};
use kiln_learner::{LearnError, read_values};
use kiln_nn::untracked;

use crate::architecture::Output;
use crate::arguments::Inputs;
use crate::class::Outputs;
use crate::heads::{Head, Named};

/// What a forward pass gives: outputs in Hugging Face's order, and a loss if there is one.
#[derive(Debug)]
pub struct Results {
    tensors: Vec<Named>,
    loss: Option<Tensor<1>>,
}

impl Results {
    /// The outputs of an encoder and its head; with the labels that `inputs` have, also the loss, or
    /// with cotangents in their place Σ output · cotangent. `problem_type` is config.json's.
    ///
    /// # Errors
    /// If labels or cotangents do not fit.
    pub fn of<H: Head>(
        outputs: Outputs<H>,
        inputs: &Inputs<'_>,
        problem_type: Option<&str>,
    ) -> Result<Self, LearnError> {
        let Outputs { encoded, head } = outputs;
        let mut tensors = vec![Named::new("last_hidden_state", encoded.hidden_states)];
        tensors.extend(
            encoded
                .pooled
                .map(|pooled| Named::new("pooler_output", pooled)),
        );
        let memory = encoded.memory.into_iter().enumerate();
        tensors.extend(memory.map(|(layer, state)| Named::new(format!("mems.{layer}"), state)));
        tensors.extend(head.named(inputs.examples()));
        let mut results = Self {
            tensors,
            loss: None,
        };
        if let Some(targets) = head.targets(inputs, problem_type)? {
            results.score::<H>(head, targets);
        }
        if results.loss.is_none() {
            results.against_cotangents(inputs)?;
        }
        Ok(results)
    }

    /// The loss, `[1]`, if there is one.
    pub fn loss(&self) -> Option<&Tensor<1>> {
        self.loss.as_ref()
    }

    /// All outputs on the host.
    ///
    /// # Errors
    /// If the device fails.
    pub fn read(&self) -> Result<Vec<Output>, LearnError> {
        let outputs = self.tensors.iter().map(|output| {
            let values = untracked(output.values.clone());
            Ok(Output {
                name: output.name.clone().into_owned(),
                data: TensorData::new(read_values(values)?, output.shape.clone()),
            })
        });
        outputs.collect()
    }

    /// The means of the head's terms; all of them together are the loss.
    fn score<H: Head>(&mut self, head: H, targets: H::Targets) {
        let terms = head.losses(targets);
        let is_whole = terms.len() + H::OPTIONAL_TERMS >= H::TERMS.len();
        let mut sum: Option<Tensor<1>> = None;
        for term in terms {
            let mean = term.mean();
            if H::TELLS_TERMS {
                self.tensors.push(Named::scalar(term.name, mean.clone()));
            }
            sum = Some(match sum {
                Some(before) => before + mean,
                None => mean,
            });
        }
        if let Some(sum) = sum.filter(|_| is_whole) {
            self.set_loss(sum.mul_scalar(H::COEFFICIENT));
        }
    }

    fn set_loss(&mut self, loss: Tensor<1>) {
        self.tensors.push(Named::scalar("loss", loss.clone()));
        self.loss = Some(loss);
    }

    fn against_cotangents(&mut self, inputs: &Inputs<'_>) -> Result<(), LearnError> {
        let mut sum: Option<Tensor<1>> = None;
        for output in &self.tensors {
            let name = format!("cotangent.{}", output.name);
            if let Some(cotangent) = inputs.floats(&name, &output.shape)? {
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
}
