//! Fine-tunes an XLNet checkpoint to choose the sentence that goes on from a program of one's own: what
//! `kiln finetune choose` does.
//!
//! ```text
//! cargo run --release --example finetune_choose -- MODEL [OUTPUT] [EPOCHS]
//! ```

#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use kiln::backend::{choose, open};
use kiln::datasets::Task;
use kiln::datasets::reading::DatasetSpec;
use kiln::learner::{OptimizerSettings, PrintEvery, RunFolder, TrainingSettings};
use kiln::tasks::Architecture as _;
use kiln::tasks::labelled::FineTuneSettings;
use kiln::xlnet::Xlnet;

const TASKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/tasks");

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("name an XLNet checkpoint")?;
    let output = arguments
        .next()
        .unwrap_or("runs/choices-example".to_owned());
    let epochs = arguments.next().map_or(Ok(10), |epochs| epochs.parse())?;

    // 1. An object a line: how it begins, its endings, and which of them is right.
    let files = ["choices-train.jsonl", "choices-dev.jsonl"];
    let files = files.map(|name| DatasetSpec::new(Task::Choose, vec![Path::new(TASKS).join(name)]));

    // 2. A run whose head gives each ending one number. An example is as many sequences as it has
    //    endings: fewer examples make a batch.
    let training = TrainingSettings {
        batch_size: 16,
        optimizer: OptimizerSettings {
            learning_rate: 1e-3,
            ..Default::default()
        },
        ..Default::default()
    };
    let (family, run) = (Xlnet.tuned(), RunFolder::create(Path::new(&output))?);
    let (settings, data) =
        FineTuneSettings::new(family, model.as_ref(), &run, files, training, epochs)?;

    // 3. Train. The best checkpoint is the one with the highest accuracy on the second file.
    let device = open(&choose(None)?)?;
    let outcome = settings.train(family, run, data, device, Arc::new(PrintEvery(50)))?;
    let (step, checkpoint, accuracy) = outcome.best_checkpoint.ok_or("nothing was evaluated")?;
    println!("step {step}: accuracy {accuracy:.3}");
    println!("{}", checkpoint.display());
    Ok(())
}
