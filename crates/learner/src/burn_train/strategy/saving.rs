//! When a run is saved, and when it is better not to.
//!
//! Nothing is written or deleted while steps are not finite, nor a model that is not worth it: what
//! a run goes on from is always a model that was learning.

use std::path::PathBuf;

use burn::module::Module as _;

use super::{Fit, at_step};
use crate::checkpoint::{prune, save};
use crate::error::LearnError;
use crate::objective::Objective;
use crate::observer::Stop;
use crate::orders::Order;
use crate::soundness::{fault_of_loss, fault_of_weights};
use crate::step::evaluate;

impl<O: Objective> Fit<'_, O> {
    /// Whether `step` has just been evaluated, and is better than all before.
    pub(super) fn is_best(&self, step: u64) -> bool {
        let Some((last, before)) = self.job.state.evaluations.split_last() else {
            return false;
        };
        let badness = |evaluation| self.job.settings.select.badness(evaluation);
        last.step == step
            && before
                .iter()
                .all(|earlier| badness(last) < badness(earlier))
    }

    /// The checkpoint that a run leaves which ends with the step at hand, saved now if need be.
    pub(super) fn last_checkpoint(&mut self, stop: Stop) -> Result<PathBuf, LearnError> {
        let step = self.job.state.step;
        // Whoever stops a run goes on with it, and then from where all was well.
        let is_bad = stop == Stop::Interrupted && self.job.state.bad_in_row > 0;
        let fault = if is_bad {
            Some("it was not finite".to_owned())
        } else {
            self.save()?
        };
        match (fault, stop) {
            (None, _) => Ok(self.job.run.checkpoint(step)),
            (Some(fault), Stop::Interrupted) => match self.newest_kept() {
                Some(before) => {
                    self.tell(format!("no checkpoint after step {step}: {fault}"));
                    Ok(before)
                }
                None => Err(self.diverged(fault)),
            },
            (Some(fault), Stop::Done | Stop::Early) => Err(self.diverged(fault)),
        }
    }

    /// Writes the checkpoint of the step at hand, unless its model is not worth one: then gives what
    /// is wrong with it, and writes and deletes nothing.
    pub(super) fn save(&mut self) -> Result<Option<String>, LearnError> {
        let step = self.job.state.step;
        if self.last_saved == Some(step) || step == 0 {
            return Ok(None);
        }
        let Some(model) = &self.model else {
            return Ok(None);
        };
        if let Some(fault) = self.fault(model)? {
            return Ok(Some(fault));
        }
        self.job.metrics.sync()?;
        Order::Carries.pass(&*self.job.stepper.collective, false)?;
        let path = save(
            &self.job.run,
            &self.job.files,
            model,
            &self.job.stepper,
            &mut self.job.state,
        )?;
        self.last_saved = Some(step);
        for problem in prune(&self.job.run, &self.job.settings, &self.job.state)? {
            self.tell(problem);
        }
        self.job.observer.checkpoint(step, &path);
        Ok(None)
    }

    /// What is wrong with the model: by its loss on the last step's text or in an evaluation just
    /// made, then by its weights.
    fn fault(&self, model: &O::Model) -> Result<Option<String>, LearnError> {
        let step = self.job.state.step;
        let evaluated = self.evaluated.filter(|(at, _)| *at == step);
        let loss = match (evaluated, &self.last_batch) {
            (Some((_, loss)), _) => Some(loss),
            (None, Some(batch)) => {
                let device = self.job.stepper.placement.first().clone().inner();
                let batches = std::iter::once(Ok(batch.clone()));
                let seed = self.job.settings.seed;
                let objective = &*self.job.objective;
                let values = evaluate(objective, &model.valid(), &device, batches, seed)
                    .map_err(|error| at_step(error, step))?;
                let loss = values.iter().find(|(name, _)| name == "loss");
                loss.map(|(_, loss)| *loss)
            }
            (None, None) => None,
        };
        match loss.and_then(|loss| fault_of_loss(loss, self.job.state.first_loss)) {
            Some(fault) => Ok(Some(fault)),
            None => fault_of_weights(model).map_err(|error| at_step(error, step)),
        }
    }

    /// A warning, the same one once.
    pub(super) fn tell(&mut self, warning: String) {
        if !self.told.contains(&warning) {
            self.job.observer.warning(&warning);
            self.told.push(warning);
        }
    }

    pub(super) fn diverged(&self, problem: String) -> LearnError {
        let state = &self.job.state;
        LearnError::Diverged {
            step: state.step,
            problem,
            checkpoint: self.newest_kept(),
            first_step: state.bad_steps >= state.step,
        }
    }

    /// The last checkpoint that this run wrote, or went on from: those passed over when it was
    /// resumed may lie beside it under any step's name.
    fn newest_kept(&self) -> Option<PathBuf> {
        self.last_saved.map(|step| self.job.run.checkpoint(step))
    }
}
