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
use kiln::learner::{PrintEvery, TrainRequest, train};
use kiln::nn::Init;
use kiln::tasks::RunData;
use kiln::text::examples::{SHORT_SEQ_PROB, SentencePairs};
use kiln::text::masking::Masking;
use kiln::text::tokenizer::{TrainSettings, WordPieceSettings};

use common::{SEED, SEQ_LEN, set_up};

fn main() -> Result<(), Box<dyn Error>> {
    // 1. Text to a tokenizer and to a memory-mapped corpus.
    let words = TrainSettings::WordPiece(WordPieceSettings::default()).with_vocab_size(4000);
    let (run, training, tokenizer, documents) = set_up("runs/bert-example", &words)?;

    // 2. Sentence pairs, masked afresh at every step.
    let vocabulary = Arc::new(tokenizer.vocabulary()?);
    let data = RunData::masked(
        documents,
        |text| {
            let pairs = SentencePairs::new(text, &vocabulary, SEQ_LEN, SHORT_SEQ_PROB, SEED)?;
            Ok(Arc::new(pairs))
        },
        Masking::bert(SEQ_LEN),
        &vocabulary,
        &training,
        None,
    )?;

    // 3. The model: config.json's fields, two layers of width 128.
    let config = BertConfig {
        vocab_size: tokenizer.vocab_size() as usize,
        hidden_size: 128,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 512,
        max_position_embeddings: SEQ_LEN,
        ..Default::default()
    };
    let device = open(&choose(None)?)?.autodiff();
    let mut init = Init::new(SEED, config.initializer_range, &device);
    let objective = BertPretraining::new(config, true);
    let model = objective.new_model(&mut init);
    let files = objective.files(Some(tokenizer));

    // 4. Train. Every checkpoint is a folder that transformers opens.
    let outcome = train(TrainRequest {
        eval: data.eval,
        observer: Arc::new(PrintEvery(100)),
        ..TrainRequest::new(objective, model, files, run, training, data.train)
    })?;
    println!("{}", outcome.checkpoint.display());
    Ok(())
}
