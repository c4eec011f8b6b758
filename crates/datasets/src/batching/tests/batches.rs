//! Rows of one length, what they are to be, and what they weigh.

use kiln_text::HostBatch;
use proptest::prelude::*;

use super::*;

fn class(example: u64, tokens: usize) -> Feature {
    row(example, tokens, RowTarget::Class(example as u32 % 3))
}

fn ints<'a>(batch: &'a HostBatch, name: &str) -> (&'a [i32], &'a [usize]) {
    let buffer = &batch.ints[name];
    (&buffer.data, &buffer.shape)
}

fn floats<'a>(batch: &'a HostBatch, name: &str) -> (&'a [f32], &'a [usize]) {
    let buffer = &batch.floats[name];
    (&buffer.data, &buffer.shape)
}

/// A row of a question: `[CLS]`, a token of the question, `[SEP]`, context with a token for a blank.
fn question(example: u64, span: Option<(u32, u32)>) -> Feature {
    let target = match span {
        Some((start, end)) => RowTarget::Span { start, end },
        None => RowTarget::None,
    };
    let characters = vec![None, None, None, Some((0, 1)), None, Some((2, 4)), None];
    Feature {
        map: TokenMap::Context {
            characters,
            starts: 3..6,
            no_answer: 0,
        },
        ..row(example, 7, target)
    }
}

#[test]
fn rows_are_filled_up_on_the_right_or_for_xlnet_on_the_left() {
    let rows = [class(0, 3), class(1, 5)];
    let right = batcher(Problem::SingleLabel, RIGHT)
        .batch(&rows, 2)
        .unwrap();
    assert_eq!(
        ints(&right, "input_ids"),
        (
            &[
                100, 101, 102, 0, 0, 0, 0, 0, 200, 201, 202, 203, 204, 0, 0, 0
            ][..],
            &[2, 8][..]
        )
    );
    assert_eq!(
        ints(&right, "attention_mask").0,
        [1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]
    );
    let left = batcher(Problem::SingleLabel, LEFT).batch(&rows, 2).unwrap();
    assert_eq!(
        ints(&left, "input_ids").0,
        [
            5, 5, 5, 5, 5, 100, 101, 102, 5, 5, 5, 200, 201, 202, 203, 204
        ]
    );
    assert_eq!(
        ints(&left, "attention_mask").0,
        [0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1]
    );
    assert_eq!(
        ints(&left, "token_type_ids").0,
        [3, 3, 3, 3, 3, 0, 0, 1, 3, 3, 3, 0, 0, 1, 1, 1]
    );
    assert_eq!((left.real_tokens, left.all_tokens), (8, 16));
}

#[test]
fn lengths_are_rounded_so_that_shapes_repeat() {
    let padded = |pad_to, longest| {
        let settings = BatchSettings {
            pad_to,
            max_len: 60,
            ..settings(Problem::SingleLabel, RIGHT)
        };
        Batcher::new(settings).unwrap().padded(longest)
    };
    let of = |multiple| [1, 8, 9, 57, 60].map(|longest| padded(PadTo { multiple }, longest));
    assert_eq!(of(8), [8, 8, 16, 60, 60]);
    assert_eq!(of(1), [1, 8, 9, 57, 60]);
    assert_eq!(of(512), [60; 5]);
    let settings = BatchSettings {
        pad_to: PadTo { multiple: 0 },
        ..settings(Problem::SingleLabel, RIGHT)
    };
    assert!(Batcher::new(settings).is_err());
}

#[test]
fn rows_without_room_are_refused() {
    for problem in [Problem::SingleLabel, Problem::Span] {
        let settings = BatchSettings {
            max_len: 0,
            ..settings(problem, RIGHT)
        };
        let error = Batcher::new(settings).unwrap_err();
        assert!(error.to_string().starts_with("max_len = 0: "), "{error}");
    }
}

#[test]
fn rows_that_only_fill_up_weigh_nothing_and_are_labelled_with_nothing() {
    let batch = batcher(Problem::SingleLabel, RIGHT)
        .batch(&[class(1, 3), row(2, 3, RowTarget::None)], 4)
        .unwrap();
    assert_eq!(
        floats(&batch, "example_weight"),
        (&[1.0, 0.0, 0.0, 0.0][..], &[4][..])
    );
    assert_eq!(
        ints(&batch, "labels"),
        (&[1, -100, -100, -100][..], &[4][..])
    );
    // They are read as a row that is there: no row is of padding alone.
    let (mask, shape) = ints(&batch, "attention_mask");
    assert_eq!(shape, [4, 8]);
    assert!(mask.chunks(8).all(|row| row.contains(&1)));
    assert_eq!(batch.real_tokens, 6);
}

#[test]
fn numbers_are_real_and_stay_as_they_are() {
    let numbers = |values: &[f32]| row(0, 3, RowTarget::Numbers(values.to_vec()));
    let one = BatchSettings {
        num_labels: 1,
        ..settings(Problem::Regression, RIGHT)
    };
    let one = Batcher::new(one).unwrap();
    let batch = one.batch(&[numbers(&[3.0])], 2).unwrap();
    assert_eq!(floats(&batch, "labels"), (&[3.0, 0.0][..], &[2][..]));
    assert_eq!(floats(&batch, "example_weight").0, [1.0, 0.0]);
    for problem in [Problem::Regression, Problem::MultiLabel] {
        let batch = batcher(problem, RIGHT)
            .batch(&[numbers(&[1.0, 0.0, 1.0])], 2)
            .unwrap();
        assert_eq!(
            floats(&batch, "labels"),
            (&[1.0, 0.0, 1.0, 0.0, 0.0, 0.0][..], &[2, 3][..])
        );
        assert!(!batch.ints.contains_key("labels"));
    }
    let error = one.batch(&[numbers(&[1.0, 2.0])], 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "example 1: 2 numbers, the model gives 1; train a model with as many"
    );
}

#[test]
fn labels_of_tokens_move_with_their_tokens() {
    let tags = row(0, 3, RowTarget::Tokens(vec![-100, 2, -100]));
    for (padding, expected) in [
        (RIGHT, [-100, 2, -100, -100, -100, -100, -100, -100]),
        (LEFT, [-100, -100, -100, -100, -100, -100, 2, -100]),
    ] {
        let batch = batcher(Problem::Tags, padding)
            .batch(std::slice::from_ref(&tags), 2)
            .unwrap();
        let (labels, shape) = ints(&batch, "labels");
        assert_eq!(shape, [2, 8]);
        assert_eq!(labels[..8], expected);
        assert_eq!(labels[8..], [-100; 8]);
    }
}

#[test]
fn continuations_are_rows_of_one_example() {
    let choice = Feature {
        ids: vec![vec![1, 2], vec![3, 4, 5]],
        type_ids: vec![vec![0, 1], vec![0, 1, 1]],
        ..row(0, 1, RowTarget::Class(1))
    };
    let batch = batcher(Problem::Choice, RIGHT)
        .batch(&[choice.clone(), choice.clone()], 3)
        .unwrap();
    assert_eq!(ints(&batch, "input_ids").1, [6, 8]);
    assert_eq!(ints(&batch, "input_ids").0[8..11], [3, 4, 5]);
    assert_eq!(ints(&batch, "labels"), (&[1, 1, -100][..], &[3][..]));
    assert_eq!(ints(&batch, "num_choices"), (&[2][..], &[1][..]));
    assert_eq!(floats(&batch, "example_weight").0, [1.0, 1.0, 0.0]);
    let rows = [choice, class(1, 3)];
    assert!(batcher(Problem::Choice, RIGHT).batch(&rows, 2).is_err());
}

#[test]
fn spans_move_with_their_tokens_and_heads_with_a_beam_get_what_they_ask_for() {
    let rows = [
        question(0, Some((3, 5))),
        question(1, Some((0, 0))),
        question(2, None),
    ];
    let right = batcher(Problem::Span, RIGHT).batch(&rows, 4).unwrap();
    // One beyond the sequence is not scored.
    assert_eq!(ints(&right, "start_positions").0, [3, 0, 8, 8]);
    assert_eq!(ints(&right, "end_positions").0, [5, 0, 8, 8]);
    assert_eq!(floats(&right, "example_weight").0, [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(
        floats(&right, "is_impossible"),
        (&[0.0, 1.0, 0.0, 0.0][..], &[4][..])
    );
    assert_eq!(ints(&right, "cls_index"), (&[0; 4][..], &[4][..]));
    let (mask, shape) = floats(&right, "p_mask");
    assert_eq!(shape, [4, 8]);
    // [CLS], and the context's tokens that stand for characters.
    assert_eq!(mask[..8], [0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0]);

    let left = batcher(Problem::Span, LEFT).batch(&rows, 4).unwrap();
    assert_eq!(ints(&left, "start_positions").0, [4, 1, 8, 8]);
    assert_eq!(ints(&left, "cls_index").0, [1; 4]);
    assert_eq!(
        floats(&left, "p_mask").0[..8],
        [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    );

    let asked = batcher(Problem::Span, RIGHT).batch(&rows[2..], 1).unwrap();
    assert!(!asked.ints.contains_key("start_positions"));
    assert!(!asked.floats.contains_key("is_impossible"));
    assert!(asked.floats.contains_key("p_mask"));
    let error = batcher(Problem::Span, RIGHT).batch(&[class(0, 3)], 1);
    assert_eq!(
        error.unwrap_err().to_string(),
        "example 1: its row is no question's; make rows of questions"
    );
}

#[test]
fn targets_are_left_out_where_none_is_known_but_not_in_training() {
    let rows = [row(0, 3, RowTarget::None)];
    for problem in [
        Problem::SingleLabel,
        Problem::MultiLabel,
        Problem::Regression,
        Problem::Tags,
        Problem::Choice,
    ] {
        let batcher = batcher(problem, RIGHT);
        let has_labels = |batch: &HostBatch| {
            batch.ints.contains_key("labels") || batch.floats.contains_key("labels")
        };
        assert!(!has_labels(&batcher.batch(&rows, 1).unwrap()));
        let labelled = batcher.labelled(&rows, 1).unwrap();
        assert!(has_labels(&labelled), "{problem:?}");
        assert_eq!(floats(&labelled, "example_weight").0, [0.0]);
    }
}

#[test]
fn a_row_that_does_not_fit_is_refused() {
    let batcher = batcher(Problem::SingleLabel, RIGHT);
    let error = |rows: &[Feature]| batcher.batch(rows, 1).unwrap_err().to_string();
    assert_eq!(
        error(&[class(0, 65)]),
        "max_len = 64: a row has 65 tokens; make rows with the same max_len"
    );
    assert_eq!(
        error(&[row(4, 3, RowTarget::Tokens(vec![0; 3]))]),
        "example 5: its target is another problem's; make rows for SingleLabel"
    );
    assert!(error(&[]).contains("no rows"));
}

#[test]
fn balanced_weights_are_scikit_learns() {
    // compute_class_weight("balanced", classes=[0, 1, 2], y=[0] * 6 + [1] * 3 + [2]):
    // 10 / (3 * 6), 10 / (3 * 3), 10 / (3 * 1).
    let weights = balanced_weights(&[6, 3, 1]);
    for (weight, expected) in weights.iter().zip([5.0 / 9.0, 10.0 / 9.0, 10.0 / 3.0]) {
        assert!((weight - expected).abs() < 1e-6, "{weights:?}");
    }
    assert_eq!(balanced_weights(&[4, 0, 4]), [1.0, 1.0, 1.0]);
    assert_eq!(balanced_weights(&[0, 0]), [1.0, 1.0]);
}

proptest! {
    #[test]
    fn neither_batch_size_nor_order_nor_padding_changes_a_row(
        lengths in proptest::collection::vec(1_usize..40, 1..20),
        batch_size in 1_usize..7,
        multiple in 1_usize..20,
        left in any::<bool>(),
    ) {
        let padding = if left { LEFT } else { RIGHT };
        let settings = BatchSettings {
            pad_to: PadTo { multiple },
            ..settings(Problem::Tags, padding)
        };
        let batcher = Batcher::new(settings).unwrap();
        let rows: Vec<Feature> = (0..).zip(&lengths).map(|(example, &tokens)| {
            let tags = (0..tokens).map(|at| (at % 4) as i32 - 1).collect();
            row(example, tokens, RowTarget::Tokens(tags))
        }).collect();
        for rows in rows.rchunks(batch_size) {
            let batch = batcher.batch(rows, batch_size).unwrap();
            let seq_len = batch.ints["input_ids"].shape[1];
            let lines = |name: &str| -> Vec<Vec<i32>> {
                batch.ints[name].data.chunks(seq_len).map(<[i32]>::to_vec).collect()
            };
            let masks = lines("attention_mask");
            prop_assert_eq!(masks.len(), batch_size);
            for (number, row) in rows.iter().enumerate() {
                // What the mask lets through is the row, in one piece.
                let real = |name: &str| -> Vec<i32> {
                    let line = lines(name).swap_remove(number);
                    let read = line.into_iter().zip(&masks[number]);
                    read.filter(|(_, mask)| **mask == 1).map(|(value, _)| value).collect()
                };
                let ids: Vec<i32> = row.ids[0].iter().map(|&id| id as i32).collect();
                prop_assert_eq!(real("input_ids"), ids);
                let types: Vec<i32> = row.type_ids[0].iter().map(|&id| id.into()).collect();
                prop_assert_eq!(real("token_type_ids"), types);
                let RowTarget::Tokens(tags) = &row.target else { unreachable!() };
                prop_assert_eq!(&real("labels"), tags);
                let first = batcher.first_token(seq_len, row.ids[0].len());
                prop_assert_eq!(masks[number].iter().position(|&mask| mask == 1), Some(first));
                // Nothing else is scored.
                let labels = lines("labels").swap_remove(number);
                let scored = |labels: &[i32]| labels.iter().filter(|&&label| label >= 0).count();
                prop_assert_eq!(scored(&labels), scored(tags));
            }
        }
    }
}
