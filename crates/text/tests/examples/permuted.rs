//! Permutation language modelling: what batches hold, and what is refused.

mod properties;

use std::collections::BTreeSet;
use std::sync::Arc;

use kiln_text::corpus::Corpus;
use kiln_text::examples::{Documents, PermutedEvaluation, PermutedSettings, PermutedSource};
use kiln_text::{BatchSource, HostBatch};

use crate::common::{CLS, FIRST, SEP, concatenate, vocabulary};
use crate::properties::{document, lengths, numbered};

/// Ids of the numbered documents, and one that ends them.
const VOCAB: u32 = 10_000;
const END: u32 = VOCAB - 1;

/// Twelve tokens, of which four are remembered.
fn small() -> PermutedSettings {
    PermutedSettings {
        seq_len: 12,
        reuse_len: 4,
        perm_size: 4,
        num_predict: 4,
        batch_size: 4,
        seed: 7,
        ..PermutedSettings::published(12)
    }
}

fn source(lengths: &[Vec<usize>], settings: &PermutedSettings) -> PermutedSource {
    PermutedSource::new(numbered(lengths), vocabulary(VOCAB), settings.clone()).unwrap()
}

fn ids<'a>(batch: &'a HostBatch, settings: &PermutedSettings) -> impl Iterator<Item = &'a [i32]> {
    batch.ints["input_ids"].data.chunks(settings.seq_len)
}

/// The text that row `row` of the batches of one micro-batch reads in an epoch: its first parts in a row.
fn remembered(
    source: &PermutedSource,
    settings: &PermutedSettings,
    (epoch, m, row): (u64, usize, usize),
) -> Vec<i32> {
    let steps = source.steps_per_epoch();
    let mut text = Vec::new();
    for step in epoch * steps..(epoch + 1) * steps {
        let index = step * settings.micro_batches as u64 + m as u64;
        let batch = source.batch(index).unwrap();
        let ids = ids(&batch, settings).nth(row).unwrap();
        text.extend(&ids[..settings.reuse_len]);
    }
    text
}

#[test]
fn batches_carry_the_promised_names_and_shapes() {
    let batch = source(&[vec![10; 20]], &small()).batch(0).unwrap();
    let ints = batch.ints.into_iter().map(|(name, b)| (name, b.shape));
    let floats = batch.floats.into_iter().map(|(name, b)| (name, b.shape));
    let (sequences, slots) = (vec![4, 12], vec![4, 4]);
    assert_eq!(
        ints.chain(floats).collect::<Vec<_>>(),
        [
            ("input_ids", sequences.clone()),
            ("key_ranks", sequences.clone()),
            ("labels", slots.clone()),
            ("positions", slots.clone()),
            ("query_ranks", sequences.clone()),
            ("token_type_ids", sequences),
            ("weights", slots),
        ]
    );
}

#[test]
fn two_batches_of_half_the_size_hold_the_examples_of_one() {
    let lengths = vec![vec![7, 12, 4]; 30];
    for bi_data in [false, true] {
        let whole = PermutedSettings {
            bi_data,
            batch_size: 8,
            ..small()
        };
        let half = PermutedSettings {
            batch_size: 4,
            micro_batches: 2,
            ..whole.clone()
        };
        let (half, whole) = (source(&lengths, &half), source(&lengths, &whole));
        for index in 0..3 * whole.steps_per_epoch() {
            let halves = [2 * index, 2 * index + 1].map(|index| half.batch(index).unwrap());
            let (halves, whole) = (concatenate(&halves), whole.batch(index).unwrap());
            if bi_data {
                let rows = |batch: &HostBatch| -> BTreeSet<Vec<i32>> {
                    let both = ["input_ids", "query_ranks"].map(|name| {
                        batch.ints[name]
                            .data
                            .chunks(12)
                            .map(<[i32]>::to_vec)
                            .collect::<Vec<_>>()
                    });
                    let [ids, ranks] = both;
                    ids.into_iter()
                        .zip(ranks)
                        .map(|(a, b)| [a, b].concat())
                        .collect()
                };
                assert_eq!(rows(&halves), rows(&whole));
            } else {
                assert_eq!(halves, whole);
            }
        }
    }
}

#[test]
fn another_epoch_has_another_order_and_another_seed_other_targets() {
    let lengths = vec![vec![7, 12, 4]; 30];
    let first = source(&lengths, &small());
    let epoch = |epoch| remembered(&first, &small(), (epoch, 0, 0));
    assert_ne!(epoch(0), epoch(1));
    let other = source(&lengths, &PermutedSettings { seed: 8, ..small() });
    assert_ne!(epoch(0), remembered(&other, &small(), (0, 0, 0)));

    // One document: the text of all epochs is the same, what is predicted of it is not.
    let one = source(&[vec![10; 20]], &small());
    let [now, later] = [0, one.steps_per_epoch()].map(|index| one.batch(index).unwrap());
    let first_parts = |batch: &HostBatch| -> Vec<Vec<i32>> {
        ids(batch, &small()).map(|ids| ids[..4].to_vec()).collect()
    };
    assert_eq!(first_parts(&now), first_parts(&later));
    for name in ["positions", "query_ranks"] {
        assert_ne!(now.ints[name], later.ints[name], "{name}");
    }
}

#[test]
fn a_published_batch_has_85_targets_in_each_row() {
    let settings = PermutedSettings {
        batch_size: 4,
        ..PermutedSettings::published(512)
    };
    settings.validate().unwrap();
    let batch = source(&vec![vec![9, 25, 14]; 60], &settings)
        .batch(3)
        .unwrap();
    assert_eq!(batch.floats["weights"].data, [1.0; 4 * 85]);
    for positions in batch.ints["positions"].data.chunks(85) {
        assert_eq!(positions.iter().filter(|&&at| at < 256).count(), 43);
    }
}

#[test]
fn words_are_predicted_whole_in_both_directions() {
    let settings = PermutedSettings {
        batch_size: 8,
        ..PermutedSettings::published(64)
    };
    let source = source(&vec![vec![9, 25, 14]; 40], &settings);
    let continues = |id: i32| id >= FIRST as i32 && id % 4 == 0;
    let (mut words, mut in_part) = (0, 0);
    for index in 0..source.steps_per_epoch() {
        let batch = source.batch(index).unwrap();
        for (row, ids) in ids(&batch, &settings).enumerate() {
            let positions = &batch.ints["positions"].data[row * 10..(row + 1) * 10];
            let mut tokens: Vec<(i32, bool)> = (0..)
                .zip(ids)
                .map(|(at, &id)| (id, positions.contains(&at)))
                .collect();
            for part in tokens.chunks_mut(32) {
                // As it was written.
                if row >= 4 {
                    part.reverse();
                }
                for pair in part.windows(2).filter(|pair| continues(pair[1].0)) {
                    if pair[0].0 >= FIRST as i32 {
                        words += 1;
                        in_part += usize::from(pair[0].1 != pair[1].1);
                    }
                }
            }
        }
    }
    // Only where no whole word fits any more.
    assert!(words > 1_500, "{words}");
    assert!(in_part < words / 100, "{in_part} of {words}");
}

#[test]
fn an_evaluation_repeats_itself_and_fills_rows_without_text() {
    let lengths = vec![vec![7, 12, 4]; 2];
    let evaluation = |lengths: &[Vec<usize>], bi_data, max_batches| {
        let settings = PermutedSettings {
            bi_data,
            batch_size: 8,
            ..small()
        };
        PermutedEvaluation::new(numbered(lengths), vocabulary(VOCAB), settings, max_batches)
            .unwrap()
    };
    for bi_data in [false, true] {
        // 46 tokens: three lanes of 15, one step each; with four lanes 11 would be too few.
        let all = evaluation(&lengths, bi_data, None);
        let directions = if bi_data { 2 } else { 1 };
        assert_eq!((all.num_batches(), all.num_examples()), (1, 3 * directions));
        let batch = all.batch(0).unwrap();
        assert_eq!(batch, evaluation(&lengths, bi_data, None).batch(0).unwrap());
        assert_eq!(batch.real_tokens, 12 * 3 * directions as usize);
        let weights = batch.floats["weights"].data.chunks(4);
        let has_text: Vec<bool> = weights.map(|weights| weights == [1.0; 4]).collect();
        let expected = match bi_data {
            false => [true, true, true, false, false, false, false, false],
            true => [true, true, true, false, true, true, true, false],
        };
        assert_eq!(has_text, expected);
        for name in ["input_ids", "token_type_ids", "query_ranks"] {
            assert_eq!(batch.ints[name].data[36..48], [0; 12], "{name}");
        }
        assert_eq!(batch.ints["key_ranks"].data[36..48], [-1; 12]);
        let weights = &batch.floats["weights"].data[12..16];
        assert!(weights.iter().all(|&weight| weight == 0.0));
        // Behind the end there is filling only.
        assert_eq!(all.batch(1).unwrap().real_tokens, 0);
    }

    // As the first epoch of training where there is text for all lanes.
    let lengths = vec![vec![7, 12, 4]; 30];
    let settings = PermutedSettings {
        batch_size: 8,
        ..small()
    };
    let training = source(&lengths, &settings);
    let all = evaluation(&lengths, true, None);
    assert_eq!(all.num_batches(), training.steps_per_epoch());
    for index in 0..all.num_batches() {
        assert_eq!(all.batch(index).unwrap(), training.batch(index).unwrap());
    }
    let some = evaluation(&lengths, true, Some(5));
    assert_eq!((some.num_batches(), some.num_examples()), (5, 40));
    assert_eq!(
        evaluation(&lengths, true, Some(u64::MAX)).num_batches(),
        all.num_batches()
    );
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    let refused = |change: &dyn Fn(&mut PermutedSettings)| {
        let mut settings = small();
        change(&mut settings);
        let documents = numbered(&[vec![10; 30]]);
        let source = PermutedSource::new(documents, vocabulary(VOCAB), settings);
        source.err().unwrap().to_string()
    };
    for (message, start) in [
        (
            refused(&|s| s.reuse_len = 0),
            "reuse_len = 0: choose from 1 to seq_len (12) - 5",
        ),
        (refused(&|s| s.reuse_len = 8), "reuse_len = 8"),
        (refused(&|s| s.seq_len = usize::MAX), "seq_len = "),
        (refused(&|s| s.perm_size = 0), "perm_size = 0"),
        (
            refused(&|s| s.perm_size = 3),
            "perm_size = 3: choose a divisor of reuse_len (4)",
        ),
        (refused(&|s| s.num_predict = 0), "num_predict = 0"),
        (refused(&|s| s.num_predict = 7), "num_predict = 7"),
        (refused(&|s| s.max_gram = 0), "max_gram = 0"),
        (refused(&|s| s.beta = 0), "alpha = 6"),
        (
            refused(&|s| s.beta = 7),
            "alpha = 6: choose at least beta (7)",
        ),
        (refused(&|s| s.batch_size = 0), "batch_size = 0"),
        (refused(&|s| s.batch_size = 3), "batch_size = 3"),
        (refused(&|s| s.micro_batches = 0), "micro_batches = 0"),
        (
            refused(&|s| s.end_of_document = Some(VOCAB)),
            "end_of_document = 10000",
        ),
        (
            refused(&|s| s.micro_batches = 20),
            "batch_size x micro_batches = 4 x 20: 40 lanes of at least 12 tokens (seq_len) each need 480, \
             the text has 300;",
        ),
        (
            refused(&|s| s.micro_batches = usize::MAX),
            "batch_size x micro_batches = ",
        ),
    ] {
        assert!(message.starts_with(start), "{message}");
    }

    let evaluation = |lengths: &[Vec<usize>], max_batches| {
        let documents = numbered(lengths);
        let made = PermutedEvaluation::new(documents, vocabulary(VOCAB), small(), max_batches);
        made.err().unwrap().to_string()
    };
    let message = evaluation(&[vec![11]], None);
    assert!(
        message.starts_with("tokens for evaluation = 11: one example needs 12 (seq_len); hold out"),
        "{message}"
    );
    assert!(evaluation(&[vec![50]], Some(0)).starts_with("max_batches = 0"));
    assert!(evaluation(&[], None).starts_with("documents = none"));
}

#[test]
fn an_id_outside_the_vocabulary_is_an_error_of_its_batch_not_a_panic() {
    let documents = vec![vec![vec![10; 40], vec![VOCAB + 7; 20]]];
    let corpus = Arc::new(Corpus::in_memory(documents, VOCAB));
    let documents = Documents::all(corpus);
    let source = PermutedSource::new(documents, vocabulary(VOCAB), small()).unwrap();
    let error = source.batch(0).unwrap_err().to_string();
    assert!(error.contains("has id 10007"), "{error}");
}
