//! Whatever the text and the settings: lanes of numbered text, what batches hold, who sees whom.

use std::collections::BTreeSet;

use kiln_text::examples::PermutedSettings;
use kiln_text::{BatchSource as _, HostBatch};
use proptest::prelude::*;

use super::*;

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
