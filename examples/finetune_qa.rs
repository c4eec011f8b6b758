//! Fine-tunes a DeBERTa checkpoint to find answers in a text from a program of one's own: what
//! `kiln finetune qa` does.
//!
//! ```text
//! cargo run --release --example finetune_qa -- MODEL [OUTPUT] [EPOCHS]
//! ```

#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use kiln::backend::{choose, open};
use kiln::datasets::Task;
use kiln::datasets::reading::DatasetSpec;
use kiln::deberta::Deberta;
use kiln::learner::{OptimizerSettings, PrintEvery, RunFolder, TrainingSettings};
use kiln::tasks::Architecture as _;
use kiln::tasks::labelled::FineTuneSettings;

const TASKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/tasks");

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("name a DeBERTa checkpoint")?;
    let output = arguments
        .next()
        .unwrap_or("runs/answers-example".to_owned());
    let epochs = arguments.next().map_or(Ok(10), |epochs| epochs.parse())?;

    // 1. Files as SQuAD has them. Some of the questions have no answer in their text.
    let files = ["questions-train.json", "questions-dev.json"];
    let files = files.map(|name| DatasetSpec::new(Task::Qa, vec![Path::new(TASKS).join(name)]));

    // 2. A run whose head gives each token two numbers: for an answer's start, and for its end.
    let training = TrainingSettings {
        optimizer: OptimizerSettings {
            learning_rate: 1e-3,
            ..Default::default()
        },
        ..Default::default()
    };
    let (family, run) = (Deberta.tuned(), RunFolder::create(Path::new(&output))?);
    let (settings, data) =
        FineTuneSettings::new(family, model.as_ref(), &run, files, training, epochs)?;
    if settings.task.search.allow_no_answer {
        println!("some questions have no answer");
    }

    // 3. Train. The best checkpoint is the one whose answers share the most words with the right ones.
    let device = open(&choose(None)?)?;
    let outcome = settings.train(family, run, data, device, Arc::new(PrintEvery(50)))?;
    let (step, checkpoint, f1) = outcome.best_checkpoint.ok_or("nothing was evaluated")?;
    println!("step {step}: F1 of words {f1:.1}");
    println!("{}", checkpoint.display());
    Ok(())
}
