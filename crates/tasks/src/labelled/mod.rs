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
//! | `carried.rs` | [`Carried`]: how it is asked, which goes with its folder |
//! | `pipeline.rs` | [`TaskPipeline`]: examples to rows, by whatever answers for a batch |
//! | `data.rs` | [`TaskData`]: what a run trains and is evaluated on |
//! | `known_data.rs` | [`KnownData`]: read once, however many runs have it |
//! | `selection.rs` | which score decides between checkpoints |
//! | `evaluation.rs` | the evaluation within training: the same pipeline |
//! | `usual.rs` | what is meant where nobody says otherwise |
//! | `front_door.rs` | settings with everything as usual, for a program of one's own |
//! | `memory.rs` | what memory a run needs |
//! | `run.rs`, `tuned_family.rs` | a run; what the command line asks of an architecture |
//! | `adapted.rs`, `merge.rs` | the beginning of a run with low-rank adapters; adapters merged |
//! | `run_files.rs` | what the folders of one run and of several hold: names, settings, scores |
//! | `recipe.rs` | [`TuningRecipe`]: published settings |
//!
//! There is one way from a file to a score: training's evaluations, `kiln evaluate` and `kiln predict`
//! take it.

mod adapted;
mod carried;
mod config;
mod data;
mod evaluation;
mod front_door;
mod known_data;
mod memory;
mod merge;
mod pipeline;
mod recipe;
mod run;
mod run_files;
mod selection;
mod settings;
mod tuned_family;
mod usual;

pub use adapted::BASE;
pub use carried::Carried;
pub use config::{label_names, task_config};
pub use data::{DevExamples, TaskData, training_ids};
pub use known_data::KnownData;
pub use merge::{MergeRequest, Merged};
pub use pipeline::{Asked, TaskPipeline};
pub use recipe::{PublishedSize, TuningRecipe};
pub use run_files::{
    ADAPTED, Adaptation, AdaptedModel, AdaptedScores, CellScores, ComparedPair, Comparison,
    Difference, GroupScores, GroupSettings, PREDICTIONS, Planned, RunKind, RunScores, SCORES,
    SIDES, SplitScores,
};
pub use selection::selection;
pub use settings::{Development, FineTuneSettings, LabelledData, TaskSettings, TunedFrom};
pub use tuned_family::{HeadFacts, TaskModel, TaskModelRequest, TasksOf, TunedFamily};
pub use usual::{steps_of, usual_len};

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
