//! Fine-tunes a RoBERTa checkpoint on sentences whose words have tags from a program of one's own: what
//! `kiln finetune tag` does. Another architecture is another name than `Roberta`.
//!
//! ```text
//! cargo run --release --example finetune_tag -- MODEL [OUTPUT] [EPOCHS]
//! ```

#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use kiln::backend::{choose, open};
use kiln::datasets::Task;
use kiln::datasets::reading::DatasetSpec;
use kiln::learner::{OptimizerSettings, PrintEvery, RunFolder, TrainingSettings};
use kiln::roberta::Roberta;
use kiln::tasks::Architecture as _;
use kiln::tasks::labelled::FineTuneSettings;

const TASKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/tasks");

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("name a RoBERTa checkpoint")?;
    let output = arguments.next().unwrap_or("runs/tags-example".to_owned());
    let epochs = arguments.next().map_or(Ok(10), |epochs| epochs.parse())?;

    // 1. A word a line with its tag: the scheme of the tags is told by them.
    let files = ["tags-train.conll", "tags-dev.conll"];
    let files = files.map(|name| DatasetSpec::new(Task::Tag, vec![Path::new(TASKS).join(name)]));

    // 2. A run whose head has a number for each tag.
    let training = TrainingSettings {
        optimizer: OptimizerSettings {
            learning_rate: 1e-3,
            ..Default::default()
        },
        ..Default::default()
    };
    let (family, run) = (Roberta.tuned(), RunFolder::create(Path::new(&output))?);
    let (settings, data) =
        FineTuneSettings::new(family, model.as_ref(), &run, files, training, epochs)?;
    println!("tags: {}", settings.task.labels.names().join(", "));

    // 3. Train. The best checkpoint is the one that finds the most entities of the second file.
    let device = open(&choose(None)?)?;
    let outcome = settings.train(family, run, data, device, Arc::new(PrintEvery(50)))?;
    let (step, checkpoint, f1) = outcome.best_checkpoint.ok_or("nothing was evaluated")?;
    println!("step {step}: F1 of entities {f1:.3}");
    println!("{}", checkpoint.display());
    Ok(())
}
