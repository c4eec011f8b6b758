//! One piece of work, timed, for `scripts/compare_pytorch.py`: prints one line of JSON.
//!
//! ```text
//! compare --work train --backend flex --steps 10 --warmup 3
//! ```
//!
//! Each piece runs in a process of its own, so that nothing is warm from another. The number of
//! threads of the tensor libraries comes from RAYON_NUM_THREADS and OMP_NUM_THREADS.

#[path = "../crates/cli/src/allocator.rs"]
mod allocator;
mod work;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{Device, Tensor};
use clap::{Parser, ValueEnum};
use kiln::backend::{choose, open};
use kiln::learner::Objective as _;
use kiln::nn::gather_positions;
use kiln::nn::loss::cross_entropy_sum;
use kiln::text::corpus::{PrepareSettings, prepare};
use kiln::text::examples::{Documents, MaskedLmSource, PackedSequences};
use kiln::text::masking::Masking;
use kiln::text::reading::{Inputs, Reading};
use kiln::text::tokenizer::{WordPieceSettings, train_word_piece};
use kiln::text::{BatchSource, Corpus, Tokenizer};
use kiln::xlnet::{Visibility, XlnetInputs};
use serde_json::{Value, json};

use work::{BATCH, Failure, RandomWords, SEQ_LEN, Training};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Times one piece of work and prints a line of JSON
#[derive(Parser)]
struct Arguments {
    /// What to do; nothing without it
    #[arg(long, value_enum)]
    work: Option<Work>,
    /// The device, as in `kiln pretrain --backend`
    #[arg(long)]
    backend: Option<String>,
    /// Timed repetitions
    #[arg(long, default_value_t = 10)]
    steps: u64,
    /// Repetitions before, not reported
    #[arg(long, default_value_t = 3)]
    warmup: u64,
    /// Threads of `prepare`
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Text files, for tokenizer, prepare and batches
    #[arg(long)]
    corpus: Vec<PathBuf>,
    /// A tokenizer's folder: tokenizer writes it, prepare and batches read it
    #[arg(long)]
    tokenizer: Option<PathBuf>,
    /// An empty folder: train, electra, deberta and xlnet write their first weights into it
    #[arg(long)]
    model: Option<PathBuf>,
    /// A folder for shards, for prepare and batches
    #[arg(long)]
    output: Option<PathBuf>,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Work {
    /// A training step of the learner
    Train,
    /// A training step of ELECTRA: generator, sampling, discriminator
    Electra,
    /// A training step of DeBERTa's masked language model
    Deberta,
    /// DeBERTa forward with its head, without dropout
    DebertaInference,
    /// DeBERTa forward without its head
    DebertaEncoder,
    /// A training step of XLNet, with the memory that the step before left
    Xlnet,
    /// XLNet forward with its head and a memory, without dropout
    XlnetInference,
    /// XLNet's content stream forward, without head and memory
    XlnetEncoder,
    /// Forward with both heads, without dropout
    Inference,
    /// Forward without heads
    Encoder,
    /// Train a tokenizer on the corpus
    Tokenizer,
    /// Text files to token shards
    Prepare,
    /// Build masked batches from a shard
    Batches,
}

#[expect(
    clippy::print_stdout,
    reason = "the line of JSON is what the program is for"
)]
fn main() -> Result<(), Failure> {
    allocator::keep_freed_memory();
    let arguments = Arguments::parse();
    let Some(work) = arguments.work else {
        println!("compare: run by scripts/compare_pytorch.py, or by hand with --work");
        return Ok(());
    };
    let line = match work {
        Work::Train => train(&arguments, Training::start)?,
        Work::Electra => train(&arguments, Training::start_electra)?,
        Work::Deberta => train(&arguments, Training::start_deberta)?,
        Work::DebertaInference => infer_deberta(&arguments, true)?,
        Work::DebertaEncoder => infer_deberta(&arguments, false)?,
        Work::Xlnet => train(&arguments, Training::start_xlnet)?,
        Work::XlnetInference => infer_xlnet(&arguments, true)?,
        Work::XlnetEncoder => infer_xlnet(&arguments, false)?,
        Work::Inference => infer(&arguments, true)?,
        Work::Encoder => infer(&arguments, false)?,
        Work::Tokenizer => train_tokenizer(&arguments)?,
        Work::Prepare => prepare_shards(&arguments)?,
        Work::Batches => build_batches(&arguments)?,
    };
    println!("{line}");
    Ok(())
}

fn train(
    arguments: &Arguments,
    start: fn(Device, Option<&Path>) -> Result<Training, Failure>,
) -> Result<Value, Failure> {
    let device = open(&choose(arguments.backend.as_deref())?)?;
    let training = start(device, arguments.model.as_deref())?;
    let steps: Result<Vec<_>, Failure> = (0..arguments.warmup + arguments.steps)
        .map(|_| training.step())
        .collect();
    training.finish()?;
    let steps = steps?;
    let timed = steps.iter().skip(arguments.warmup as usize);
    let losses: Vec<f64> = steps.iter().map(|step| step.loss).collect();
    Ok(json!({
        "seconds": timed.map(|step| step.seconds).collect::<Vec<_>>(),
        "losses": losses,
    }))
}

fn infer(arguments: &Arguments, heads: bool) -> Result<Value, Failure> {
    let device = open(&choose(arguments.backend.as_deref())?)?;
    let (objective, model) = work::model(&device)?;
    let batch = objective.upload(&RandomWords::BERT.batch(0)?, &device);
    let first = |tensor: Tensor<2>| {
        // Reading one number waits for all of them.
        tensor.slice([0..1, 0..1]).into_scalar::<f32>()
    };
    let seconds = time(arguments, |_| {
        if heads {
            let logits = model.forward(batch.masked.inputs(), batch.masked.positions.clone());
            first(logits.predictions);
        } else {
            let hidden_states = model.bert.forward(batch.masked.inputs());
            first(hidden_states.flatten::<2>(0, 1));
        }
        Ok(())
    })?;

    let logits = model.forward(batch.masked.inputs(), batch.masked.positions.clone());
    let labels = batch.masked.labels.flatten::<1>(0, 1);
    let weights = batch.masked.weights.flatten::<1>(0, 1);
    let count = weights.dims()[0] as f64;
    let sum = cross_entropy_sum(logits.predictions, labels, weights).into_scalar::<f32>();
    let mut loss = f64::from(sum) / count;
    if let (Some(logits), Some(pairs)) = (logits.seq_relationship, batch.next_sentence) {
        let sum = cross_entropy_sum(logits, pairs.labels, pairs.weights).into_scalar::<f32>();
        loss += f64::from(sum) / BATCH as f64;
    }
    Ok(json!({ "seconds": seconds, "losses": [loss] }))
}

fn infer_deberta(arguments: &Arguments, head: bool) -> Result<Value, Failure> {
    let device = open(&choose(arguments.backend.as_deref())?)?;
    let (objective, model) = work::deberta(&device)?;
    let batch = objective.upload(&RandomWords::BERT.batch(0)?, &device);
    let seconds = time(arguments, |_| {
        let output = if head {
            model.predictions(batch.inputs(), batch.positions.clone())
        } else {
            model.deberta.forward(batch.inputs()).flatten::<2>(0, 1)
        };
        // Reading one number waits for all of them.
        output.slice([0..1, 0..1]).into_scalar::<f32>();
        Ok(())
    })?;
    let logits = model.predictions(batch.inputs(), batch.positions.clone());
    let (sum, _) = batch.score(logits, "mlm_accuracy");
    let count = batch.labels.dims().iter().product::<usize>() as f64;
    let loss = f64::from(sum.into_scalar::<f32>()) / count;
    Ok(json!({ "seconds": seconds, "losses": [loss] }))
}

fn infer_xlnet(arguments: &Arguments, head: bool) -> Result<Value, Failure> {
    let device = open(&choose(arguments.backend.as_deref())?)?;
    let (objective, model) = work::xlnet(&device)?;
    let batch = objective.upload(&RandomWords::XLNET.batch(0)?, &device);
    // What the batch itself left, read once before.
    let start = batch.inputs(objective.start_carry(&device));
    let memory = model.transformer.forward(start).memory;
    let inputs = || {
        if head {
            return batch.inputs(Some(memory.clone()));
        }
        XlnetInputs {
            // There is no padding, but the other side is told so by a mask too.
            visibility: Visibility::padding(batch.input_ids.ones_like()),
            targets: None,
            ..batch.inputs(None)
        }
    };
    let seconds = time(arguments, |_| {
        let output = if head {
            model.forward(inputs()).0
        } else {
            let hidden_states = model.transformer.forward(inputs()).hidden_states;
            hidden_states.flatten::<2>(0, 1)
        };
        // Reading one number waits for all of them.
        output.slice([0..1, 0..1]).into_scalar::<f32>();
        Ok(())
    })?;
    let mut hidden_states = model.transformer.forward(inputs()).hidden_states;
    if !head {
        hidden_states = gather_positions(hidden_states, batch.positions.clone());
    }
    let logits = model.score(hidden_states);
    let labels = batch.labels.clone().flatten::<1>(0, 1);
    let weights = batch.weights.clone().flatten::<1>(0, 1);
    let count = weights.dims()[0] as f64;
    let sum = cross_entropy_sum(logits, labels, weights).into_scalar::<f32>();
    Ok(json!({ "seconds": seconds, "losses": [f64::from(sum) / count] }))
}

fn train_tokenizer(arguments: &Arguments) -> Result<Value, Failure> {
    let settings = WordPieceSettings {
        vocab_size: 8_000,
        ..Default::default()
    };
    let tokenizer = train_word_piece(&inputs(arguments)?, &settings, &mut |_| ())?;
    tokenizer.save(tokenizer_folder(arguments)?)?;
    Ok(json!({ "vocab_size": tokenizer.vocab_size() }))
}

fn prepare_shards(arguments: &Arguments) -> Result<Value, Failure> {
    let tokenizer = Tokenizer::open(tokenizer_folder(arguments)?)?;
    let settings = prepare_settings(arguments);
    let inputs = inputs(arguments)?;
    let mut tokens = 0;
    let seconds = time(arguments, |repetition| {
        let shard = output(arguments)?.join(repetition.to_string());
        let summary = prepare(&inputs, &tokenizer, &shard, &settings, &mut |_| ())?;
        tokens = summary.header.num_tokens;
        Ok(())
    })?;
    Ok(json!({ "seconds": seconds, "tokens": tokens }))
}

fn build_batches(arguments: &Arguments) -> Result<Value, Failure> {
    let tokenizer = Tokenizer::open(tokenizer_folder(arguments)?)?;
    let shard = output(arguments)?.join("shard");
    let settings = prepare_settings(arguments);
    let inputs = inputs(arguments)?;
    prepare(&inputs, &tokenizer, &shard, &settings, &mut |_| ())?;
    let corpus = Arc::new(Corpus::open(&shard, &tokenizer)?);
    let vocabulary = Arc::new(tokenizer.vocabulary()?);
    let examples = PackedSequences::new(Documents::all(corpus), &vocabulary, SEQ_LEN, 1)?;
    let masking = Masking::bert(SEQ_LEN);
    let source = MaskedLmSource::new(Arc::new(examples), masking, vocabulary, BATCH, 1)?;
    let seconds = time(arguments, |index| {
        source.batch(index)?;
        Ok(())
    })?;
    Ok(json!({ "seconds": seconds }))
}

/// The seconds of each timed repetition.
fn time(
    arguments: &Arguments,
    mut repetition: impl FnMut(u64) -> Result<(), Failure>,
) -> Result<Vec<f64>, Failure> {
    let mut seconds = Vec::new();
    for index in 0..arguments.warmup + arguments.steps {
        let started = Instant::now();
        repetition(index)?;
        seconds.push(started.elapsed().as_secs_f64());
    }
    Ok(seconds.split_off(arguments.warmup as usize))
}

fn output(arguments: &Arguments) -> Result<&Path, Failure> {
    let output = arguments.output.as_deref();
    Ok(output.ok_or("--output is missing: name an empty folder")?)
}

fn tokenizer_folder(arguments: &Arguments) -> Result<&Path, Failure> {
    let folder = arguments.tokenizer.as_deref();
    Ok(folder.ok_or("--tokenizer is missing: name a tokenizer's folder")?)
}

fn inputs(arguments: &Arguments) -> Result<Inputs, Failure> {
    Ok(Inputs::find(&arguments.corpus, Reading::default())?)
}

fn prepare_settings(arguments: &Arguments) -> PrepareSettings {
    PrepareSettings {
        threads: arguments.threads,
        ..PrepareSettings::default()
    }
}
