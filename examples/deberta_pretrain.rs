//! Pretrains a small DeBERTa v3 from a program of one's own, then asks its generator for a word: the
//! parts of `kiln pretrain deberta` one by one.
//!
//! ```text
//! cargo run --release --example deberta_pretrain -- [OUTPUT] [STEPS]
//! ```

#![expect(clippy::print_stdout, reason = "an example talks")]

mod common;

use std::error::Error;
use std::sync::Arc;

use kiln::backend::{choose, open};
use kiln::deberta::{DebertaConfig, DebertaForMaskedLm, DebertaReplacedTokens, PairConfig, Preset};
use kiln::learner::{PrintEvery, TrainRequest, train};
use kiln::nn::Init;
use kiln::tasks::settings::DetectionSettings;
use kiln::tasks::{Predictor, RunData};
use kiln::text::examples::PackedSequences;
use kiln::text::masking::Masking;
use kiln::text::tokenizer::{TrainSettings, WordPieceSettings};

use common::{SEED, SEQ_LEN, set_up};

fn main() -> Result<(), Box<dyn Error>> {
    // 1. Text to a tokenizer and to a memory-mapped corpus.
    let words = TrainSettings::WordPiece(WordPieceSettings::default()).with_vocab_size(2000);
    let (run, training, tokenizer, documents) = set_up("runs/deberta-example", &words)?;

    // 2. Full sequences across documents, masked afresh at every step: every chosen token becomes
    //    [MASK].
    let vocabulary = Arc::new(tokenizer.vocabulary()?);
    let data = RunData::masked(
        documents,
        |text| {
            let sequences = PackedSequences::new(text, &vocabulary, SEQ_LEN, SEED)?;
            Ok(Arc::new(sequences))
        },
        Masking::deberta_rtd(SEQ_LEN),
        &vocabulary,
        &training,
        None,
    )?;

    // 3. Two models. The discriminator reads with the generator's words and a difference of its
    //    own, through which no gradient reaches the generator; they step in turns.
    let preset = Preset::by_name("tiny").ok_or("there is no preset tiny")?;
    let discriminator = DebertaConfig {
        initializer_range: 0.1,
        ..preset.config(tokenizer.vocab_size() as usize)
    };
    let settings = DetectionSettings::deberta();
    let device = open(&choose(None)?)?;
    let range = discriminator.initializer_range;
    let mut init = Init::new(SEED, range, &device.clone().autodiff());
    let config = PairConfig::new(discriminator, &settings)?;
    let objective = DebertaReplacedTokens::new(config, settings);
    let model = objective.new_model(&mut init);
    let files = objective.files(Some(tokenizer));

    // 4. Train. Every checkpoint holds two folders that transformers opens.
    let outcome = train(TrainRequest {
        eval: data.eval,
        observer: Arc::new(PrintEvery(100)),
        ..TrainRequest::new(objective, model, files, run, training, data.train)
    })?;

    // 5. Which word is missing?
    let generator = Predictor::<DebertaForMaskedLm>::open(&outcome.checkpoint, &device)?;
    let texts = ["The sun is the [MASK] at the centre of our solar system."];
    for mask in generator.fill_mask(&texts, 3)?.into_iter().flatten() {
        for candidate in mask.candidates {
            println!("{:>12}  {:.3}", candidate.token, candidate.score);
        }
    }
    println!("{}", outcome.checkpoint.display());
    Ok(())
}
