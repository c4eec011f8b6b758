//! Pretrains a small RoBERTa from a program of one's own, then asks it for a word: the parts of
//! `kiln pretrain roberta` one by one.
//!
//! ```text
//! cargo run --release --example roberta_pretrain -- [OUTPUT] [STEPS]
//! ```

#![expect(clippy::print_stdout, reason = "an example talks")]

mod common;

use std::error::Error;
use std::sync::Arc;

use kiln::backend::{choose, open};
use kiln::learner::{PrintEvery, TrainRequest, train};
use kiln::nn::Init;
use kiln::roberta::{Preset, RobertaForMaskedLm, RobertaPretraining};
use kiln::tasks::{Predictor, RunData};
use kiln::text::examples::PackedSequences;
use kiln::text::masking::Masking;
use kiln::text::tokenizer::{ByteBpeLayout, ByteBpeSettings, TrainSettings};

use common::{SEED, SEQ_LEN, set_up};

fn main() -> Result<(), Box<dyn Error>> {
    // 1. Text to a tokenizer of bytes and their pairs, and to a memory-mapped corpus.
    let pieces = TrainSettings::ByteBpe(ByteBpeSettings {
        vocab_size: 2000,
        layout: ByteBpeLayout::Roberta,
        ..Default::default()
    });
    let (run, training, tokenizer, documents) = set_up("runs/roberta-example", &pieces)?;

    // 2. Sequences full of text, across documents, masked afresh at every step.
    let vocabulary = Arc::new(tokenizer.vocabulary()?);
    let data = RunData::masked(
        documents,
        |text| {
            let sequences = PackedSequences::new(text, &vocabulary, SEQ_LEN, SEED)?;
            Ok(Arc::new(sequences))
        },
        Masking::bert(SEQ_LEN),
        &vocabulary,
        &training,
        None,
    )?;

    // 3. BERT's encoder, whose positions begin behind the id of padding.
    let preset = Preset::by_name("tiny").ok_or("there is no preset tiny")?;
    let config = preset.config(tokenizer.vocab_size() as usize);
    let device = open(&choose(None)?)?;
    let range = config.initializer_range;
    let mut init = Init::new(SEED, range, &device.clone().autodiff());
    let objective = RobertaPretraining::new(config, ());
    let model = objective.new_model(&mut init);
    let files = objective.files(Some(tokenizer));

    // 4. Train. Every checkpoint is a folder that transformers opens.
    let outcome = train(TrainRequest {
        eval: data.eval,
        observer: Arc::new(PrintEvery(100)),
        ..TrainRequest::new(objective, model, files, run, training, data.train)
    })?;

    // 5. Which word is missing?
    let model = Predictor::<RobertaForMaskedLm>::open(&outcome.checkpoint, &device)?;
    let texts = ["The sun is the star at the <mask> of our solar system."];
    for mask in model.fill_mask(&texts, 3)?.into_iter().flatten() {
        for candidate in mask.candidates {
            println!("{:>12}  {:.3}", candidate.token, candidate.score);
        }
    }
    println!("{}", outcome.checkpoint.display());
    Ok(())
}
