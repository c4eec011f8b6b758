//! Pretrains a small BERT from a program of one's own: the parts of `kiln pretrain bert` one by one.
//!
//! ```text
//! cargo run --release --example bert_pretrain -- [OUTPUT] [STEPS]
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
use kiln::bert::{BertConfig, BertPretraining};
use kiln::learner::{
    EvalData, Observer, OptimizerSettings, Record, RunFolder, TrainRequest, TrainingSettings, train,
};
use kiln::nn::Init;
use kiln::text::corpus::{self, PrepareSettings};
use kiln::text::examples::{
    Documents, MaskedLmEvaluation, MaskedLmSource, SHORT_SEQ_PROB, SentencePairs,
};
use kiln::text::masking::Masking;
use kiln::text::reading::{Inputs, Reading};
use kiln::text::tokenizer::{WordPieceSettings, train_word_piece};

/// Large outputs come from an allocator that keeps its pages: matrix products on the CPU run
/// twice as fast.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Prints every hundredth step.
struct Print;

impl Observer for Print {
    fn step(&self, record: &Record, settings: &TrainingSettings) {
        if record.step.is_multiple_of(100) || record.step == settings.steps {
            let loss = record.get("loss").unwrap_or(f64::NAN);
            eprintln!("step {:5}/{}  loss {loss:.3}", record.step, settings.steps);
        }
    }

    fn evaluation(&self, record: &Record) {
        let value = |name| record.get(name).unwrap_or(f64::NAN);
        eprintln!(
            "held out:    mlm {:.3}, next sentence {:.3}",
            value("mlm_loss"),
            value("nsp_loss")
        );
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let output = PathBuf::from(
        arguments
            .next()
            .unwrap_or_else(|| "runs/bert-example".into()),
    );
    let steps: u64 = arguments.next().map_or(Ok(300), |steps| steps.parse())?;
    let (seq_len, batch_size, seed) = (64, 16, 1);

    // 1. Text to a tokenizer and to a memory-mapped corpus.
    let run = RunFolder::create(&output)?;
    let texts = [Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data")];
    let settings = WordPieceSettings {
        vocab_size: 4000,
        ..Default::default()
    };
    let inputs = Inputs::find(&texts, Reading::default())?;
    let tokenizer = train_word_piece(&inputs, &settings, &mut |_| ())?;
    tokenizer.save(&run.tokenizer())?;
    let cache = output.join("corpus");
    let settings = PrepareSettings::default();
    let corpus = Arc::new(corpus::cached(
        &inputs,
        &tokenizer,
        &cache,
        &settings,
        &mut |_| (),
    )?);
    eprintln!(
        "{} tokens, unigram entropy {:.3}",
        corpus.num_tokens(),
        corpus.unigram_entropy()
    );

    // 2. Sentence pairs, masked afresh at every step; a twentieth of the documents held out.
    let vocabulary = Arc::new(tokenizer.vocabulary()?);
    let (training, held_out) = Documents::split(corpus, seed, 0.05)?;
    let pairs = |documents| {
        SentencePairs::new(documents, &vocabulary, seq_len, SHORT_SEQ_PROB, seed).map(Arc::new)
    };
    let masking = Masking::bert(seq_len);
    let batches = MaskedLmSource::new(
        pairs(training)?,
        masking.clone(),
        vocabulary.clone(),
        batch_size,
        seed,
    )?;
    let evaluation = MaskedLmEvaluation::new(
        pairs(held_out)?,
        masking,
        vocabulary.clone(),
        batch_size,
        seed,
        None,
    )?;

    // 3. The model: config.json's fields, two layers of width 128.
    let config = BertConfig {
        vocab_size: tokenizer.vocab_size() as usize,
        hidden_size: 128,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 512,
        max_position_embeddings: seq_len,
        ..Default::default()
    };
    let device = open(&choose(None)?)?;
    let mut init = Init::new(seed, config.initializer_range, &device.clone().autodiff());
    let objective = BertPretraining::new(config, true).with_tokenizer(tokenizer);
    let model = objective.new_model(&mut init);

    // 4. Train. Every checkpoint is a folder that transformers opens.
    let outcome = train(TrainRequest {
        objective: Arc::new(objective),
        model,
        devices: vec![device],
        run,
        settings: TrainingSettings {
            steps,
            batch_size,
            seed,
            warmup: steps / 10,
            eval_every: steps.div_ceil(3),
            save_every: steps.div_ceil(3),
            optimizer: OptimizerSettings {
                learning_rate: 1e-3,
                ..Default::default()
            },
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
    println!("{}", outcome.checkpoint.display());
    Ok(())
}
