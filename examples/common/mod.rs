//! What the examples of pretraining have in common: their arguments, their text, and how long they
//! train.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln::learner::{OptimizerSettings, RunFolder, TrainingSettings};
use kiln::text::corpus::{PrepareSettings, cached};
use kiln::text::examples::Documents;
use kiln::text::reading::{Inputs, Reading};
use kiln::text::tokenizer::{Tokenizer, TrainSettings, train};

/// Large outputs come from an allocator that keeps its pages: matrix products on the CPU run
/// twice as fast.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A run's folder, how to train, the tokenizer, the documents and those held out.
type Setup = (
    RunFolder,
    TrainingSettings,
    Tokenizer,
    (Documents, Documents),
);

/// Tokens of a sequence.
pub(crate) const SEQ_LEN: usize = 64;
/// Seed of every random choice.
pub(crate) const SEED: u64 = 1;

/// Reads the arguments `[OUTPUT] [STEPS]`, and makes the examples' text into a tokenizer and a
/// memory-mapped corpus.
///
/// Gives the run's folder; how to train, with three evaluations and checkpoints; the tokenizer; the
/// documents to train on, and a twentieth of them to evaluate on.
///
/// # Errors
/// If an argument is wrong, or a file can't be read or written.
pub(crate) fn set_up(output: &str, tokenizer: &TrainSettings) -> Result<Setup, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let output = PathBuf::from(arguments.next().unwrap_or_else(|| output.into()));
    let steps: u64 = arguments.next().map_or(Ok(300), |steps| steps.parse())?;

    let run = RunFolder::create(&output)?;
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let english = (1..=8).map(|number| data.join(format!("english-{number}.txt")));
    let russian = (1..=3).map(|number| data.join(format!("russian-{number}.txt")));
    let texts: Vec<PathBuf> = english.chain(russian).collect();
    let inputs = Inputs::find(&texts, Reading::default())?;
    let tokenizer = train(&inputs, tokenizer, &mut |_| ())?.tokenizer;
    tokenizer.save(&run.tokenizer())?;
    let (cache, how) = (run.corpus(), PrepareSettings::default());
    let corpus = cached(&inputs, &tokenizer, &cache, &how, &mut |_| ())?;
    let documents = Documents::split(Arc::new(corpus), SEED, 0.05)?;
    let training = TrainingSettings {
        steps,
        batch_size: 16,
        seed: SEED,
        warmup: steps / 10,
        eval_every: steps.div_ceil(3),
        save_every: steps.div_ceil(3),
        optimizer: OptimizerSettings {
            learning_rate: 1e-3,
            ..Default::default()
        },
        ..Default::default()
    };
    Ok((run, training, tokenizer, documents))
}
