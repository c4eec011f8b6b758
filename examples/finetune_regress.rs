//! Fine-tunes an ELECTRA checkpoint to say how alike two sentences are from a program of one's own: what
//! `kiln finetune regress` does, with the settings that ELECTRA was published with.
//!
//! ```text
//! cargo run --release --example finetune_regress -- MODEL [OUTPUT] [EPOCHS]
//! ```

#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use kiln::backend::{choose, open};
use kiln::datasets::Task;
use kiln::datasets::reading::DatasetSpec;
use kiln::electra::Electra;
use kiln::learner::{PrintEvery, RunFolder, TrainingSettings};
use kiln::tasks::Architecture as _;
use kiln::tasks::labelled::{FineTuneSettings, PublishedSize};

const TASKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/tasks");

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("name an ELECTRA checkpoint")?;
    let output = arguments
        .next()
        .unwrap_or("runs/similarity-example".to_owned());
    let epochs = arguments.next().map_or(Ok(10), |epochs| epochs.parse())?;

    // 1. Two sentences and a number a line.
    let files = ["similarity-train.tsv", "similarity-dev.tsv"];
    let files =
        files.map(|name| DatasetSpec::new(Task::Regress, vec![Path::new(TASKS).join(name)]));

    // 2. The published settings of a small model: its rates fall from layer to layer.
    let recipe = Electra.tuning_recipe(Task::Regress, PublishedSize::Small);
    let training = TrainingSettings {
        optimizer: recipe.optimizer,
        schedule: recipe.schedule,
        batch_size: recipe.batch_size,
        ..Default::default()
    };
    let (family, run) = (Electra.tuned(), RunFolder::create(Path::new(&output))?);
    let (mut settings, data) =
        FineTuneSettings::new(family, model.as_ref(), &run, files, training, epochs)?;
    settings.fine_tuning.layer_decay = recipe.layer_decay;

    // 3. Train. The best checkpoint is the one whose numbers rise and fall the most with the right ones.
    let device = open(&choose(None)?)?;
    let outcome = settings.train(family, run, data, device, Arc::new(PrintEvery(50)))?;
    let (step, checkpoint, correlation) = outcome.best_checkpoint.ok_or("nothing was evaluated")?;
    let name = &settings.training.select.value;
    println!("step {step}: {name} {correlation:.3}");
    println!("{}", checkpoint.display());
    Ok(())
}
