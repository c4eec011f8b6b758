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
//! | `model_files.rs` | [`ModelFiles`]: how a model is written and read |
//! | `upload.rs` | a host's buffers as tensors, for an objective's batch |
//! | `settings.rs`, `schedule.rs` | steps, batches, rates |
//! | `run.rs` | [`RunFolder`]: where a run's files lie, and who keeps others out |
//! | `train.rs` | [`train()`]: starts or resumes a run |
//! | `observer.rs` | [`Observer`]: who is told of a run; how it ends |
//! | `burn_train/` | the loop as a burn-train strategy, when it saves, and what else burn-train wants to see |
//! | `soundness.rs` | whether a model is worth a checkpoint |
//! | `step.rs`, `terms.rs`, `readings.rs` | one optimizer step, and an evaluation; sums to losses; what is read back |
//! | `placement.rs` | which rank and device computes which micro-batch |
//! | `precision.rs` | [`Precision`]: the model that a pass runs through |
//! | `collective.rs` | [`Collective`]: the processes of a run, and the order of sums |
//! | `orders.rs`, `follow.rs` | what ranks say to each other; the loop of the others than rank 0 |
//! | `watch.rs` | notices a part that learns nothing |
//! | `frozen.rs` | parameters that stay as they are |
//! | `optimizer.rs`, `gradients.rs` | AdamW, the global norm |
//! | `evaluator.rs`, `selection.rs` | evaluations of another kind, and which is the best |
//! | `checkpoint.rs`, `newest.rs`, `record.rs` | what is written, and read again |
//!
//! Every random choice is a function of (seed, step): the data is found by its number, and the
//! device's generator is seeded afresh before every forward pass. Resuming needs no replay.

pub mod objective;
pub mod record;
pub mod schedule;
pub mod settings;
pub mod upload;
pub mod watch;

mod burn_train;
mod checkpoint;
mod collective;
mod error;
mod evaluator;
mod follow;
mod frozen;
mod gradients;
mod model_files;
mod newest;
mod observer;
mod optimizer;
mod orders;
mod paths;
mod placement;
mod precision;
mod readings;
mod run;
mod selection;
mod soundness;
mod step;
mod terms;
mod train;

pub use burn_train::renderer::HAS_DASHBOARD;
pub use collective::{Alone, Collective, CollectiveError};
pub use error::LearnError;
pub use evaluator::Evaluator;
pub use model_files::ModelFiles;
pub use newest::NewestCheckpoint;
pub use objective::{
    Carry, ConstantGuess, Measure, Objective, ParameterGroup, PartOutput, PartSpec, TermSpec,
};
pub use observer::{NoObserver, Observer, PrintEvery, Stop, TrainOutcome};
pub use precision::Precision;
pub use readings::read_values;
pub use record::{Record, RecordKind};
pub use run::RunFolder;
pub use selection::Selection;
pub use settings::{OptimizerSettings, ScheduleKind, Stretch, TrainingSettings};
pub use train::{EvalData, Resumption, TrainRequest, train};
pub use watch::Stall;
