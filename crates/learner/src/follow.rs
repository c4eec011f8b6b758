//! The loop on the ranks other than the first: it makes the steps and does as rank 0 says.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use burn::data::dataloader::DataLoader as _;
use burn::train::Interrupter;

use crate::burn_train::loader::{Batches, next_batches};
use crate::burn_train::strategy::at_step;
use crate::error::LearnError;
use crate::objective::Objective;
use crate::observer::TrainOutcome;
use crate::orders::{Order, hear_outcome};
use crate::run::RunFolder;
use crate::schedule::learning_rate;
use crate::settings::TrainingSettings;
use crate::step::Stepper;

/// What a rank needs that follows the first.
pub(crate) struct Follower<O: Objective> {
    pub(crate) run: RunFolder,
    pub(crate) settings: TrainingSettings,
    pub(crate) stepper: Stepper<O>,
    pub(crate) model: O::Model,
    /// Steps made before.
    pub(crate) made: u64,
    /// This rank's batches of the steps to come.
    pub(crate) train: Batches,
    /// Stops the run on all ranks.
    pub(crate) interrupter: Interrupter,
}

/// Makes steps until rank 0 ends the run.
///
/// # Errors
/// If data can't be read, a device fails, or another rank is gone.
pub(crate) fn follow<O: Objective>(follower: Follower<O>) -> Result<TrainOutcome, LearnError> {
    let at = AtomicU64::new(follower.made);
    catch_unwind(AssertUnwindSafe(|| steps(follower, &at))).unwrap_or_else(|panic| {
        Err(LearnError::Device {
            step: at.load(Ordering::Relaxed),
            reason: kiln_backend::panic_text(&*panic).to_owned(),
        })
    })
}

/// As [`follow`]; `at` is told of every step before it is made.
fn steps<O: Objective>(follower: Follower<O>, at: &AtomicU64) -> Result<TrainOutcome, LearnError> {
    let Follower {
        run,
        settings,
        mut stepper,
        mut model,
        made,
        train,
        interrupter,
    } = follower;
    let collective = stepper.collective.clone();
    let mut batches = train.iter();
    let mut step = made;
    loop {
        let asked = step > made && interrupter.should_stop();
        let told = Order::End.pass(&*collective, asked)?;
        match told.order {
            // Rank 0 knows it too, and ends the run.
            Order::Step if told.interrupted => {}
            Order::Step => {
                step += 1;
                at.store(step, Ordering::Relaxed);
                let hosts = next_batches(&mut *batches, stepper.carries.len())?;
                let rate = learning_rate(&settings, step);
                let (stepped, outcome) = stepper.step(model, step, &hosts, rate);
                model = stepped;
                outcome.map_err(|error| at_step(error, step))?;
            }
            // Only rank 0 has something to write.
            Order::Carries => stepper.gather_carries(|_, _| Ok(()))?,
            Order::End => return hear_outcome(&*collective, &run),
        }
    }
}
