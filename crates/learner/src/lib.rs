//! One training loop for every objective.
//!
//! ```text
//! BatchSource -> HostBatch -> upload -> forward (a part) -> sums -> backward -> clip -> AdamW
//!     kiln-text               |------------- step.rs, part by part ------------|
//! ```
//!
//! | file | what |
//! | --- | --- |
//! | `objective.rs` | [`Objective`]: what the loop asks of what it trains |
//! | `upload.rs` | a host's buffers as tensors, for an objective's batch |
//! | `settings.rs`, `schedule.rs` | steps, batches, rates |
//! | `run.rs` | [`RunFolder`]: where a run's files lie, and who keeps others out |
//! | `train.rs` | [`train()`]: starts or resumes a run |
//! | `strategy.rs`, `strategy/saving.rs` | the loop, as a burn-train strategy; when it saves |
//! | `soundness.rs` | whether a model is worth a checkpoint |
//! | `step.rs` | one optimizer step, and an evaluation |
//! | `watch.rs` | notices a part that learns nothing |
//! | `optimizer.rs`, `gradients.rs` | AdamW, the global norm |
//! | `checkpoint.rs`, `newest.rs`, `record.rs` | what is written, and read again |
//! | `trainee.rs`, `metric.rs`, `loader.rs`, `renderer.rs` | what burn-train wants to see |
//!
//! Every random choice is a function of (seed, step): the data is found by its number, and the
//! device's generator is seeded afresh before every forward pass. Resuming needs no replay.

pub mod objective;
pub mod record;
pub mod schedule;
pub mod settings;
pub mod trainee;
pub mod upload;
pub mod watch;

mod checkpoint;
mod error;
mod gradients;
mod loader;
mod metric;
mod newest;
mod optimizer;
mod paths;
mod renderer;
mod run;
mod soundness;
mod step;
mod strategy;
mod train;

pub use error::LearnError;
pub use loader::Batches;
pub use metric::StepMetric;
pub use newest::NewestCheckpoint;
pub use objective::{ConstantGuess, Measure, Objective, PartOutput, PartSpec, TermSpec, Weight};
pub use optimizer::decays;
pub use record::{Record, RecordKind};
pub use run::RunFolder;
pub use settings::{OptimizerSettings, ScheduleKind, Stretch, TrainingSettings};
pub use train::{
    EvalData, NoObserver, Observer, Resumption, Stop, TrainOutcome, TrainRequest, train,
};
pub use watch::Stall;
