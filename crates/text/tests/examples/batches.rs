//! Batches as a function of their index: sizes, threads, order, evaluation, refusals.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;

use kiln_text::corpus::Corpus;
use kiln_text::examples::{Examples, MaskedLmEvaluation, MaskedLmSource};
use kiln_text::masking::Masking;
use kiln_text::stream::Prefetch;
use kiln_text::{BatchSource, Vocabulary};

use crate::common::{CLS, SEP, concatenate, corpus, kinds, vocabulary};

const VOCAB: u32 = 200;

fn source(examples: &Arc<dyn Examples>, batch_size: usize) -> MaskedLmSource {
    let masking = Masking::bert(examples.seq_len());
    MaskedLmSource::new(
        Arc::clone(examples),
        masking,
        vocabulary(VOCAB),
        batch_size,
        5,
    )
    .unwrap()
}

#[test]
fn two_batches_of_half_the_size_hold_the_examples_of_one() {
    for examples in kinds(&corpus(20, 8, 12, VOCAB), 32, 1) {
        let (half, whole) = (source(&examples, 3), source(&examples, 6));
        // Over several epochs, whose ends fall inside batches.
        for index in 0..examples.per_epoch() {
            let halves = [2 * index, 2 * index + 1].map(|index| half.batch(index).unwrap());
            assert_eq!(concatenate(&halves), whole.batch(index).unwrap());
        }
    }
}

#[test]
fn a_batch_is_the_same_from_any_thread_in_any_order() {
    let corpus = corpus(200, 8, 12, VOCAB);
    for kind in 0..3 {
        let fresh = || source(&kinds(&corpus, 32, 1)[kind], 4);
        let indices: Vec<u64> = (0..40).map(|n| n * n * 3).collect();
        let shared = fresh();
        let expected: Vec<_> = indices.iter().map(|&n| shared.batch(n).unwrap()).collect();

        let backwards = fresh();
        for (&index, expected) in indices.iter().zip(&expected).rev() {
            assert_eq!(backwards.batch(index).unwrap(), *expected);
        }
        let together = fresh();
        thread::scope(|scope| {
            for offset in 0..4 {
                let (together, indices, expected) = (&together, &indices, &expected);
                scope.spawn(move || {
                    for step in 0..40 {
                        let n = (step * 7 + offset * 11) % 40;
                        assert_eq!(together.batch(indices[n]).unwrap(), expected[n]);
                    }
                });
            }
        });
        // And alone, as the first batch of a resumed run.
        assert_eq!(fresh().batch(indices[39]).unwrap(), expected[39]);
    }
}

#[test]
fn prefetching_changes_no_batch() {
    let [pairs, _, _] = kinds(&corpus(30, 8, 12, VOCAB), 32, 1);
    let source = Arc::new(source(&pairs, 4));
    for threads in 1..=4 {
        let shared: Arc<dyn BatchSource> = Arc::clone(&source) as _;
        let mut stream = Prefetch::new(shared, 10, threads, 2 * threads).unwrap();
        for index in 10..60 {
            assert_eq!(stream.next_batch().unwrap(), source.batch(index).unwrap());
        }
    }
}

#[test]
fn another_seed_gives_other_examples_and_other_masks() {
    let corpus = corpus(50, 8, 12, VOCAB);
    for kind in 0..3 {
        let [one, other] = [1, 2].map(|seed| source(&kinds(&corpus, 32, seed)[kind], 4));
        let ids = |source: &MaskedLmSource| source.batch(0).unwrap().ints["input_ids"].clone();
        assert_ne!(ids(&one), ids(&other));
    }
}

#[test]
fn batches_carry_the_promised_names_and_shapes() {
    let [pairs, segments, packed] = kinds(&corpus(20, 8, 12, VOCAB), 32, 1);
    let shapes = |examples: &Arc<dyn Examples>| -> Vec<_> {
        let batch = source(examples, 4).batch(0).unwrap();
        let ints = batch.ints.into_iter().map(|(name, b)| (name, b.shape));
        let floats = batch.floats.into_iter().map(|(name, b)| (name, b.shape));
        ints.chain(floats).collect()
    };
    let (sequences, slots) = (vec![4, 32], vec![4, 5]);
    assert_eq!(
        shapes(&pairs),
        [
            ("attention_mask", sequences.clone()),
            ("input_ids", sequences.clone()),
            ("labels", slots.clone()),
            ("next_sentence_label", vec![4]),
            ("positions", slots.clone()),
            ("token_type_ids", sequences.clone()),
            ("example_weight", vec![4]),
            ("weights", slots.clone()),
        ]
    );
    for examples in [&segments, &packed] {
        assert_eq!(
            shapes(examples),
            [
                ("attention_mask", sequences.clone()),
                ("input_ids", sequences.clone()),
                ("labels", slots.clone()),
                ("positions", slots.clone()),
                ("token_type_ids", sequences.clone()),
                ("example_weight", vec![4]),
                ("weights", slots.clone()),
            ]
        );
    }
}

#[test]
fn an_evaluation_repeats_itself_and_fills_its_last_batch() {
    for examples in kinds(&corpus(21, 8, 12, VOCAB), 32, 1) {
        let evaluation = |max_examples| {
            let masking = Masking::bert(32);
            let examples = Arc::clone(&examples);
            MaskedLmEvaluation::new(examples, masking, vocabulary(VOCAB), 7, 5, max_examples)
                .unwrap()
        };
        let all = evaluation(None);
        let n = examples.per_epoch();
        assert_eq!((all.num_examples(), all.num_batches()), (n, n.div_ceil(7)));
        assert_ne!(n % 7, 0, "choose a corpus whose last batch is not full");

        let batches: Vec<_> = (0..all.num_batches())
            .map(|index| all.batch(index).unwrap())
            .collect();
        let rows = concatenate(&batches);
        let again: Vec<_> = (0..all.num_batches())
            .map(|index| evaluation(None).batch(index).unwrap())
            .collect();
        assert_eq!(rows, concatenate(&again));

        // The same rows as the first epoch of training would show, then filling.
        let training = source(&examples, n as usize).batch(0).unwrap();
        let n = n as usize;
        for (name, buffer) in &training.ints {
            assert_eq!(
                buffer.data,
                rows.ints[name].data[..buffer.data.len()],
                "{name}"
            );
        }
        assert_eq!(rows.real_tokens, training.real_tokens);
        assert_eq!(training.floats["example_weight"].data, vec![1.0; n]);
        let filling = &rows.ints["input_ids"].data[n * 32..n * 32 + 3];
        assert_eq!(filling, [CLS as i32, SEP as i32, 0]);
        assert_eq!(
            rows.ints["attention_mask"].data[n * 32..n * 32 + 3],
            [1, 1, 0]
        );
        assert!(
            rows.floats["weights"].data[n * 5..]
                .iter()
                .all(|&w| w == 0.0)
        );
        let weights = &rows.floats["example_weight"].data;
        assert_eq!(weights.iter().sum::<f32>() as usize, n);
        assert!(weights[n..].iter().all(|&w| w == 0.0));

        assert_eq!(evaluation(Some(3)).num_batches(), 1);
        assert_eq!(evaluation(Some(u64::MAX)).num_examples(), n as u64);
    }
}

#[test]
fn an_epoch_of_packed_sequences_shows_every_batch_row_once() {
    let [_, _, packed] = kinds(&corpus(40, 8, 12, 1 << 16), 32, 1);
    let source = MaskedLmSource::new(
        Arc::clone(&packed),
        Masking::bert(32),
        vocabulary(1 << 16),
        1,
        0,
    )
    .unwrap();
    let rows: BTreeSet<_> = (0..packed.per_epoch())
        .map(|index| source.batch(index).unwrap().ints["labels"].data.clone())
        .collect();
    assert_eq!(rows.len() as u64, packed.per_epoch());
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    let [pairs, _, _] = kinds(&corpus(5, 3, 5, VOCAB), 32, 1);
    let message = |masking, vocabulary: Vocabulary, batch_size| {
        MaskedLmSource::new(
            Arc::clone(&pairs),
            masking,
            Arc::new(vocabulary),
            batch_size,
            0,
        )
        .err()
        .unwrap()
        .to_string()
    };
    let bert = || Masking::bert(32);
    let whole = || (*vocabulary(VOCAB)).clone();
    assert!(message(bert(), whole(), 0).starts_with("batch_size = 0"));
    let masking = Masking {
        rate: 1.5,
        ..bert()
    };
    assert!(message(masking, whole(), 4).starts_with("rate = 1.5"));
    let small = (*vocabulary(100)).clone();
    let said = message(bert(), small, 4);
    assert!(
        said.contains("vocabulary size = 100") && said.contains("200 ids"),
        "{said}"
    );
    let mask = 300;
    let said = message(bert(), Vocabulary { mask, ..whole() }, 4);
    assert!(said.starts_with("special token id = 300"), "{said}");
    let is_special = vec![true; VOCAB as usize];
    let said = message(
        bert(),
        Vocabulary {
            is_special,
            ..whole()
        },
        4,
    );
    assert!(said.contains("special tokens"), "{said}");
    let examples =
        MaskedLmEvaluation::new(Arc::clone(&pairs), bert(), vocabulary(VOCAB), 4, 0, Some(0));
    assert!(
        examples
            .err()
            .unwrap()
            .to_string()
            .starts_with("max_examples = 0")
    );
}

#[test]
fn an_id_outside_the_vocabulary_is_an_error_of_its_batch_not_a_panic() {
    let documents = vec![vec![vec![10, 11, VOCAB + 7, 12]]];
    let corpus = Arc::new(Corpus::in_memory(documents, VOCAB));
    for examples in kinds(&corpus, 32, 1) {
        let error = source(&examples, 2).batch(0).unwrap_err().to_string();
        assert!(error.contains("token 2 has id 207"), "{error}");
    }
}
