//! Rows of predictions from what a model says of windows.

use std::path::Path;
use std::sync::Arc;

use kiln_text::tokenizer::{WordPieceSettings, train_word_piece_on_texts};
use proptest::prelude::*;

use super::*;
use crate::questions::search::tests::{check, row};
use crate::questions::{QuestionLayout, QuestionWindows, Stride, WindowSettings};
use crate::{Answer, Place, TokenMap};

fn example(id: &str, context: &str) -> Example {
    Example {
        id: id.to_string(),
        place: Place {
            file: Arc::from(Path::new("dev.json")),
            line: 1,
        },
        input: Input::Question {
            question: "what".to_string(),
            context: context.into(),
        },
        target: Some(Target::Answers(vec![Answer {
            text: "c".to_string(),
            start: 2,
        }])),
    }
}

fn settings(allow_no_answer: bool) -> SearchSettings {
    SearchSettings {
        allow_no_answer,
        ..SearchSettings::default()
    }
}

fn answer(row: Row) -> AnswerRow {
    match row {
        Row::Answer(row) => row,
        other => panic!("{other:?}"),
    }
}

fn logits<'a>(start: &'a [f32], end: &'a [f32]) -> SpanLogits<'a> {
    SpanLogits { start, end }
}

/// The check's answer.
fn checked(settings: SearchSettings) -> AnswerRow {
    let mut decoder = AnswerDecoder::new(settings).unwrap();
    for (row, start, end) in check() {
        decoder.push("q", &row, logits(&start, &end)).unwrap();
    }
    answer(decoder.take(0, &example("q", "abcdefghij")).unwrap())
}

#[test]
fn the_check_gives_its_answer_and_odds() {
    let row = checked(settings(true));
    assert_eq!((row.prediction.as_str(), row.null_odds), ("c", -8.5));
    assert_eq!(
        (row.id.as_str(), row.answers),
        ("q", Some(vec!["c".into()]))
    );
    let sum: f64 = row
        .n_best
        .iter()
        .map(|candidate| candidate.probability)
        .sum();
    // Rounding of 20 terms.
    assert!((sum - 1.0).abs() < 1e-12);
    let first = &row.n_best[0];
    assert_eq!((first.start, first.end, first.score), (2, 3, 10.0));
    let ratio = row.n_best[1].probability / first.probability;
    assert!((ratio - (-1f64).exp()).abs() < 1e-12);
    let none: Vec<_> = row.n_best.iter().filter(|c| c.text.is_empty()).collect();
    assert_eq!((none.len(), none[0].score), (1, 1.5));
    let is_sorted = row.n_best.is_sorted_by(|a, b| a.score >= b.score);
    assert!(is_sorted, "{:?}", row.n_best);
}

#[test]
fn padding_changes_no_answer() {
    let whole = checked(settings(true));
    for (length, before) in [(384, 0), (512, 0), (384, 378), (512, 506), (40, 7)] {
        let mut decoder = AnswerDecoder::new(settings(true)).unwrap();
        for (row, start, end) in check() {
            // Whatever a model says of padding.
            let padded = |logits: &[f32]| {
                let behind = length - before - logits.len();
                [&vec![99.0; before], logits, &vec![f32::NAN; behind]].concat()
            };
            let (start, end) = (padded(&start), padded(&end));
            let own = SpanLogits::of_row(&start, &end, before, 6).unwrap();
            decoder.push("q", &row, own).unwrap();
            assert!(SpanLogits::of_row(&start, &end, before, length + 1).is_none());
        }
        let row = answer(decoder.take(0, &example("q", "abcdefghij")).unwrap());
        assert_eq!(row, whole, "{length} {before}");
    }
}

#[test]
fn none_is_the_answer_above_the_threshold_and_only_where_there_may_be_none() {
    let with = |null_threshold, allow_no_answer| {
        let settings = SearchSettings {
            null_threshold,
            ..settings(allow_no_answer)
        };
        checked(settings)
    };
    assert_eq!(with(-8.5, true).prediction, "c");
    let none = with(-8.6, true);
    assert_eq!(
        (none.prediction.as_str(), none.best_non_empty.as_str()),
        ("", "c")
    );
    let never = with(-8.6, false);
    assert_eq!(never.prediction, "c");
    assert!(
        never
            .n_best
            .iter()
            .all(|candidate| !candidate.text.is_empty())
    );
}

#[test]
fn the_entry_of_no_answer_stays_behind_the_best_ones() {
    let settings = SearchSettings {
        n_best: 2,
        ..settings(true)
    };
    let row = checked(settings);
    let texts: Vec<&str> = row.n_best.iter().map(|c| c.text.as_str()).collect();
    assert_eq!(texts, ["c", "bc", ""]);
}

#[test]
fn the_least_score_of_no_answer_over_windows_counts() {
    let mut decoder = AnswerDecoder::new(settings(true)).unwrap();
    let map = [None, Some((0, 1))];
    for null in [5.0, 1.0, 3.0] {
        let row = row(0, &map, 0);
        decoder
            .push("q", &row, logits(&[null, 0.0], &[0.0, 2.0]))
            .unwrap();
    }
    let row = answer(decoder.take(0, &example("q", "abc")).unwrap());
    assert_eq!(row.null_odds, 1.0 - 2.0);
    assert_eq!(row.prediction, "a");
}

#[test]
fn a_question_without_a_span_is_answered_with_nothing() {
    for allow_no_answer in [false, true] {
        let mut decoder = AnswerDecoder::new(settings(allow_no_answer)).unwrap();
        // An empty context; ends before starts only.
        decoder
            .push("q", &row(0, &[None, None], 0), logits(&[1.0; 2], &[0.5; 2]))
            .unwrap();
        let map = [None, Some((0, 1)), Some((1, 2))];
        let one = SearchSettings {
            n_best: 1,
            ..settings(allow_no_answer)
        };
        let mut backwards = AnswerDecoder::new(one).unwrap();
        let (start, end) = ([0.0, 0.0, 9.0], [0.0, 9.0, 0.0]);
        backwards
            .push("q", &row(0, &map, 0), logits(&start, &end))
            .unwrap();
        for (mut decoder, null) in [(decoder, 1.5), (backwards, 0.0)] {
            let row = answer(decoder.take(0, &example("q", "ab")).unwrap());
            assert_eq!(
                (row.prediction.as_str(), row.best_non_empty.as_str()),
                ("", "")
            );
            assert_eq!((row.n_best.len(), row.n_best[0].probability), (1, 1.0));
            assert_eq!((row.n_best[0].text.as_str(), row.null_odds), ("", null));
        }
    }
}

#[test]
fn what_is_no_number_or_does_not_fit_is_refused_with_the_questions_name() {
    let refused = |start: &[f32], end: &[f32]| {
        let mut decoder = AnswerDecoder::new(settings(true)).unwrap();
        let row = row(0, &[None, Some((0, 1))], 0);
        let error = decoder.push("q-7", &row, logits(start, end)).unwrap_err();
        assert!(decoder.is_empty());
        error.to_string()
    };
    let line = refused(&[0.0, f32::NAN], &[0.0, 0.0]);
    assert!(
        line.starts_with("question \"q-7\": the model's start logit 1 is NaN"),
        "{line}"
    );
    let line = refused(&[0.0, 0.0], &[f32::INFINITY, 0.0]);
    assert!(line.contains("end logit 0 is inf"), "{line}");
    let line = refused(&[0.0; 3], &[0.0; 2]);
    assert!(
        line.contains("2 tokens, but there are 3 start logits"),
        "{line}"
    );

    let mut decoder = AnswerDecoder::new(settings(true)).unwrap();
    let error = decoder.take(3, &example("q-7", "abc")).unwrap_err();
    assert!(error.to_string().contains("read no window"), "{error}");
    let row = row(3, &[None, Some((7, 9))], 0);
    decoder
        .push("q-7", &row, logits(&[0.0; 2], &[0.0; 2]))
        .unwrap();
    let error = decoder.take(3, &example("q-7", "abc")).unwrap_err();
    assert!(error.to_string().contains("outside its context"), "{error}");
    for (n_best, max_answer_tokens, null_threshold) in [(0, 1, 0.0), (1, 0, 0.0), (1, 1, f64::NAN)]
    {
        let settings = SearchSettings {
            n_best,
            max_answer_tokens,
            null_threshold,
            ..settings(false)
        };
        assert!(AnswerDecoder::new(settings).is_err());
    }
}

/// What XLNet's head says of a row of two padded positions and "abc" with `<cls>` behind.
fn beam(row: &Feature) -> BeamOutput<'static> {
    let TokenMap::Context { .. } = row.map else {
        panic!("not a context");
    };
    BeamOutput {
        start_top_log_probs: &[0.6, 0.3],
        start_top_index: &[3, 2],
        // The best end of each start, then the second best of each.
        end_top_log_probs: &[0.9, 0.5, 0.1, 0.4],
        end_top_index: &[3, 4, 5, 2],
        cls_logits: -1.0,
        padding_before: 2,
    }
}

#[test]
fn ends_of_a_beam_belong_to_their_own_starts() {
    let map = [Some((0, 1)), Some((1, 2)), Some((2, 3)), None];
    let row = row(0, &map, 3);
    let mut decoder = AnswerDecoder::new(settings(false)).unwrap();
    decoder.push_beam("q", &row, beam(&row)).unwrap();
    let found = answer(decoder.take(0, &example("q", "abc")).unwrap());
    let all: Vec<(&str, f64)> = found
        .n_best
        .iter()
        .map(|candidate| (candidate.text.as_str(), candidate.score.exp()))
        .collect();
    // Start 1 with end 1; start 0 with ends 2 and 0; start 1 with <cls> is none.
    let expected = [("b", 0.54), ("abc", 0.15), ("a", 0.12)];
    assert_eq!(all.len(), 3);
    for ((text, probability), (expected, product)) in all.iter().zip(expected) {
        // Products of float32's.
        assert!(
            *text == expected && (probability - product).abs() < 1e-6,
            "{all:?}"
        );
    }
    assert_eq!((found.prediction.as_str(), found.null_odds), ("b", -1.0));
}

#[test]
fn the_answer_class_of_a_beam_is_the_probability_of_none() {
    let map = [Some((0, 1)), Some((1, 2)), Some((2, 3)), None];
    let row = row(0, &map, 3);
    let mut decoder = AnswerDecoder::new(settings(true)).unwrap();
    for cls_logits in [4.0, 1.0] {
        let output = BeamOutput {
            cls_logits,
            ..beam(&row)
        };
        decoder.push_beam("q", &row, output).unwrap();
    }
    let error = decoder
        .push("q", &row, logits(&[0.0; 4], &[0.0; 4]))
        .unwrap_err();
    assert!(error.to_string().contains("two kinds of heads"), "{error}");
    let found = answer(decoder.take(0, &example("q", "abc")).unwrap());
    // The least: logit 1 is 0.731059.
    assert_eq!((found.null_odds, found.prediction.as_str()), (1.0, ""));
    assert_eq!(found.best_non_empty, "b");
    assert_eq!(found.n_best[0].text, "");
    assert!((found.n_best[0].probability - 0.731_058_578_630_005).abs() < 1e-12);
    let sum: f64 = found
        .n_best
        .iter()
        .map(|candidate| candidate.probability)
        .sum();
    assert!((sum - 1.0).abs() < 1e-12);
}

#[test]
fn a_beam_that_does_not_fit_is_refused() {
    let row = row(0, &[Some((0, 1)), None], 1);
    let whole = beam(&row);
    let refused = [
        BeamOutput {
            start_top_index: &[3],
            ..whole
        },
        BeamOutput {
            end_top_index: &[3],
            ..whole
        },
        BeamOutput {
            start_top_log_probs: &[],
            start_top_index: &[],
            ..whole
        },
        BeamOutput {
            cls_logits: f32::NAN,
            ..whole
        },
        BeamOutput {
            start_top_log_probs: &[-0.5, -1.2],
            ..whole
        },
    ];
    for output in refused {
        let mut decoder = AnswerDecoder::new(settings(true)).unwrap();
        assert!(decoder.push_beam("q", &row, output).is_err(), "{output:?}");
    }
    // No probability at all: no candidate, and no logarithm of zero.
    let mut decoder = AnswerDecoder::new(settings(false)).unwrap();
    let output = BeamOutput {
        end_top_log_probs: &[0.0; 4],
        ..whole
    };
    decoder.push_beam("q", &row, output).unwrap();
    let found = answer(decoder.take(0, &example("q", "abc")).unwrap());
    assert_eq!((found.prediction.as_str(), found.n_best.len()), ("", 1));
}

const CONTEXT: &str = "The potter opened the kiln in Zürich's old town; it was cafe\u{301} time.";

#[test]
fn answers_are_cut_out_of_the_text_as_it_is_written() {
    let settings_of_words = WordPieceSettings {
        vocab_size: 70,
        ..WordPieceSettings::default()
    };
    let tokenizer = train_word_piece_on_texts([CONTEXT], &settings_of_words).unwrap();
    let windows = WindowSettings {
        max_length: 24,
        stride: Stride::Overlap(12),
    };
    for (answer_text, start) in [("Zürich's", 30), ("cafe\u{301}", 56), ("The", 0)] {
        let mut example = example("q", CONTEXT);
        example.target = Some(Target::Answers(vec![Answer {
            text: answer_text.to_string(),
            start,
        }]));
        for layout in [
            QuestionLayout::bert(2, 3),
            QuestionLayout::roberta(2, 3),
            QuestionLayout::xlnet(2, 3),
        ] {
            let mut made = QuestionWindows::new(&tokenizer, layout, windows.clone()).unwrap();
            let mut decoder = AnswerDecoder::new(settings(false)).unwrap();
            for feature in made.features(0, &example).unwrap() {
                // A model that has learned its rows by heart.
                let crate::RowTarget::Span { start, end } = feature.target else {
                    panic!("no span");
                };
                let tokens = feature.ids[0].len();
                let (mut starts, mut ends) = (vec![0.0; tokens], vec![0.0; tokens]);
                starts[start as usize] = 9.0;
                ends[end as usize] = 9.0;
                decoder.push("q", &feature, logits(&starts, &ends)).unwrap();
            }
            let row = decoder.take(0, &example).unwrap();
            assert_eq!(answer(row).prediction, answer_text);
        }
    }
}

/// A short row of logits.
fn row_logits() -> impl Strategy<Value = Vec<f32>> {
    proptest::collection::vec(-8.0f32..8.0, 6)
}

proptest! {
    #[test]
    fn the_order_of_windows_and_questions_changes_nothing(
        all in proptest::collection::vec((0u64..3, row_logits(), row_logits()), 1..12),
        turn in 0usize..12,
        n_best in 1usize..4,
    ) {
        let maps = check().map(|(row, _, _)| row.map);
        let decoded = |order: &[usize]| {
            let settings = SearchSettings { n_best, ..settings(true) };
            let mut decoder = AnswerDecoder::new(settings).unwrap();
            for &at in order {
                let (number, start, end) = &all[at];
                let mut row = row(*number, &[], 0);
                row.map = maps[at % 2].clone();
                decoder.push("q", &row, logits(start, end)).unwrap();
            }
            let numbers: Vec<u64> = decoder.found.keys().copied().collect();
            let found: Vec<Row> = numbers
                .into_iter()
                .map(|number| decoder.take(number, &example("q", "abcdefghij")).unwrap())
                .collect();
            assert!(decoder.is_empty());
            found
        };
        let mut order: Vec<usize> = (0..all.len()).collect();
        let first = decoded(&order);
        order.rotate_left(turn % all.len());
        order.reverse();
        prop_assert_eq!(first, decoded(&order));
    }

    #[test]
    fn rows_hold_probabilities_and_texts_of_the_context(
        start in row_logits(), end in row_logits(), allow in any::<bool>(),
    ) {
        let mut decoder = AnswerDecoder::new(settings(allow)).unwrap();
        let [(row, ..), _] = check();
        decoder.push("q", &row, logits(&start, &end)).unwrap();
        let found = answer(decoder.take(0, &example("q", "abcdefghij")).unwrap());
        let sum: f64 = found.n_best.iter().map(|candidate| candidate.probability).sum();
        prop_assert!((sum - 1.0).abs() < 1e-12);
        prop_assert!(found.n_best.is_sorted_by(|a, b| a.score >= b.score));
        for candidate in &found.n_best {
            prop_assert_eq!(&candidate.text, &"abcdefghij"[candidate.start..candidate.end]);
        }
    }
}
