//! Text to batches, all on the host: tokenise, prepare, mask, build.
//!
//! ```text
//! cargo bench --bench host -- [FILTER]
//! ```
//!
//! Works on the sample texts in `examples/data` with a tokenizer trained on them.

#[path = "../crates/cli/src/allocator.rs"]
mod allocator;

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use kiln::text::corpus::{PrepareSettings, prepare};
use kiln::text::examples::{
    Documents, Examples, MaskedLmSource, PackedSequences, SHORT_SEQ_PROB, SentencePairs,
};
use kiln::text::masking::{Masking, Predictions};
use kiln::text::reading::{Inputs, Reading};
use kiln::text::rng::{Purpose, Rng};
use kiln::text::tokenizer::{WordPieceSettings, train_word_piece};
use kiln::text::{BatchSource as _, Corpus, Tokenizer};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: usize = 16;
const SEQ_LEN: usize = 128;
const SEED: u64 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    allocator::keep_freed_memory();
    let mut criterion = Criterion::default().configure_from_args();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let english = (1..=8).map(|number| data.join(format!("english-{number}.txt")));
    let russian = (1..=3).map(|number| data.join(format!("russian-{number}.txt")));
    let texts: Vec<PathBuf> = english.chain(russian).collect();
    let settings = WordPieceSettings {
        vocab_size: 8_000,
        ..Default::default()
    };
    let inputs = Inputs::find(&texts, Reading::default())?;
    let tokenizer = train_word_piece(&inputs, &settings, &mut |_| ())?;
    let folder = tempfile::tempdir()?;

    tokenise(&mut criterion, &tokenizer, &data)?;
    prepare_shard(&mut criterion, &tokenizer, &inputs, folder.path())?;

    let shard = folder.path().join("shard");
    let settings = PrepareSettings::default();
    prepare(&inputs, &tokenizer, &shard, &settings, &mut |_| ())?;
    let corpus = Arc::new(Corpus::open(&shard, &tokenizer)?);
    mask(&mut criterion, &tokenizer)?;
    build(&mut criterion, &tokenizer, corpus)?;
    criterion.final_summary();
    Ok(())
}

/// One thread, line by line; a new encoder each time, so that it remembers no words.
fn tokenise(
    criterion: &mut Criterion,
    tokenizer: &Tokenizer,
    folder: &Path,
) -> Result<(), Box<dyn Error>> {
    let mut group = criterion.benchmark_group("tokenise");
    for (name, file) in [("english", "english-1.txt"), ("russian", "russian-1.txt")] {
        let text = std::fs::read_to_string(folder.join(file))?;
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut encoder = tokenizer.encoder();
                let mut ids = Vec::new();
                let encoded = text
                    .lines()
                    .try_for_each(|line| encoder.encode(line, &mut ids));
                encoded.map(|()| ids)
            });
        });
    }
    group.finish();
    Ok(())
}

/// Files to a shard folder on disk.
fn prepare_shard(
    criterion: &mut Criterion,
    tokenizer: &Tokenizer,
    texts: &Inputs,
    folder: &Path,
) -> Result<(), Box<dyn Error>> {
    let settings = PrepareSettings::default();
    let mut number = 0;
    let mut next = || {
        number += 1;
        folder.join(number.to_string())
    };
    let bytes = prepare(texts, tokenizer, &next(), &settings, &mut |_| ())?
        .header
        .text_bytes;
    let mut group = criterion.benchmark_group("prepare");
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("all samples", |bencher| {
        bencher.iter_batched(
            &mut next,
            |output| prepare(texts, tokenizer, &output, &settings, &mut |_| ()),
            BatchSize::PerIteration,
        );
    });
    group.finish();
    Ok(())
}

/// One full sequence of words, masked afresh each time.
fn mask(criterion: &mut Criterion, tokenizer: &Tokenizer) -> Result<(), Box<dyn Error>> {
    let vocabulary = tokenizer.vocabulary()?;
    let words: Vec<u32> = (0..vocabulary.size)
        .filter(|&id| vocabulary.is_special.get(id as usize) == Some(&false))
        .take(SEQ_LEN)
        .collect();
    let mut group = criterion.benchmark_group("mask");
    group.throughput(Throughput::Elements(SEQ_LEN as u64));
    let whole_words = Masking {
        whole_word: true,
        ..Masking::bert(SEQ_LEN)
    };
    for (name, masking) in [
        ("tokens", Masking::bert(SEQ_LEN)),
        ("whole words", whole_words),
        ("n-grams", Masking::deberta_mlm(SEQ_LEN)),
    ] {
        let mut predictions = Predictions::default();
        let mut place = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut ids = words.clone();
                place += 1;
                let mut rng = Rng::at(SEED, Purpose::Masking, 0, place);
                masking.apply(&mut ids, &vocabulary, &mut rng, &mut predictions);
                black_box(predictions.chosen().len());
                ids
            });
        });
    }
    group.finish();
    Ok(())
}

/// Batches of 16 x 128, examples read from the shard and masked.
fn build(
    criterion: &mut Criterion,
    tokenizer: &Tokenizer,
    corpus: Arc<Corpus>,
) -> Result<(), Box<dyn Error>> {
    let vocabulary = Arc::new(tokenizer.vocabulary()?);
    let documents = Documents::all(corpus);
    let pairs: Arc<dyn Examples> = Arc::new(SentencePairs::new(
        documents.clone(),
        &vocabulary,
        SEQ_LEN,
        SHORT_SEQ_PROB,
        SEED,
    )?);
    let packed: Arc<dyn Examples> =
        Arc::new(PackedSequences::new(documents, &vocabulary, SEQ_LEN, SEED)?);
    let mut group = criterion.benchmark_group("build a batch");
    group.throughput(Throughput::Elements((BATCH * SEQ_LEN) as u64));
    for (name, examples) in [("pairs", pairs), ("packed", packed)] {
        let masking = Masking::bert(SEQ_LEN);
        let source = MaskedLmSource::new(examples, masking, vocabulary.clone(), BATCH, SEED)?;
        let mut index = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                index += 1;
                source.batch(index)
            });
        });
    }
    group.finish();
    Ok(())
}
