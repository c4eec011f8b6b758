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
use kiln::electra::{ElectraConfig, ElectraForPreTraining, ElectraPretraining, PairConfig};
use kiln::learner::{EvalData, PrintEvery, TrainRequest, train};
use kiln::nn::Init;
use kiln::tasks::Predictor;
use kiln::tasks::settings::{DetectionSettings, Sharing};
use kiln::text::examples::{
    ContinuousSegments, MaskedLmEvaluation, MaskedLmSource, SEGMENT_SHORT_SEQ_PROB,
};
use kiln::text::masking::Masking;
use kiln::text::tokenizer::{WordPieceSettings, train_word_piece};

use common::{BATCH_SIZE, SEED, SEQ_LEN, Setup};

fn main() -> Result<(), Box<dyn Error>> {
    // 1. Text to a tokenizer and to a memory-mapped corpus.
    let settings = WordPieceSettings {
        vocab_size: 2000,
        ..Default::default()
    };
    let setup = Setup::new("runs/electra-example", |inputs| {
        train_word_piece(inputs, &settings, &mut |_| ())
    })?;

    // 2. Consecutive segments, masked afresh at every step: 85 % of the chosen tokens become
    //    [MASK], none a random word.
    let vocabulary = setup.vocabulary;
    let segments = |documents| {
        let short = SEGMENT_SHORT_SEQ_PROB;
        ContinuousSegments::new(documents, &vocabulary, SEQ_LEN, short, SEED).map(Arc::new)
    };
    let masking = Masking::electra(SEQ_LEN, 0.15);
    let batches = MaskedLmSource::new(
        segments(setup.training)?,
        masking.clone(),
        vocabulary.clone(),
        BATCH_SIZE,
        SEED,
    )?;
    let evaluation = MaskedLmEvaluation::new(
        segments(setup.held_out)?,
        masking,
        vocabulary.clone(),
        BATCH_SIZE,
        SEED,
        None,
    )?;

    // 3. Two models that share their embeddings: the generator is half as wide.
    let discriminator = ElectraConfig {
        vocab_size: setup.tokenizer.vocab_size() as usize,
        embedding_size: 128,
        hidden_size: 128,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 512,
        max_position_embeddings: SEQ_LEN,
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
    let mut init = Init::new(SEED, range, &device.clone().autodiff());
    let config = PairConfig {
        generator: Some(discriminator.generator(settings.generator_size, 1.0)),
        discriminator,
        sharing: settings.sharing,
    };
    let objective = ElectraPretraining::new(config, settings);
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

    // 5. Which word does not belong here?
    let discriminator = Predictor::<ElectraForPreTraining>::open(&outcome.checkpoint, &device)?;
    let texts = ["The sun is the star at the cheese of our solar system."];
    for score in discriminator.replaced_tokens(&texts)?.into_iter().flatten() {
        println!("{:>12}  {:.3}", score.token, score.replaced);
    }
    println!("{}", outcome.checkpoint.display());
    Ok(())
}
