//! Pretrains a small XLNet from a program of one's own, then asks it for a word: the parts of
//! `kiln pretrain xlnet` one by one.
//!
//! ```text
//! cargo run --release --example xlnet_pretrain -- [OUTPUT] [STEPS]
//! ```

#![expect(clippy::print_stdout, reason = "an example talks")]

mod common;

use std::error::Error;
use std::sync::Arc;

use kiln::backend::{choose, open};
use kiln::learner::{EvalData, PrintEvery, TrainRequest, TrainingSettings, train};
use kiln::nn::Init;
use kiln::nn::init::WeightDistribution;
use kiln::tasks::Predictor;
use kiln::text::examples::{PermutedEvaluation, PermutedSettings, PermutedSource};
use kiln::text::tokenizer::{UnigramSettings, XlnetLetters, train_unigram};
use kiln::xlnet::{Preset, XlnetConfig, XlnetLmHeadModel, XlnetPretraining};

use common::{BATCH_SIZE, SEED, SEQ_LEN, Setup};

fn main() -> Result<(), Box<dyn Error>> {
    // 1. Text to a tokenizer and to a memory-mapped corpus.
    let settings = UnigramSettings {
        vocab_size: 2000,
        ..UnigramSettings::xlnet(XlnetLetters::default())
    };
    let setup = Setup::new("runs/xlnet-example", |inputs| {
        train_unigram(inputs, &settings, &mut |_| ())
    })?;

    // 2. Long lanes of text that go on from batch to batch, in one half of each batch backwards. No
    //    token is replaced: which ones are predicted, and what each may see, is drawn afresh at
    //    every step.
    let settings = PermutedSettings {
        batch_size: BATCH_SIZE,
        end_of_document: setup.tokenizer.end_of_document(),
        seed: SEED,
        ..PermutedSettings::published(SEQ_LEN)
    };
    let vocabulary = setup.vocabulary;
    let batches = PermutedSource::new(setup.training, vocabulary.clone(), settings.clone())?;
    let evaluation = PermutedEvaluation::new(setup.held_out, vocabulary, settings, None)?;

    // 3. The model remembers three quarters of a sequence: the objective hands what one batch leaves
    //    to the next.
    let preset = Preset::by_name("tiny").ok_or("there is no preset tiny")?;
    let config = XlnetConfig {
        initializer_range: 0.1,
        ..preset.config(setup.tokenizer.vocab_size() as usize, SEQ_LEN)
    };
    let device = open(&choose(None)?)?;
    let mut init = Init::with_distribution(
        SEED,
        config.initializer_range,
        WeightDistribution::Normal,
        &device.clone().autodiff(),
    );
    let objective = XlnetPretraining::new(config, BATCH_SIZE);
    let model = objective.new_model(&mut init);
    let files = objective.files(Some(setup.tokenizer));

    // 4. Train. Every checkpoint is a folder that transformers opens; the memory stands beside the
    //    optimizer's state.
    let recipe = preset.recipe();
    let settings = TrainingSettings {
        optimizer: recipe.optimizer,
        schedule: recipe.schedule,
        ..setup.settings
    };
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
            settings,
            Arc::new(batches),
        )
    })?;

    // 5. Which word is missing? It comes last in the order, so that it is predicted from all others.
    let model = Predictor::<XlnetLmHeadModel>::open(&outcome.checkpoint, &device)?;
    let texts = ["The sun is the <mask> at the centre of our solar system."];
    for mask in model.fill_mask(&texts, 3)?.into_iter().flatten() {
        for candidate in mask.candidates {
            println!("{:>12}  {:.3}", candidate.token, candidate.score);
        }
    }
    println!("{}", outcome.checkpoint.display());
    Ok(())
}
