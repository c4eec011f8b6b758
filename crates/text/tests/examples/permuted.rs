//! Permutation language modelling: lanes of numbered text, what batches hold, who sees whom.

use std::collections::BTreeSet;
use std::sync::Arc;

use kiln_text::corpus::Corpus;
use kiln_text::examples::{Documents, PermutedEvaluation, PermutedSettings, PermutedSource};
use kiln_text::{BatchSource, HostBatch};
use proptest::prelude::*;

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

/// Settings and enough text for them.
fn cases() -> impl Strategy<Value = (Vec<Vec<usize>>, PermutedSettings)> {
    let settings = (
        prop_oneof![
            Just((12, 4, 4)),
            Just((12, 6, 3)),
            Just((9, 3, 3)),
            Just((16, 8, 8))
        ],
        1usize..4,
        1usize..3,
        any::<(bool, bool, u64)>(),
    );
    (lengths(), settings).prop_map(|(mut lengths, (sizes, rows, micro_batches, flags))| {
        let ((seq_len, reuse_len, perm_size), (bi_data, with_end, seed)) = (sizes, flags);
        let lanes = rows * micro_batches;
        lengths.push(vec![5; lanes * seq_len / 5 + 1]);
        let settings = PermutedSettings {
            seq_len,
            reuse_len,
            perm_size,
            num_predict: 3,
            bi_data,
            batch_size: if bi_data { 2 * rows } else { rows },
            micro_batches,
            end_of_document: with_end.then_some(END),
            seed,
            ..PermutedSettings::published(seq_len)
        };
        (lengths, settings)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_lane_is_read_in_its_order_and_once_per_epoch(
        (lengths, settings) in cases(),
        epoch in 0u64..1_000,
    ) {
        let source = source(&lengths, &settings);
        let mut seen = BTreeSet::new();
        let mut ends = 0;
        let total = lengths.iter().flatten().sum::<usize>()
            + settings.end_of_document.map_or(0, |_| lengths.len());
        let lane_len = total / (settings.lanes_per_batch() * settings.micro_batches);
        for m in 0..settings.micro_batches {
            for row in 0..settings.lanes_per_batch() {
                let text = remembered(&source, &settings, (epoch, m, row));
                // So far that the next example would not fit.
                let start = text.len() - settings.reuse_len;
                prop_assert!(start + settings.seq_len <= lane_len);
                prop_assert!(text.len() + settings.seq_len > lane_len);
                for pair in text.windows(2).filter(|pair| pair[1] != END as i32) {
                    let is_new = pair[0] == END as i32
                        || document(&lengths, pair[0] as u32) != document(&lengths, pair[1] as u32);
                    if !is_new {
                        prop_assert_eq!(pair[0] + 1, pair[1]);
                    } else if settings.end_of_document.is_some() {
                        prop_assert_eq!(pair[0], END as i32);
                    }
                }
                ends += text.iter().filter(|&&id| id == END as i32).count();
                for id in text.into_iter().filter(|&id| id != END as i32) {
                    prop_assert!(seen.insert(id), "{} was read twice", id);
                }
            }
        }
        prop_assert!(ends <= lengths.len());
    }

    #[test]
    fn backward_rows_are_the_mirror_of_forward_ones(
        (lengths, settings) in cases(),
        epoch in 0u64..1_000,
    ) {
        let settings = PermutedSettings {
            batch_size: 2 * settings.lanes_per_batch(),
            bi_data: true,
            ..settings
        };
        let source = source(&lengths, &settings);
        let total = lengths.iter().flatten().sum::<usize>()
            + settings.end_of_document.map_or(0, |_| lengths.len());
        let rows = settings.lanes_per_batch();
        let lane_len = total / (rows * settings.micro_batches);
        for m in 0..settings.micro_batches {
            for row in 0..rows {
                let forward = remembered(&source, &settings, (epoch, m, row));
                let backward = remembered(&source, &settings, (epoch, m, rows + row));
                for (place, id) in backward.iter().enumerate() {
                    if let Some(same) = forward.get(lane_len - 1 - place) {
                        prop_assert_eq!(id, same);
                    }
                }
            }
        }
    }

    #[test]
    fn an_example_is_what_was_read_then_a_and_b_with_their_tokens(
        (lengths, settings) in cases(),
        index in 0u64..1_000,
    ) {
        let source = source(&lengths, &settings);
        let batch = source.batch(index).unwrap();
        let next = source.batch(index + settings.micro_batches as u64).unwrap();
        let is_last = (index / settings.micro_batches as u64 + 1).is_multiple_of(source.steps_per_epoch());
        let types = batch.ints["token_type_ids"].data.chunks(settings.seq_len);
        let rows = ids(&batch, &settings).zip(types).zip(ids(&next, &settings));
        for (row, ((ids, types), next)) in rows.enumerate() {
            let len = ids.len();
            let is_text = |id: &i32| *id >= FIRST as i32;
            let (reuse, rest) = ids.split_at(settings.reuse_len);
            prop_assert!(reuse.iter().all(is_text));
            let sep = rest.iter().position(|id| !is_text(id)).unwrap();
            let (a, b) = (&rest[..sep], &rest[sep + 1..rest.len() - 2]);
            prop_assert!(!a.is_empty() && !b.is_empty() && b.iter().all(is_text));
            prop_assert_eq!(rest[sep], SEP as i32);
            prop_assert_eq!(&ids[len - 2..], [SEP as i32, CLS as i32]);
            if !is_last {
                let shared = a.len().min(settings.reuse_len);
                prop_assert_eq!(&a[..shared], &next[..shared]);
            }
            let first = settings.reuse_len + sep + 1;
            let mut expected = vec![0; first];
            expected.resize(len - 1, 1);
            expected.push(2);
            prop_assert_eq!(types, expected);

            // Text is never replaced: neighbours follow each other, forwards or backwards.
            let step = if row >= settings.lanes_per_batch() { -1 } else { 1 };
            for stretch in [reuse, a, b] {
                for pair in stretch.windows(2).filter(|pair| !pair.contains(&(END as i32))) {
                    let is_same =
                        document(&lengths, pair[0] as u32) == document(&lengths, pair[1] as u32);
                    prop_assert!(!is_same || pair[0] + step == pair[1]);
                }
            }
        }
    }

    #[test]
    fn targets_are_the_tokens_themselves_in_order_and_as_many_as_wanted(
        (lengths, settings) in cases(),
        index in 0u64..1_000,
    ) {
        let batch = source(&lengths, &settings).batch(index).unwrap();
        let slots = settings.num_predict;
        for (row, ids) in ids(&batch, &settings).enumerate() {
            let of = |name: &str| &batch.ints[name].data[row * slots..(row + 1) * slots];
            let weights = &batch.floats["weights"].data[row * slots..(row + 1) * slots];
            let text = |ids: &[i32]| {
                ids.iter().filter(|&&id| id >= FIRST as i32).count()
            };
            let (first, second) = ids.split_at(settings.reuse_len);
            let goal = text(first).min(2) + text(second).min(1);
            let (positions, labels) = (of("positions"), of("labels"));
            prop_assert_eq!(weights.iter().filter(|&&weight| weight == 1.0).count(), goal);
            prop_assert!(positions[..goal].windows(2).all(|pair| pair[0] < pair[1]));
            for slot in 0..slots {
                if slot < goal {
                    prop_assert_eq!(labels[slot], ids[positions[slot] as usize]);
                    prop_assert!(labels[slot] >= FIRST as i32);
                } else {
                    prop_assert_eq!((positions[slot], labels[slot]), (0, 0));
                    prop_assert_eq!(weights[slot], 0.0);
                }
            }
        }
        prop_assert_eq!(batch.real_tokens, settings.batch_size * settings.seq_len);
        prop_assert_eq!(batch.all_tokens, batch.real_tokens);
    }

    #[test]
    fn each_part_hides_its_targets_in_some_order_and_the_second_part_from_the_first(
        (lengths, settings) in cases(),
        index in 0u64..1_000,
    ) {
        let batch = source(&lengths, &settings).batch(index).unwrap();
        let (len, slots) = (settings.seq_len, settings.num_predict);
        for (row, ids) in ids(&batch, &settings).enumerate() {
            let of = |name: &str| &batch.ints[name].data[row * len..(row + 1) * len];
            let (query, key) = (of("query_ranks"), of("key_ranks"));
            let sees = |i: usize, j: usize| query[i] > key[j];
            let slots = row * slots..(row + 1) * slots;
            let filled = batch.floats["weights"].data[slots.clone()].iter();
            let targets: Vec<usize> = batch.ints["positions"].data[slots]
                .iter()
                .zip(filled)
                .filter(|(_, weight)| **weight == 1.0)
                .map(|(position, _)| *position as usize)
                .collect();
            let is_target = |i: usize| targets.contains(&i);
            let is_functional = |i: usize| ids[i] == SEP as i32 || ids[i] == CLS as i32;
            let is_ordered = |i: usize| is_target(i) || is_functional(i);
            for i in 0..len {
                for j in 0..len {
                    let expected = match (i < settings.reuse_len, j < settings.reuse_len) {
                        (true, false) => false,
                        (false, true) => true,
                        _ if !is_ordered(j) => true,
                        _ if !is_ordered(i) => false,
                        _ if i == j => is_functional(i),
                        // One of two comes first.
                        _ => {
                            prop_assert_ne!(sees(i, j), sees(j, i));
                            continue;
                        }
                    };
                    prop_assert_eq!(sees(i, j), expected, "{} sees {}", i, j);
                }
            }
        }
    }

    #[test]
    fn a_batch_depends_on_its_index_alone((lengths, settings) in cases()) {
        let (forwards, backwards) = (source(&lengths, &settings), source(&lengths, &settings));
        let expected: Vec<HostBatch> = (0..20).map(|n| forwards.batch(n).unwrap()).collect();
        for index in (0..20u64).rev() {
            prop_assert_eq!(&backwards.batch(index).unwrap(), &expected[index as usize]);
        }
    }
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
