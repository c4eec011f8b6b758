//! Which rows are in which batch.

use std::collections::HashSet;

use kiln_text::{BatchSource, HostBatch};
use proptest::prelude::*;

use super::*;
use crate::DataError;

fn rows_of(lengths: &[usize]) -> Rows {
    let rows: Vec<Feature> = (0..)
        .zip(lengths)
        .map(|(example, &tokens)| row(example, tokens, RowTarget::Class(0)))
        .collect();
    Rows::all(store(&rows)).unwrap()
}

fn source(rows: &Rows, seed: u64, batch_size: usize, step_size: usize) -> TrainSource {
    let order = TrainOrder {
        seed,
        batch_size,
        step_size,
    };
    TrainSource::new(rows.clone(), batcher(Problem::SingleLabel, RIGHT), order).unwrap()
}

/// The first so many rows of training.
fn stream(source: &TrainSource, rows: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..)
        .flat_map(|index| source.features(index))
        .take(rows)
        .collect();
    all.truncate(rows);
    all
}

/// The examples of a batch's rows that count.
fn examples(batch: &HostBatch) -> Vec<usize> {
    let seq_len = batch.ints["input_ids"].shape[1];
    let ids = batch.ints["input_ids"].data.chunks(seq_len);
    let weights = &batch.floats["example_weight"].data;
    let counted = ids.zip(weights).filter(|(_, weight)| **weight > 0.0);
    counted.map(|(ids, _)| ids[0] as usize / 100 - 1).collect()
}

fn lengths(rows: usize) -> Vec<usize> {
    (0..rows).map(|row| 1 + row * 7 % 40).collect()
}

#[test]
fn another_seed_and_another_epoch_have_another_order() {
    let rows = rows_of(&lengths(50));
    let one = stream(&source(&rows, 1, 4, 4), 100);
    assert_ne!(one[..50], one[50..]);
    assert_ne!(one, stream(&source(&rows, 2, 4, 4), 100));
}

#[test]
fn a_step_has_rows_of_about_one_length_and_steps_are_not_sorted() {
    // 64 steps of 8 rows are a quarter of an epoch.
    let lengths: Vec<usize> = (0..2048).map(|row| 1 + row * 37 % 60).collect();
    let rows = rows_of(&lengths);
    let source = source(&rows, 3, 8, 8);
    let (mut real, mut all) = (0, 0);
    let mut longest = Vec::new();
    for index in 0..256 {
        let batch = source.batch(index).unwrap();
        real += batch.real_tokens;
        all += batch.all_tokens;
        longest.push(batch.ints["input_ids"].shape[1]);
    }
    // In the order of the file it would be about half.
    assert!(10 * real > 8 * all, "{real} of {all} tokens are real");
    assert!(!longest.is_sorted() && !longest.iter().rev().is_sorted());
    // Shapes repeat: lengths are multiples of 8.
    let shapes: HashSet<usize> = longest.into_iter().collect();
    assert!(
        shapes.len() <= 8
            && shapes
                .iter()
                .all(|length| length.is_multiple_of(8) || *length == 64)
    );
}

#[test]
fn steps_of_one_length_go_on_where_an_epoch_began_within_a_step() {
    // Lengths of two kinds. 259 rows are 32 steps of 8 and 3 rows: the second epoch begins within a
    // step, its whole steps are those from 264 to 512, in 4 pools.
    let lengths: Vec<usize> = (0..259).map(|row| 8 + 8 * (row * 31 % 2)).collect();
    let source = source(&rows_of(&lengths), 6, 8, 8);
    let is_mixed = |step: &u64| {
        let rows = source.features(*step);
        rows.iter().any(|&row| lengths[row] != lengths[rows[0]])
    };
    // A pool has one step at most where the shorter rows end and the longer begin.
    assert!((0..32).filter(is_mixed).count() <= 4);
    assert!((33..64).filter(is_mixed).count() <= 4);
}

#[test]
fn rows_that_are_no_whole_step_have_another_order_in_each_epoch_too() {
    let rows = rows_of(&[4; 40]);
    let stream = stream(&source(&rows, 1, 4, 64), 80);
    assert_ne!(stream[..40], stream[40..]);
}

#[test]
fn nothing_to_train_on_is_refused() {
    let empty = rows_of(&[]);
    let batcher = || batcher(Problem::SingleLabel, RIGHT);
    let order = |batch_size, step_size| TrainOrder {
        seed: 0,
        batch_size,
        step_size,
    };
    let message = |made: Result<(), DataError>| made.unwrap_err().to_string();
    let train =
        |rows: &Rows, order| message(TrainSource::new(rows.clone(), batcher(), order).map(|_| ()));
    assert!(train(&empty, order(1, 1)).starts_with("no examples to train on"));
    let rows = rows_of(&[2, 3]);
    assert!(train(&rows, order(0, 1)).starts_with("batch_size = 0"));
    assert!(train(&rows, order(1, 0)).starts_with("step_size = 0"));
    assert!(PredictBatches::new(batcher(), 0).is_err());
}

#[test]
fn a_part_of_the_examples_has_their_rows_and_no_others() {
    // Examples 0, 1 and 2 have one, two and three rows.
    let rows: Vec<Feature> = [0, 1, 1, 2, 2, 2]
        .map(|example| row(example, 3, RowTarget::Class(0)))
        .to_vec();
    let store = store(&rows);
    let part = Rows::of_examples(Arc::clone(&store), vec![2, 0, 2]).unwrap();
    let features: Vec<usize> = (0..part.len()).map(|row| part.feature(row)).collect();
    assert_eq!(features, [0, 3, 4, 5]);
    let mut seen = stream(&source(&part, 5, 3, 3), 4);
    seen.sort_unstable();
    assert_eq!(seen, features);
    let error = Rows::of_examples(store, vec![1, 3]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "example 4: there is no row of it; choose among the examples of the file"
    );
}

#[test]
fn workers_that_build_ahead_get_the_same_batches() {
    let rows = rows_of(&lengths(300));
    let source = source(&rows, 9, 4, 8);
    let alone: Vec<HostBatch> = (0..200).map(|index| source.batch(index).unwrap()).collect();
    std::thread::scope(|scope| {
        for first in 0..4 {
            let (source, alone) = (&source, &alone);
            scope.spawn(move || {
                for index in (first..200).step_by(4).rev() {
                    assert_eq!(source.batch(index as u64).unwrap(), alone[index]);
                }
            });
        }
    });
}

proptest! {
    #[test]
    fn every_row_comes_once_an_epoch(
        rows in 1_usize..120,
        batch_size in 1_usize..9,
        step_size in 1_usize..20,
        seed in any::<u64>(),
    ) {
        let source = source(&rows_of(&lengths(rows)), seed, batch_size, step_size);
        prop_assert_eq!(source.rows_per_epoch(), rows as u64);
        let stream = stream(&source, 4 * rows);
        for epoch in stream.chunks(rows) {
            let mut epoch = epoch.to_vec();
            epoch.sort_unstable();
            prop_assert_eq!(epoch, (0..rows).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_batch_is_a_function_of_seed_and_index_alone(
        rows in 1_usize..120,
        seed in any::<u64>(),
        indices in proptest::collection::vec(0_u64..200, 1..12),
    ) {
        let rows = rows_of(&lengths(rows));
        let used = source(&rows, seed, 3, 6);
        for index in indices {
            // A source that begins here has what one has that was used before.
            let fresh = source(&rows, seed, 3, 6);
            prop_assert_eq!(fresh.features(index), used.features(index));
            prop_assert_eq!(fresh.batch(index).unwrap(), used.batch(index).unwrap());
            let found = examples(&used.batch(index).unwrap());
            prop_assert_eq!(found, used.features(index));
        }
    }

    #[test]
    fn a_step_has_the_same_rows_however_many_batches_it_is_made_of(
        rows in 1_usize..120,
        half in 1_usize..6,
        seed in any::<u64>(),
    ) {
        let rows = rows_of(&lengths(rows));
        let (whole, halves) = (source(&rows, seed, 2 * half, 2 * half), source(&rows, seed, half, 2 * half));
        for index in 0..40 {
            let parts = [halves.features(2 * index), halves.features(2 * index + 1)];
            prop_assert_eq!(parts.concat(), whole.features(index));
        }
    }

    #[test]
    fn a_prediction_has_every_feature_once_and_tells_where_it_stands(
        lengths in proptest::collection::vec(1_usize..40, 0..40),
        batch_size in 1_usize..9,
    ) {
        let window: Vec<Feature> = (0..).zip(&lengths).map(|(example, &tokens)| {
            let choices = 1 + example as usize % 2;
            let one = row(example, tokens, RowTarget::None);
            Feature {
                ids: vec![one.ids[0].clone(); choices],
                type_ids: vec![one.type_ids[0].clone(); choices],
                ..one
            }
        }).collect();
        let batches = PredictBatches::new(batcher(Problem::Choice, LEFT), batch_size).unwrap();
        let mut seen = Vec::new();
        let mut longest = usize::MAX;
        for batch in batches.batches(&window) {
            let batch = batch.unwrap();
            let shape = &batch.batch.ints["input_ids"].shape;
            prop_assert!(batch.features.len() <= batch_size);
            let choices = window[batch.features[0]].ids.len();
            prop_assert_eq!(shape, &[batch.features.len() * choices, batch.seq_len]);
            // The largest comes first.
            let size = choices * 1000 + batch.seq_len;
            prop_assert!(size <= longest);
            longest = size;
            let ids = batch.batch.ints["input_ids"].data.chunks(batch.seq_len * choices);
            for ((ids, &feature), &first) in ids.zip(&batch.features).zip(&batch.first_tokens) {
                prop_assert_eq!(ids[first] as u32, window[feature].ids[0][0]);
                prop_assert!(ids[..first].iter().all(|&id| id == 5));
            }
            seen.extend(batch.features);
        }
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..window.len()).collect::<Vec<_>>());
    }
}
