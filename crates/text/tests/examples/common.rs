//! What the example tests share: a vocabulary without a tokenizer, corpora without files.

use std::sync::Arc;

use kiln_text::corpus::Corpus;
use kiln_text::examples::{
    ContinuousSegments, Documents, Examples, PackedSequences, SEGMENT_SHORT_SEQ_PROB,
    SHORT_SEQ_PROB, SentencePairs,
};
use kiln_text::rng::{Purpose, Rng};
use kiln_text::{HostBatch, Vocabulary};

pub(crate) const PAD: u32 = 0;
pub(crate) const CLS: u32 = 2;
pub(crate) const SEP: u32 = 3;
pub(crate) const MASK: u32 = 4;
/// First id that is a word.
pub(crate) const FIRST: u32 = 5;

/// Ids 0 to 4 are `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`, `[MASK]`; every fourth id continues a word.
pub(crate) fn vocabulary(size: u32) -> Arc<Vocabulary> {
    Arc::new(Vocabulary {
        size,
        pad: PAD,
        unk: 1,
        cls: CLS,
        sep: SEP,
        mask: MASK,
        is_special: (0..size).map(|id| id < FIRST && id != 1).collect(),
        is_continuation: (0..size).map(|id| id >= FIRST && id % 4 == 0).collect(),
    })
}

/// Random documents of 1 to `sentences` sentences of 1 to `words` tokens.
pub(crate) fn corpus(documents: u64, sentences: u64, words: u64, vocab_size: u32) -> Arc<Corpus> {
    let make = |document| {
        let mut rng = Rng::at(99, Purpose::Order, document, 0);
        (0..1 + rng.below(sentences))
            .map(|_| {
                (0..1 + rng.below(words))
                    .map(|_| FIRST + rng.below(u64::from(vocab_size - FIRST)) as u32)
                    .collect()
            })
            .collect()
    };
    let documents = (0..documents).map(make).collect();
    Arc::new(Corpus::in_memory(documents, vocab_size))
}

/// The three kinds of examples over one corpus: pairs, segments, packed.
pub(crate) fn kinds(corpus: &Arc<Corpus>, seq_len: usize, seed: u64) -> [Arc<dyn Examples>; 3] {
    let documents = || Documents::all(Arc::clone(corpus));
    let vocabulary = vocabulary(corpus.vocab_size());
    let pairs = SentencePairs::new(documents(), &vocabulary, seq_len, SHORT_SEQ_PROB, seed);
    let short = SEGMENT_SHORT_SEQ_PROB;
    let segments = ContinuousSegments::new(documents(), &vocabulary, seq_len, short, seed);
    let packed = PackedSequences::new(documents(), &vocabulary, seq_len, seed);
    [
        Arc::new(pairs.unwrap()),
        Arc::new(segments.unwrap()),
        Arc::new(packed.unwrap()),
    ]
}

/// The batches' rows one after the other, as if they were one batch.
pub(crate) fn concatenate(batches: &[HostBatch]) -> HostBatch {
    let mut all = batches[0].clone();
    for batch in &batches[1..] {
        for (name, buffer) in &mut all.ints {
            buffer.data.extend(&batch.ints[name].data);
            buffer.shape[0] += batch.ints[name].shape[0];
        }
        for (name, buffer) in &mut all.floats {
            buffer.data.extend(&batch.floats[name].data);
            buffer.shape[0] += batch.floats[name].shape[0];
        }
        all.real_tokens += batch.real_tokens;
        all.all_tokens += batch.all_tokens;
    }
    all
}
