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
use kiln::learner::{PrintEvery, TrainRequest, train};
use kiln::nn::Init;
use kiln::nn::init::WeightDistribution;
use kiln::tasks::{Predictor, RunData};
use kiln::text::examples::PermutedSettings;
use kiln::text::tokenizer::{TrainSettings, UnigramSettings, XlnetLetters};
use kiln::xlnet::{Preset, XlnetConfig, XlnetLmHeadModel, XlnetPretraining};

use common::{SEED, SEQ_LEN, set_up};

fn main() -> Result<(), Box<dyn Error>> {
    // 1. Text to a tokenizer and to a memory-mapped corpus.
    let pieces = UnigramSettings::xlnet(XlnetLetters::default());
    let pieces = TrainSettings::Unigram(pieces).with_vocab_size(2000);
    let (run, training, tokenizer, documents) = set_up("runs/xlnet-example", &pieces)?;

    // 2. Long lanes of text that go on from batch to batch, in one half of each batch backwards. No
    //    token is replaced: which ones are predicted, and what each may see, is drawn afresh at
    //    every step.
    let settings = PermutedSettings {
        batch_size: training.batch_size,
        end_of_document: tokenizer.end_of_document(),
        seed: SEED,
        ..PermutedSettings::published(SEQ_LEN)
    };
    let vocabulary = Arc::new(tokenizer.vocabulary()?);
    let data = RunData::permuted(documents, settings, &vocabulary, None)?;

    // 3. The model remembers three quarters of a sequence: the objective hands what one batch leaves
    //    to the next.
    let preset = Preset::by_name("tiny").ok_or("there is no preset tiny")?;
    let config = XlnetConfig {
        initializer_range: 0.1,
        ..preset.config(tokenizer.vocab_size() as usize, SEQ_LEN)
    };
    let device = open(&choose(None)?)?;
    let (range, normal) = (config.initializer_range, WeightDistribution::Normal);
    let mut init = Init::with_distribution(SEED, range, normal, &device.clone().autodiff());
    let objective = XlnetPretraining::new(config, training.batch_size);
    let model = objective.new_model(&mut init);
    let files = objective.files(Some(tokenizer));

    // 4. Train. Every checkpoint is a folder that transformers opens; the memory stands beside the
    //    optimizer's state.
    let outcome = train(TrainRequest {
        eval: data.eval,
        observer: Arc::new(PrintEvery(100)),
        ..TrainRequest::new(objective, model, files, run, training, data.train)
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
