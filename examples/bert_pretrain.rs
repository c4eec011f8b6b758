//! Pretrains a small BERT from a program of one's own: the parts of `kiln pretrain bert` one by one.
//!
//! ```text
//! cargo run --release --example bert_pretrain -- [OUTPUT] [STEPS]
//! ```

#![expect(clippy::print_stdout, reason = "an example talks")]

mod common;

use std::error::Error;
use std::sync::Arc;

use kiln::backend::{choose, open};
use kiln::bert::{BertConfig, BertPretraining};
use kiln::learner::{EvalData, PrintEvery, TrainRequest, train};
use kiln::nn::Init;
use kiln::text::examples::{MaskedLmEvaluation, MaskedLmSource, SHORT_SEQ_PROB, SentencePairs};
use kiln::text::masking::Masking;
use kiln::text::tokenizer::{WordPieceSettings, train_word_piece};

use common::{BATCH_SIZE, SEED, SEQ_LEN, Setup};

fn main() -> Result<(), Box<dyn Error>> {
    // 1. Text to a tokenizer and to a memory-mapped corpus.
    let settings = WordPieceSettings {
        vocab_size: 4000,
        ..Default::default()
    };
    let setup = Setup::new("runs/bert-example", |inputs| {
        train_word_piece(inputs, &settings, &mut |_| ())
    })?;

    // 2. Sentence pairs, masked afresh at every step.
    let vocabulary = setup.vocabulary;
    let pairs = |documents| {
        SentencePairs::new(documents, &vocabulary, SEQ_LEN, SHORT_SEQ_PROB, SEED).map(Arc::new)
    };
    let masking = Masking::bert(SEQ_LEN);
    let batches = MaskedLmSource::new(
        pairs(setup.training)?,
        masking.clone(),
        vocabulary.clone(),
        BATCH_SIZE,
        SEED,
    )?;
    let evaluation = MaskedLmEvaluation::new(
        pairs(setup.held_out)?,
        masking,
        vocabulary.clone(),
        BATCH_SIZE,
        SEED,
        None,
    )?;

    // 3. The model: config.json's fields, two layers of width 128.
    let config = BertConfig {
        vocab_size: setup.tokenizer.vocab_size() as usize,
        hidden_size: 128,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 512,
        max_position_embeddings: SEQ_LEN,
        ..Default::default()
    };
    let device = open(&choose(None)?)?;
    let mut init = Init::new(SEED, config.initializer_range, &device.autodiff());
    let objective = BertPretraining::new(config, true);
    let model = objective.new_model(&mut init);
    let files = objective.files(Some(setup.tokenizer));

    // 4. Train. Every checkpoint is a folder that transformers opens.
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
    println!("{}", outcome.checkpoint.display());
    Ok(())
}
