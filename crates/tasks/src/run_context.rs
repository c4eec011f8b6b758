//! What a run needs besides its settings.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Device;
use burn::train::Interrupter;
use kiln_learner::{
    LearnError, ModelFiles, Objective, Observer, Resumption, RunFolder, TrainOutcome, TrainRequest,
    train,
};

use crate::run_data::RunData;
use crate::settings::RunSettings;

/// What a run needs besides its settings: where it runs and who is told.
pub struct RunContext {
    /// The run's folder, made and with its settings written.
    pub run: RunFolder,
    /// The devices, in the order of the settings.
    pub devices: Vec<Device>,
    /// Stops the run after the step at hand.
    pub interrupter: Interrupter,
    /// Told of everything.
    pub observer: Arc<dyn Observer>,
    /// Draw burn-train's dashboard.
    pub dashboard: bool,
    /// Where the run goes on; none: from its newest whole checkpoint, if it has one.
    pub resumption: Option<Resumption>,
}

impl RunContext {
    /// Where the model is made: the first device, recording gradients.
    ///
    /// # Errors
    /// If there is none.
    pub fn first_device(&self) -> Result<Device, LearnError> {
        let first = self
            .devices
            .first()
            .ok_or_else(|| LearnError::Settings("devices: none given; name at least one".into()))?;
        Ok(first.clone().autodiff())
    }

    /// Whether the run has no checkpoint yet.
    ///
    /// # Errors
    /// If its folder can't be read.
    pub fn is_fresh(&self) -> Result<bool, LearnError> {
        Ok(self.run.list_checkpoints()?.is_empty())
    }

    /// Trains `model`, after its size has been told.
    ///
    /// # Errors
    /// As [`kiln_learner::train()`].
    pub fn train<O: Objective>(
        self,
        objective: O,
        model: O::Model,
        files: ModelFiles<O::Model>,
        settings: &RunSettings,
        data: RunData,
    ) -> Result<TrainOutcome, LearnError> {
        self.observer.model(Module::num_params(&model));
        train(TrainRequest {
            devices: self.devices,
            eval: data.eval,
            interrupter: self.interrupter,
            observer: self.observer,
            dashboard: self.dashboard,
            resumption: self.resumption,
            ..TrainRequest::new(
                objective,
                model,
                files,
                self.run,
                settings.training.clone(),
                data.train,
            )
        })
    }
}
