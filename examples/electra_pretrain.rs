//! Pretrains a small ELECTRA from a program of one's own, then asks its discriminator about a
//! sentence: the parts of `kiln pretrain electra` one by one.
//!
//! ```text
//! cargo run --release --example electra_pretrain -- [OUTPUT] [STEPS]
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
use kiln::electra::{ElectraConfig, ElectraPretraining, PairConfig, ReplacedTokenDetector};
use kiln::learner::{
    EvalData, Observer, OptimizerSettings, Record, RunFolder, TrainRequest, TrainingSettings, train,
};
use kiln::nn::Init;
use kiln::tasks::settings::{DetectionSettings, Sharing};
use kiln::text::corpus::{self, PrepareSettings};
use kiln::text::examples::{
    ContinuousSegments, Documents, MaskedLmEvaluation, MaskedLmSource, SEGMENT_SHORT_SEQ_PROB,
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
            let value = |name| record.get(name).unwrap_or(f64::NAN);
            eprintln!(
                "step {:5}/{}  generator {:.3}  discriminator {:.3}  recall {:.2}",
                record.step,
                settings.steps,
                value("generator_loss"),
                value("discriminator_loss"),
                value("discriminator_recall"),
            );
        }
    }

    fn evaluation(&self, record: &Record) {
        let value = |name| record.get(name).unwrap_or(f64::NAN);
        eprintln!(
            "held out:    generator {:.3}, discriminator {:.3}, area under the curve {:.3}",
            value("generator_loss"),
            value("discriminator_loss"),
            value("discriminator_auc"),
        );
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let output = PathBuf::from(
        arguments
            .next()
            .unwrap_or_else(|| "runs/electra-example".into()),
    );
    let steps: u64 = arguments.next().map_or(Ok(300), |steps| steps.parse())?;
    let (seq_len, batch_size, seed) = (64, 16, 1);

    // 1. Text to a tokenizer and to a memory-mapped corpus.
    let run = RunFolder::create(&output)?;
    let texts = [Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data")];
    let settings = WordPieceSettings {
        vocab_size: 2000,
        ..Default::default()
    };
    let inputs = Inputs::find(&texts, Reading::default())?;
    let tokenizer = train_word_piece(&inputs, &settings, &mut |_| ())?;
    tokenizer.save(&run.tokenizer())?;
    let cache = output.join("corpus");
    let settings = PrepareSettings::default();
    let corpus = corpus::cached(&inputs, &tokenizer, &cache, &settings, &mut |_| ())?;

    // 2. Consecutive segments, masked afresh at every step: 85 % of the chosen tokens become
    //    [MASK], none a random word. A twentieth of the documents is held out.
    let vocabulary = Arc::new(tokenizer.vocabulary()?);
    let (training, held_out) = Documents::split(Arc::new(corpus), seed, 0.05)?;
    let segments = |documents| {
        let short = SEGMENT_SHORT_SEQ_PROB;
        ContinuousSegments::new(documents, &vocabulary, seq_len, short, seed).map(Arc::new)
    };
    let masking = Masking::electra(seq_len, 0.15);
    let batches = MaskedLmSource::new(
        segments(training)?,
        masking.clone(),
        vocabulary.clone(),
        batch_size,
        seed,
    )?;
    let evaluation = MaskedLmEvaluation::new(
        segments(held_out)?,
        masking,
        vocabulary.clone(),
        batch_size,
        seed,
        None,
    )?;

    // 3. Two models that share their embeddings: the generator is half as wide.
    let discriminator = ElectraConfig {
        vocab_size: tokenizer.vocab_size() as usize,
        embedding_size: 128,
        hidden_size: 128,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 512,
        max_position_embeddings: seq_len,
        initializer_range: 0.1,
        ..Default::default()
    };
    let settings = DetectionSettings {
        sharing: Sharing::Embeddings,
        generator: None,
        generator_size: 0.5,
        generator_layers: 1.0,
        init_generator: None,
        generator_weight: 1.0,
        discriminator_weight: 50.0,
        temperature: 1.0,
        disallow_correct: false,
        uniform_generator: false,
        alternating: false,
    };
    let device = open(&choose(None)?)?;
    let range = discriminator.initializer_range;
    let mut init = Init::new(seed, range, &device.clone().autodiff());
    let config = PairConfig {
        generator: Some(discriminator.generator(settings.generator_size, 1.0)),
        discriminator,
        sharing: settings.sharing,
    };
    let objective = ElectraPretraining::new(config, settings).with_tokenizer(tokenizer);
    let model = objective.new_model(&mut init);

    // 4. Train. Every checkpoint holds two folders that transformers opens.
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

    // 5. Which word does not belong here?
    let detector = ReplacedTokenDetector::open(&outcome.checkpoint, &device)?;
    for score in detector.scores("The sun is the star at the cheese of our solar system.")? {
        println!("{:>12}  {:.3}", score.token, score.replaced);
    }
    println!("{}", outcome.checkpoint.display());
    Ok(())
}
