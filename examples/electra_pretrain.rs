//! Pretrains a small ELECTRA from a program of one's own, then asks its discriminator about a
//! sentence: the parts of `kiln pretrain electra` one by one.
//!
//! ```text
//! cargo run --release --example electra_pretrain -- [OUTPUT] [STEPS]
//! ```

#![expect(clippy::print_stdout, reason = "an example talks")]

mod common;

use std::error::Error;
use std::sync::Arc;

use kiln::backend::{choose, open};
use kiln::electra::{ElectraConfig, ElectraForPreTraining, ElectraPretraining, PairConfig, Preset};
use kiln::learner::{PrintEvery, TrainRequest, train};
use kiln::nn::Init;
use kiln::tasks::{Predictor, RunData};
use kiln::text::examples::{ContinuousSegments, SEGMENT_SHORT_SEQ_PROB};
use kiln::text::masking::Masking;
use kiln::text::tokenizer::{TrainSettings, WordPieceSettings};

use common::{SEED, SEQ_LEN, set_up};

fn main() -> Result<(), Box<dyn Error>> {
    // 1. Text to a tokenizer and to a memory-mapped corpus.
    let words = TrainSettings::WordPiece(WordPieceSettings::default()).with_vocab_size(2000);
    let (run, training, tokenizer, documents) = set_up("runs/electra-example", &words)?;

    // 2. Consecutive segments, masked afresh at every step: 85 % of the chosen tokens become
    //    [MASK], none a random word.
    let vocabulary = Arc::new(tokenizer.vocabulary()?);
    let data = RunData::masked(
        documents,
        |text| {
            let short = SEGMENT_SHORT_SEQ_PROB;
            let segments = ContinuousSegments::new(text, &vocabulary, SEQ_LEN, short, SEED)?;
            Ok(Arc::new(segments))
        },
        Masking::electra(SEQ_LEN, 0.15),
        &vocabulary,
        &training,
        None,
    )?;

    // 3. Two models that share their embeddings: the generator is half as wide.
    let preset = Preset::by_name("tiny").ok_or("there is no preset tiny")?;
    let discriminator = ElectraConfig {
        initializer_range: 0.1,
        ..preset.config(tokenizer.vocab_size() as usize)
    };
    let settings = preset.detection();
    let device = open(&choose(None)?)?;
    let range = discriminator.initializer_range;
    let mut init = Init::new(SEED, range, &device.clone().autodiff());
    let config = PairConfig::new(discriminator, &settings)?;
    let objective = ElectraPretraining::new(config, settings);
    let model = objective.new_model(&mut init);
    let files = objective.files(Some(tokenizer));

    // 4. Train. Every checkpoint holds two folders that transformers opens.
    let outcome = train(TrainRequest {
        eval: data.eval,
        observer: Arc::new(PrintEvery(100)),
        ..TrainRequest::new(objective, model, files, run, training, data.train)
    })?;

    // 5. Which word does not belong here?
    let discriminator = Predictor::<ElectraForPreTraining>::open(&outcome.checkpoint, &device)?;
    let texts = ["The sun is the star at the cheese of our solar system."];
    for score in discriminator.replaced_tokens(&texts)?.into_iter().flatten() {
        println!("{:>12}  {:.3}", score.token, score.replaced);
    }
    println!("{}", outcome.checkpoint.display());
    Ok(())
}
