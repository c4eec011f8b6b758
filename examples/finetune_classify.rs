//! Fine-tunes a checkpoint on a table of labelled texts from a program of one's own: what
//! `kiln finetune classify` does, in its usual way.
//!
//! ```text
//! cargo run --release --example finetune_classify -- MODEL [OUTPUT] [EPOCHS]
//! ```

#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use kiln::backend::{choose, open};
use kiln::bert::Bert;
use kiln::datasets::Task;
use kiln::datasets::reading::DatasetSpec;
use kiln::learner::{OptimizerSettings, PrintEvery, RunFolder, TrainingSettings};
use kiln::tasks::Architecture as _;
use kiln::tasks::labelled::FineTuneSettings;

const TASKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/tasks");

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments
        .next()
        .ok_or("name a BERT checkpoint to start from")?;
    let output = arguments.next().unwrap_or("runs/topics-example".to_owned());
    let epochs = arguments.next().map_or(Ok(20), |epochs| epochs.parse())?;

    // 1. Labelled files: columns, header and labels are told by what is in them.
    let files = ["topics-train.csv", "topics-dev.csv"];
    let files =
        files.map(|name| DatasetSpec::new(Task::Classify, vec![Path::new(TASKS).join(name)]));

    // 2. A run with a fresh head for the labels found.
    let training = TrainingSettings {
        optimizer: OptimizerSettings {
            learning_rate: 1e-3,
            ..Default::default()
        },
        ..Default::default()
    };
    let run = RunFolder::create(Path::new(&output))?;
    let (settings, data) =
        FineTuneSettings::new(Bert.tuned(), model.as_ref(), &run, files, training, epochs)?;
    println!("labels: {}", settings.task.labels.names().join(", "));

    // 3. Train. The best checkpoint is the one with the highest accuracy on the second file.
    let device = open(&choose(None)?)?;
    let outcome = settings.train(Bert.tuned(), run, data, device, Arc::new(PrintEvery(50)))?;
    let (step, checkpoint, accuracy) = outcome.best_checkpoint.ok_or("nothing was evaluated")?;
    println!("step {step}: accuracy {accuracy:.3}");
    println!("{}", checkpoint.display());
    Ok(())
}
