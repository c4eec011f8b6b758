//! Pretrains a small XLNet from a program of one's own, then asks it for a word: the parts of
//! `kiln pretrain xlnet` one by one.
//!
//! ```text
//! cargo run --release --example xlnet_pretrain -- [OUTPUT] [STEPS]
//! ```

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks"
)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::train::Interrupter;
use kiln::backend::{choose, open};
use kiln::learner::{EvalData, Observer, Record, RunFolder, TrainRequest, TrainingSettings, train};
use kiln::nn::Init;
use kiln::nn::init::WeightDistribution;
use kiln::text::corpus::{self, PrepareSettings};
use kiln::text::examples::{Documents, PermutedEvaluation, PermutedSettings, PermutedSource};
use kiln::text::reading::{Inputs, Reading};
use kiln::text::tokenizer::{UnigramSettings, XlnetLetters, train_unigram};
use kiln::xlnet::{MaskFiller, Preset, XlnetConfig, XlnetPretraining};

/// Large outputs come from an allocator that keeps its pages: matrix products on the CPU run
/// twice as fast.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Prints every hundredth step.
struct Print;

impl Observer for Print {
    fn step(&self, record: &Record, settings: &TrainingSettings) {
        if record.step.is_multiple_of(100) || record.step == settings.steps {
            let value = |name| record.get(name).unwrap_or(f64::NAN);
            eprintln!(
                "step {:5}/{}  loss {:.3}  right {:.2}",
                record.step,
                settings.steps,
                value("plm_loss"),
                value("plm_accuracy"),
            );
        }
    }

    fn evaluation(&self, record: &Record) {
        let value = |name| record.get(name).unwrap_or(f64::NAN);
        eprintln!(
            "held out:    loss {:.3}, perplexity {:.0}",
            value("plm_loss"),
            value("plm_perplexity"),
        );
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let output = PathBuf::from(
        arguments
            .next()
            .unwrap_or_else(|| "runs/xlnet-example".into()),
    );
    let steps: u64 = arguments.next().map_or(Ok(300), |steps| steps.parse())?;
    let (seq_len, batch_size, seed) = (64, 16, 1);

    // 1. Text to a tokenizer and to a memory-mapped corpus.
    let run = RunFolder::create(&output)?;
    let texts = [Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data")];
    let settings = UnigramSettings {
        vocab_size: 2000,
        ..UnigramSettings::xlnet(XlnetLetters::default())
    };
    let inputs = Inputs::find(&texts, Reading::default())?;
    let tokenizer = train_unigram(&inputs, &settings, &mut |_| ())?;
    tokenizer.save(&run.tokenizer())?;
    let cache = output.join("corpus");
    let settings = PrepareSettings::default();
    let corpus = corpus::cached(&inputs, &tokenizer, &cache, &settings, &mut |_| ())?;

    // 2. Long lanes of text that go on from batch to batch, in one half of each batch backwards. No
    //    token is replaced: which ones are predicted, and what each may see, is drawn afresh at
    //    every step. A twentieth of the documents is held out.
    let vocabulary = Arc::new(tokenizer.vocabulary()?);
    let (training, held_out) = Documents::split(Arc::new(corpus), seed, 0.05)?;
    let settings = PermutedSettings {
        batch_size,
        end_of_document: tokenizer.end_of_document(),
        seed,
        ..PermutedSettings::published(seq_len)
    };
    let batches = PermutedSource::new(training, vocabulary.clone(), settings.clone())?;
    let evaluation = PermutedEvaluation::new(held_out, vocabulary, settings, None)?;

    // 3. The model remembers three quarters of a sequence: the objective hands what one batch leaves
    //    to the next.
    let preset = Preset::by_name("tiny").ok_or("there is no preset tiny")?;
    let config = XlnetConfig {
        initializer_range: 0.1,
        ..preset.config(tokenizer.vocab_size() as usize, seq_len)
    };
    let device = open(&choose(None)?)?;
    let mut init = Init::with_distribution(
        seed,
        config.initializer_range,
        WeightDistribution::Normal,
        &device.clone().autodiff(),
    );
    let objective = XlnetPretraining::new(config, batch_size).with_tokenizer(tokenizer);
    let model = objective.new_model(&mut init);

    // 4. Train. Every checkpoint is a folder that transformers opens; the memory stands beside the
    //    optimizer's state.
    let recipe = preset.recipe();
    let outcome = train(TrainRequest {
        objective: Arc::new(objective),
        model,
        devices: vec![device.clone()],
        run,
        settings: TrainingSettings {
            steps,
            batch_size,
            seed,
            warmup: steps / 10,
            eval_every: steps.div_ceil(3),
            save_every: steps.div_ceil(3),
            optimizer: recipe.optimizer,
            schedule: recipe.schedule,
            ..Default::default()
        },
        train: Arc::new(batches),
        eval: Some(EvalData {
            batches: evaluation.num_batches(),
            source: Arc::new(evaluation),
        }),
        interrupter: Interrupter::new(),
        observer: Arc::new(Print),
        dashboard: false,
        resumption: None,
    })?;

    // 5. Which word is missing? It comes last in the order, so that it is predicted from all others.
    let filler = MaskFiller::open(&outcome.checkpoint, &device)?;
    for mask in filler.fill(
        "The sun is the <mask> at the centre of our solar system.",
        3,
    )? {
        for candidate in mask.candidates {
            println!("{:>12}  {:.3}", candidate.token, candidate.score);
        }
    }
    println!("{}", outcome.checkpoint.display());
    Ok(())
}
