//! Pretrains a small DeBERTa v3 from a program of one's own, then asks its generator for a word and
//! its discriminator about a sentence: the parts of `kiln pretrain deberta` one by one.
//!
//! ```text
//! cargo run --release --example deberta_pretrain -- [OUTPUT] [STEPS]
//! ```

#![expect(clippy::print_stdout, reason = "an example talks")]

mod common;

use std::error::Error;
use std::sync::Arc;

use kiln::backend::{choose, open};
use kiln::deberta::{
    DebertaConfig, DebertaForMaskedLm, DebertaForPreTraining, DebertaReplacedTokens, PairConfig,
    Preset,
};
use kiln::learner::{EvalData, PrintEvery, TrainRequest, train};
use kiln::nn::Init;
use kiln::tasks::Predictor;
use kiln::tasks::settings::{DetectionSettings, Sharing};
use kiln::text::examples::{MaskedLmEvaluation, MaskedLmSource, PackedSequences};
use kiln::text::masking::Masking;
use kiln::text::tokenizer::{WordPieceSettings, train_word_piece};

use common::{BATCH_SIZE, SEED, SEQ_LEN, Setup};

fn main() -> Result<(), Box<dyn Error>> {
    // 1. Text to a tokenizer and to a memory-mapped corpus.
    let settings = WordPieceSettings {
        vocab_size: 2000,
        ..Default::default()
    };
    let setup = Setup::new("runs/deberta-example", |inputs| {
        train_word_piece(inputs, &settings, &mut |_| ())
    })?;

    // 2. Full sequences across documents, masked afresh at every step: every chosen token becomes
    //    [MASK].
    let vocabulary = setup.vocabulary;
    let sequences =
        |documents| PackedSequences::new(documents, &vocabulary, SEQ_LEN, SEED).map(Arc::new);
    let masking = Masking::deberta_rtd(SEQ_LEN);
    let batches = MaskedLmSource::new(
        sequences(setup.training)?,
        masking.clone(),
        vocabulary.clone(),
        BATCH_SIZE,
        SEED,
    )?;
    let evaluation = MaskedLmEvaluation::new(
        sequences(setup.held_out)?,
        masking,
        vocabulary.clone(),
        BATCH_SIZE,
        SEED,
        None,
    )?;

    // 3. Two models. The discriminator reads with the generator's words and a difference of its
    //    own, through which no gradient reaches the generator; they step in turns.
    let preset = Preset::by_name("tiny").ok_or("there is no preset tiny")?;
    let discriminator = DebertaConfig {
        initializer_range: 0.1,
        ..preset.config(setup.tokenizer.vocab_size() as usize)
    };
    let settings = DetectionSettings {
        sharing: Sharing::GradientDisentangled,
        generator: None,
        generator_size: 1.0,
        generator_layers: 0.5,
        init_generator: None,
        generator_weight: 1.0,
        discriminator_weight: 10.0,
        temperature: 1.0,
        disallow_correct: false,
        uniform_generator: false,
        alternating: true,
    };
    let device = open(&choose(None)?)?;
    let range = discriminator.initializer_range;
    let mut init = Init::new(SEED, range, &device.clone().autodiff());
    let config = PairConfig {
        generator: discriminator.generator(settings.generator_size, settings.generator_layers),
        discriminator,
        sharing: settings.sharing,
    };
    let objective = DebertaReplacedTokens::new(config, settings);
    let model = objective.new_model(&mut init);
    let files = objective.files(Some(setup.tokenizer));

    // 4. Train. Every checkpoint holds two folders that transformers opens.
    let outcome = train(TrainRequest {
        eval: Some(EvalData {
            batches: evaluation.num_batches(),
            source: Arc::new(evaluation),
        }),
        observer: Arc::new(PrintEvery(100)),
        ..TrainRequest::new(
            objective,
            model,
            files,
            setup.run,
            setup.settings,
            Arc::new(batches),
        )
    })?;

    // 5. Which word is missing, and which does not belong?
    let generator = Predictor::<DebertaForMaskedLm>::open(&outcome.checkpoint, &device)?;
    let texts = ["The sun is the [MASK] at the centre of our solar system."];
    for mask in generator.fill_mask(&texts, 3)?.into_iter().flatten() {
        for candidate in mask.candidates {
            println!("{:>12}  {:.3}", candidate.token, candidate.score);
        }
    }
    let discriminator = Predictor::<DebertaForPreTraining>::open(&outcome.checkpoint, &device)?;
    let texts = ["The sun is the star at the cheese of our solar system."];
    for score in discriminator.replaced_tokens(&texts)?.into_iter().flatten() {
        println!("{:>12}  {:.3}", score.token, score.replaced);
    }
    println!("{}", outcome.checkpoint.display());
    Ok(())
}
