//! What the examples of pretraining have in common: their arguments, their text, and how long they
//! train.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln::learner::{OptimizerSettings, RunFolder, TrainingSettings};
use kiln::text::corpus::{PrepareSettings, cached};
use kiln::text::examples::Documents;
use kiln::text::reading::{Inputs, Reading};
use kiln::text::tokenizer::Tokenizer;
use kiln::text::{TextError, Vocabulary};

/// Large outputs come from an allocator that keeps its pages: matrix products on the CPU run
/// twice as fast.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tokens of a sequence.
pub(crate) const SEQ_LEN: usize = 64;
/// Sequences of a batch.
pub(crate) const BATCH_SIZE: usize = 16;
/// Seed of every random choice.
pub(crate) const SEED: u64 = 1;

/// A run's folder and its text.
pub(crate) struct Setup {
    /// The run's folder, made.
    pub(crate) run: RunFolder,
    /// How to train: as many steps as asked for, with three evaluations and checkpoints.
    pub(crate) settings: TrainingSettings,
    /// The tokenizer, trained on the text.
    pub(crate) tokenizer: Tokenizer,
    /// Its vocabulary.
    pub(crate) vocabulary: Arc<Vocabulary>,
    /// The documents to train on.
    pub(crate) training: Documents,
    /// A twentieth of the documents, to evaluate on.
    pub(crate) held_out: Documents,
}

impl Setup {
    /// Reads the arguments `[OUTPUT] [STEPS]`, and makes the examples' text into a tokenizer and a
    /// memory-mapped corpus.
    ///
    /// # Errors
    /// If an argument is wrong, or a file can't be read or written.
    pub(crate) fn new(
        output: &str,
        train: impl FnOnce(&Inputs) -> Result<Tokenizer, TextError>,
    ) -> Result<Self, Box<dyn Error>> {
        let mut arguments = std::env::args().skip(1);
        let output = PathBuf::from(arguments.next().unwrap_or_else(|| output.into()));
        let steps: u64 = arguments.next().map_or(Ok(300), |steps| steps.parse())?;

        let run = RunFolder::create(&output)?;
        let texts = [Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data")];
        let inputs = Inputs::find(&texts, Reading::default())?;
        let tokenizer = train(&inputs)?;
        tokenizer.save(&run.tokenizer())?;
        let (cache, settings) = (output.join("corpus"), PrepareSettings::default());
        let corpus = cached(&inputs, &tokenizer, &cache, &settings, &mut |_| ())?;
        let (training, held_out) = Documents::split(Arc::new(corpus), SEED, 0.05)?;
        let settings = TrainingSettings {
            steps,
            batch_size: BATCH_SIZE,
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
        Ok(Self {
            vocabulary: Arc::new(tokenizer.vocabulary()?),
            run,
            settings,
            tokenizer,
            training,
            held_out,
        })
    }
}
