//! Fine-tuning on labelled files and what is asked of the model afterwards, for any architecture.
//!
//! ```text
//! files -> examples -> features -> batches -> the model -> logits -> rows of predictions -> scores
//! ```
//!
//! | file | what |
//! | --- | --- |
//! | `settings.rs` | [`FineTuneSettings`]: everything that repeats a run |
//! | `config.rs` | the model's config.json with the labels of a task |
//! | `pipeline.rs` | [`TaskPipeline`]: examples to rows, by whatever answers for a batch |
//! | `data.rs` | [`TaskData`]: what a run trains and is evaluated on |
//! | `selection.rs` | which score decides between checkpoints |
//! | `evaluation.rs` | the evaluation within training: the same pipeline |
//! | `front_door.rs` | settings with everything as usual, for a program of one's own |
//! | `run.rs`, `tuned_family.rs` | a run; what the command line asks of an architecture |
//! | `adapted.rs`, `merge.rs` | the beginning of a run with low-rank adapters; adapters merged |
//! | `recipe.rs` | [`TuningRecipe`]: published settings |
//!
//! There is one way from a file to a score: training's evaluations, `kiln evaluate` and `kiln predict`
//! take it.

mod adapted;
mod config;
mod data;
mod evaluation;
mod front_door;
mod merge;
mod pipeline;
mod recipe;
mod run;
mod selection;
mod settings;
mod tuned_family;

pub use adapted::BASE;
pub use config::{label_names, task_config};
pub use data::{DevExamples, TaskData, training_ids};
pub use front_door::problem_of;
pub use merge::{MergeRequest, Merged};
pub use pipeline::{Asked, TaskPipeline};
pub use recipe::{PublishedSize, TuningRecipe};
pub use selection::selection;
pub use settings::{Development, FineTuneSettings, LabelledData, TaskSettings, TunedFrom};
pub use tuned_family::{HeadFacts, TaskModel, TaskModelRequest, TasksOf, TunedFamily};

pub use kiln_datasets::{Problem, Task};

use kiln_datasets::DataError;
use kiln_learner::LearnError;
use kiln_metrics::MetricsError;

/// An error of labelled data, as a run has it.
pub fn data_error(error: DataError) -> LearnError {
    match error {
        DataError::Settings(message) => LearnError::Settings(message),
        DataError::Text(error) => error.into(),
        error => LearnError::Batch(error.to_string()),
    }
}

/// An error of scoring, as a run has it.
pub fn metrics_error(error: MetricsError) -> LearnError {
    match error {
        MetricsError::Options(message) => LearnError::Settings(message),
        error => LearnError::Batch(error.to_string()),
    }
}
