//! An objective and its model as burn-train sees them.

use std::sync::Arc;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{ExecutionError, Tensor};
use burn::train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};
use kiln_text::HostBatch;

use crate::objective::{Measure, Objective, Weight};

/// The module that burn-train trains: the model, and the objective that gives it a loss.
#[derive(Module, Debug)]
pub struct Trainee<M: Module, O: Clone + core::fmt::Debug + Send> {
    /// All parameters.
    pub model: M,
    /// Settings of the objective; no parameters.
    #[module(skip)]
    pub objective: O,
}

/// The trainee of an objective.
pub type TraineeOf<O> = Trainee<<O as Objective>::Model, Arc<O>>;

/// Values of a step or an evaluation on their way to burn-train's metrics.
#[derive(Debug, Clone, Default)]
pub struct StepItem {
    /// Name and value.
    pub values: Arc<Vec<(String, f64)>>,
    /// Name, sum `[1]` and divisor of what is still on the device.
    pending: Vec<(String, Tensor<1>, f64)>,
}

impl StepItem {
    /// An item of known values.
    pub fn new(values: Vec<(String, f64)>) -> Self {
        Self {
            values: Arc::new(values),
            pending: Vec::new(),
        }
    }
}

impl ItemLazy for StepItem {
    fn sync(self) -> Result<Self, ExecutionError> {
        let mut values = self.values.to_vec();
        for (name, sum, divisor) in self.pending {
            let sum = sum
                .try_into_scalar::<f32>()
                .map_err(|error| ExecutionError::with_context(error.to_string()))?;
            values.push((name, f64::from(sum) / divisor));
        }
        Ok(Self::new(values))
    }
}

impl<O: Objective> TraineeOf<O> {
    /// All parts on one batch, without an update in between: the sum of their gradients.
    fn whole_step(&self, host: &HostBatch) -> (Tensor<1>, StepItem) {
        let objective = &self.objective;
        let device = self.model.devices().first().cloned().unwrap_or_default();
        let weights = objective.weights(host);
        let terms = objective.terms();
        let batch = objective.upload(host, &device);
        let carry = objective.start_carry(&device);
        let mut scratch = O::Scratch::default();
        let mut loss: Option<Tensor<1>> = None;
        let mut pending = Vec::new();
        for part in 0..objective.parts().len() {
            let output = objective.forward(&self.model, part, &batch, scratch, &carry);
            scratch = output.scratch;
            let of_part = terms
                .iter()
                .zip(&weights)
                .filter(|(term, _)| term.part == part);
            for ((term, &weight), sum) in of_part.zip(output.sums) {
                let divisor = if weight > 0.0 { weight } else { 1.0 };
                pending.push((term.name.to_owned(), sum.clone().detach(), divisor));
                let share = sum.mul_scalar(term.coefficient / divisor);
                loss = Some(match loss {
                    Some(before) => before + share,
                    None => share,
                });
            }
            for Measure { name, sum, weight } in output.measures {
                if let Weight::Host(weight) = weight {
                    pending.push((name.to_owned(), sum.detach(), weight.max(1.0)));
                }
            }
        }
        let loss = loss.unwrap_or_else(|| Tensor::zeros([1], &device));
        pending.push(("loss".to_owned(), loss.clone().detach(), 1.0));
        (
            loss,
            StepItem {
                values: Arc::default(),
                pending,
            },
        )
    }
}

impl<O: Objective> TrainStep for TraineeOf<O> {
    type Input = HostBatch;
    type Output = StepItem;

    /// One micro-batch by itself, so that burn-train's own strategies can train an objective too.
    /// Kiln's strategy does not come here: see `strategy.rs`.
    fn step(&self, host: HostBatch) -> TrainOutput<StepItem> {
        let (loss, item) = self.whole_step(&host);
        let gradients = GradientsParams::from_grads(loss.backward(), self);
        TrainOutput {
            grads: gradients,
            item,
        }
    }
}

impl<O: Objective> InferenceStep for TraineeOf<O> {
    type Input = HostBatch;
    type Output = StepItem;

    fn step(&self, host: HostBatch) -> StepItem {
        self.whole_step(&host).1
    }
}
