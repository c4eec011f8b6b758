//! One training loop for every objective.
//!
//! ```text
//! BatchSource -> HostBatch -> upload -> forward (a part) -> sums -> backward -> clip -> AdamW
//!     kiln-text               |------------- step.rs, part by part ------------|
//! ```
//!
//! | file | what |
//! | --- | --- |
//! | `objective.rs` | [`Objective`]: what the loop asks of an architecture's loss |
//! | `architecture.rs` | [`Architecture`]: what the command line asks of an architecture |
//! | `forward/` | [`forward::Call`]: a checkpoint run on given tensors; arguments, losses, gradients |
//! | `fill_mask.rs` | [`fill_mask::TextFiller`]: masks of a text, and tokens for them |
//! | `replaced_tokens.rs` | [`replaced_tokens::TextScorer`]: tokens of a text, and what a discriminator says of them |
//! | `one_text.rs` | a text as a batch of its own, for predictions |
//! | `masked_lm.rs` | [`masked_lm::MaskedLmBatch`]: masked words on a device, and their loss |
//! | `settings.rs`, `schedule.rs`, `run.rs` | what a run is made of, and its folder |
//! | `change.rs` | what was changed of a run after it had begun |
//! | `documents.rs` | corpora on disk, and what of them is held out |
//! | `masked_lm_data.rs` | their masked batches |
//! | `sift.rs` | [`sift::CleanPass`]: a classifier's predictions under disturbed embeddings |
//! | `model_config.rs` | [`ConfigError`]: a model's config.json, opened and checked |
//! | `memory.rs` | [`memory::Footprint`]: what a run needs, estimated beforehand |
//! | `tying.rs` | whether a head shares its matrix with the word table |
//! | `start.rs` | tokenizer and first weights of a run |
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

pub mod architecture;
pub mod change;
pub mod documents;
pub mod fill_mask;
pub mod forward;
pub mod masked_lm;
pub mod masked_lm_data;
pub mod memory;
pub mod model_config;
pub mod objective;
pub mod one_text;
pub mod record;
pub mod replaced_tokens;
pub mod run;
pub mod schedule;
pub mod settings;
pub mod sift;
pub mod start;
pub mod trainee;
pub mod tying;
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
mod soundness;
mod step;
mod strategy;
mod table;
mod train;

pub use architecture::Architecture;
pub use error::LearnError;
pub use loader::Batches;
pub use metric::StepMetric;
pub use model_config::ConfigError;
pub use newest::NewestCheckpoint;
pub use objective::{ConstantGuess, Measure, Objective, PartOutput, PartSpec, TermSpec, Weight};
pub use optimizer::decays;
pub use record::{Record, RecordKind};
pub use run::{RunFolder, RunSettings};
pub use settings::{OptimizerSettings, ScheduleKind, Stretch, TrainingSettings};
pub use train::{
    EvalData, NoObserver, Observer, Resumption, Stop, TrainOutcome, TrainRequest, train,
};
pub use watch::Stall;
