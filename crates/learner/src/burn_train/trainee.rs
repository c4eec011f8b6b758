//! An objective and its model as burn-train sees them.

use std::sync::Arc;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{ExecutionError, Tensor};
use burn::train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};
use kiln_text::HostBatch;

use crate::objective::Objective;
use crate::terms::Terms;

/// The module that burn-train trains: the model, and the objective that gives it a loss.
#[derive(Module, Debug)]
pub(crate) struct Trainee<M: Module, O: Clone + core::fmt::Debug + Send> {
    /// All parameters.
    pub(crate) model: M,
    /// Settings of the objective; no parameters.
    #[module(skip)]
    pub objective: O,
}

/// The trainee of an objective.
pub(crate) type TraineeOf<O> = Trainee<<O as Objective>::Model, Arc<O>>;

/// Values of a step or an evaluation on their way to burn-train's metrics.
#[derive(Debug, Clone, Default)]
pub(crate) struct StepItem {
    /// Name and value.
    pub values: Arc<Vec<(String, f64)>>,
    /// The loss `[1]`, where it is still on the device.
    loss: Option<Tensor<1>>,
}

impl StepItem {
    /// An item of known values.
    pub(crate) fn new(values: Vec<(String, f64)>) -> Self {
        Self {
            values: Arc::new(values),
            loss: None,
        }
    }
}

impl ItemLazy for StepItem {
    fn sync(self) -> Result<Self, ExecutionError> {
        let mut values = self.values.to_vec();
        if let Some(loss) = self.loss {
            let loss = loss
                .try_into_scalar::<f32>()
                .map_err(|error| ExecutionError::with_context(error.to_string()))?;
            values.push(("loss".to_owned(), f64::from(loss)));
        }
        Ok(Self::new(values))
    }
}

impl<O: Objective> TraineeOf<O> {
    /// The loss `[1]` of one batch by itself: all parts, without an update in between.
    fn loss(&self, host: &HostBatch) -> Tensor<1> {
        let objective = &*self.objective;
        let device = self.model.devices().first().cloned().unwrap_or_default();
        let terms = Terms::of(objective);
        let weights = objective.weights(host);
        let batch = objective.upload(host, &device);
        let carry = objective.start_carry(&device);
        let mut scratch = O::Scratch::default();
        let mut losses = Vec::new();
        for part in 0..objective.parts().len() {
            let output = objective.forward(&self.model, part, &batch, scratch, &carry);
            scratch = output.scratch;
            losses.extend(terms.share(part, output.sums, &weights));
        }
        let loss = losses.into_iter().reduce(|before, loss| before + loss);
        loss.unwrap_or_else(|| Tensor::zeros([1], &device))
    }
}

/// What burn-train is told of a loss.
fn item(loss: &Tensor<1>) -> StepItem {
    StepItem {
        values: Arc::default(),
        loss: Some(loss.clone().detach()),
    }
}

impl<O: Objective> TrainStep for TraineeOf<O> {
    type Input = HostBatch;
    type Output = StepItem;

    /// One micro-batch by itself, so that burn-train's own strategies can train an objective too.
    /// Kiln's strategy does not come here: see `strategy.rs`.
    fn step(&self, host: HostBatch) -> TrainOutput<StepItem> {
        let loss = self.loss(&host);
        let item = item(&loss);
        let grads = GradientsParams::from_grads(loss.backward(), self);
        TrainOutput { grads, item }
    }
}

impl<O: Objective> InferenceStep for TraineeOf<O> {
    type Input = HostBatch;
    type Output = StepItem;

    fn step(&self, host: HostBatch) -> StepItem {
        item(&self.loss(&host))
    }
}
