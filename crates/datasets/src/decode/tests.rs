//! Logits to rows of predictions.

use std::path::Path;
use std::sync::Arc;

use kiln_metrics::rows::Row;
use proptest::prelude::*;

use super::*;
use crate::{Place, RowTarget};

/// Sums of some probabilities in 64 bits: each has an error of an ulp or so.
const BOUND: f64 = 1e-12;

fn labels(names: &[&str]) -> Labels {
    Labels::new(names.iter().map(ToString::to_string).collect())
}

fn decoder(problem: Problem) -> Decoder {
    let names = match problem {
        Problem::Tags => labels(&["B-PER", "O", "I-PER"]),
        _ => labels(&["no", "yes", "both"]),
    };
    Decoder::new(problem, names, DecodeSettings::default()).unwrap()
}

fn feature(example: u64, sequences: usize, map: TokenMap) -> Feature {
    Feature {
        example,
        ids: vec![vec![2, 7, 3]; sequences],
        type_ids: vec![vec![0; 3]; sequences],
        target: RowTarget::None,
        map,
    }
}

fn example(input: Input, target: Option<Target>) -> Example {
    Example {
        id: "e-5".into(),
        place: Place {
            file: Arc::from(Path::new("dev.tsv")),
            line: 9,
        },
        input,
        target,
    }
}

fn text(target: Option<Target>) -> Example {
    let input = Input::Text {
        first: "a kiln".into(),
        second: None,
    };
    example(input, target)
}

fn words(count: usize, tags: Option<Vec<usize>>) -> Example {
    let words = (0..count).map(|word| format!("w{word}")).collect();
    example(Input::Words(words), tags.map(Target::Tags))
}

/// What a model says that gives these logits for a text.
fn said(problem: Problem, logits: &[f32], target: Option<Target>) -> Row {
    let mut decoder = decoder(problem);
    let sequences = if problem == Problem::Choice {
        logits.len()
    } else {
        1
    };
    let feature = feature(4, sequences, TokenMap::Whole);
    decoder.push(&feature, logits, 0).unwrap();
    assert_eq!(decoder.len(), 1);
    let row = decoder.take(4, &text(target)).unwrap();
    assert!(decoder.is_empty());
    row.check().unwrap();
    row
}

/// Logits of a padded row `[seq_len, 3]` that say these labels.
fn saying(tags: &[usize]) -> Vec<f32> {
    let logits = |&tag: &usize| (0..3).map(move |label| if label == tag { 2.0 } else { -1.0 });
    tags.iter().flat_map(logits).collect()
}

#[test]
fn the_most_probable_class_is_said_by_name() {
    let Row::Class(row) = said(
        Problem::SingleLabel,
        &[0.0, 2.0_f32.ln(), 0.0],
        Some(Target::Class(2)),
    ) else {
        panic!("not a class");
    };
    assert_eq!((row.id.as_str(), row.prediction.as_str()), ("e-5", "yes"));
    assert_eq!(row.label.as_deref(), Some("both"));
    let expected = [("no", 0.25), ("yes", 0.5), ("both", 0.25)];
    for ((name, probability), (label, expected)) in row.probabilities.iter().zip(expected) {
        assert_eq!(name, label);
        // The logit is a number of 32 bits.
        assert!((probability - expected).abs() < 1e-7, "{probability}");
    }
    let Row::Class(unlabelled) = said(Problem::SingleLabel, &[1.0, 1.0, 0.0], None) else {
        panic!("not a class");
    };
    assert_eq!(
        (unlabelled.label, unlabelled.prediction),
        (None, "no".into())
    );
}

#[test]
fn labels_are_said_above_the_threshold_each_by_itself() {
    let target = Some(Target::Classes(vec![0, 2]));
    let Row::Labels(row) = said(Problem::MultiLabel, &[0.1, 0.0, 3.0], target) else {
        panic!("no labels");
    };
    // A logit of 0 is a probability of 0.5, which is not above it.
    assert_eq!(row.predictions, ["no", "both"]);
    assert_eq!(row.labels, Some(vec!["no".into(), "both".into()]));
    assert_eq!(row.probabilities[1], ("yes".into(), 0.5));

    let names = labels(&["no", "yes", "both"]);
    let strict = DecodeSettings { threshold: 0.9 };
    let mut decoder = Decoder::new(Problem::MultiLabel, names.clone(), strict).unwrap();
    let feature = feature(0, 1, TokenMap::Whole);
    decoder.push(&feature, &[0.1, -3.0, 3.0], 0).unwrap();
    let Row::Labels(row) = decoder.take(0, &text(None)).unwrap() else {
        panic!("no labels");
    };
    assert_eq!((row.labels, row.predictions), (None, vec!["both".into()]));
    for threshold in [-0.1, 1.1, f64::NAN] {
        let settings = DecodeSettings { threshold };
        let error = Decoder::new(Problem::MultiLabel, names.clone(), settings).unwrap_err();
        assert!(error.to_string().contains("from 0 to 1"), "{error}");
    }
}

#[test]
fn numbers_are_said_as_they_are_and_targets_as_the_file_has_them() {
    let target = Some(Target::Numbers(vec![3.8]));
    let Row::Numbers(row) = said(Problem::Regression, &[2.5], target) else {
        panic!("no numbers");
    };
    assert_eq!(row.targets, Some(vec![3.8]));
    assert_eq!(row.predictions, [2.5]);
    let mut decoder = decoder(Problem::Regression);
    let feature = feature(0, 1, TokenMap::Whole);
    decoder.push(&feature, &[1.0, 2.0], 0).unwrap();
    let error = decoder.take(0, &text(Some(Target::Numbers(vec![1.0]))));
    assert_eq!(
        error.unwrap_err().to_string(),
        "dev.tsv: line 9: 1 numbers, the model gives 2"
    );
}

#[test]
fn a_continuation_is_said_by_its_number() {
    let target = Some(Target::Choice(0));
    let Row::Choice(row) = said(Problem::Choice, &[-1.0, 0.0, 0.5, -3.0], target) else {
        panic!("no choice");
    };
    assert_eq!((row.label, row.prediction), (Some(0), 2));
    assert_eq!(row.probabilities.len(), 4);
    assert!((row.probabilities.iter().sum::<f64>() - 1.0).abs() < BOUND);
}

#[test]
fn words_get_the_label_of_their_first_token_and_o_where_none_was_read() {
    let mut decoder = decoder(Problem::Tags);
    // Words 0, 1 and 3 of four, at tokens 1, 2 and 4; padding stands on the left.
    let feature = feature(0, 1, TokenMap::Words(vec![(0, 1), (1, 2), (3, 4)]));
    let logits = saying(&[1, 1, 1, 0, 2, 1, 0, 1]);
    decoder.push(&feature, &logits, 2).unwrap();
    let Row::Tags(row) = decoder.take(0, &words(4, Some(vec![0, 2, 0, 0]))).unwrap() else {
        panic!("no tags");
    };
    assert_eq!(row.predictions, ["B-PER", "I-PER", "O", "B-PER"]);
    assert_eq!(row.unread, 1);
    // Every word of the file is scored.
    let tags = row.tags.clone().unwrap();
    assert_eq!(tags, ["B-PER", "I-PER", "B-PER", "B-PER"]);
    Row::Tags(row).check().unwrap();
}

#[test]
fn windows_of_a_sentence_are_one_row_whichever_came_first() {
    let windows = [
        (
            feature(7, 1, TokenMap::Words(vec![(0, 1), (1, 2)])),
            saying(&[1, 0, 2, 1]),
        ),
        (
            feature(7, 1, TokenMap::Words(vec![(2, 2), (3, 3)])),
            saying(&[1, 0, 1, 0]),
        ),
    ];
    let mut rows = Vec::new();
    for order in [[0, 1], [1, 0]] {
        let mut decoder = decoder(Problem::Tags);
        for (feature, logits) in order.map(|at| &windows[at]) {
            decoder.push(feature, logits, 0).unwrap();
        }
        rows.push(decoder.take(7, &words(4, None)).unwrap());
    }
    let [Row::Tags(row), other] = &rows[..] else {
        panic!("no tags");
    };
    assert_eq!(row.predictions, ["B-PER", "I-PER", "O", "B-PER"]);
    assert_eq!((row.unread, &row.tags), (0, &None));
    assert_eq!(other, &rows[0]);
}

#[test]
fn logits_that_say_nothing_are_refused() {
    let error = |problem, feature: &Feature, logits: &[f32]| {
        let pushed = decoder(problem).push(feature, logits, 0);
        pushed.unwrap_err().to_string()
    };
    let whole = feature(2, 1, TokenMap::Whole);
    for number in [f32::NAN, f32::INFINITY] {
        let message = error(Problem::SingleLabel, &whole, &[0.0, number, 0.0]);
        assert!(
            message.starts_with("example 3: the model says"),
            "{message}"
        );
    }
    assert_eq!(
        error(Problem::MultiLabel, &whole, &[0.0, 1.0]),
        "example 3: the model gives 2 numbers for it in place of 3; its config.json and its labels do \
         not belong together"
    );
    let choice = feature(2, 4, TokenMap::Whole);
    assert!(error(Problem::Choice, &choice, &[0.0; 3]).contains("3 numbers for it in place of 4"));
    let tags = feature(2, 1, TokenMap::Words(vec![(0, 2)]));
    for logits in [&[0.0; 4][..], &[0.0; 6]] {
        assert!(error(Problem::Tags, &tags, logits).contains("are no tags"));
    }
    assert!(error(Problem::Tags, &whole, &[0.0; 9]).contains("are no tags"));

    let mut twice = decoder(Problem::SingleLabel);
    twice.push(&whole, &[0.0; 3], 0).unwrap();
    let error = twice.push(&whole, &[0.0; 3], 0).unwrap_err();
    assert_eq!(error.to_string(), "example 3: the model has read it twice");
    assert!(Decoder::new(Problem::Span, labels(&[]), DecodeSettings::default()).is_err());
}

#[test]
fn an_example_that_does_not_go_with_what_was_said_is_refused() {
    let take = |target| {
        let mut decoder = decoder(Problem::SingleLabel);
        let feature = feature(0, 1, TokenMap::Whole);
        decoder.push(&feature, &[0.0; 3], 0).unwrap();
        let row = decoder.take(0, &text(Some(target)));
        row.unwrap_err().to_string()
    };
    assert_eq!(
        take(Target::Choice(0)),
        "dev.tsv: line 9: what it is labelled with is another task's"
    );
    assert_eq!(
        take(Target::Class(3)),
        "dev.tsv: line 9: label 3: the model has none of this number"
    );
    let error = decoder(Problem::SingleLabel).take(0, &text(None));
    assert_eq!(
        error.unwrap_err().to_string(),
        "dev.tsv: line 9: the model has not read it"
    );
}

proptest! {
    #[test]
    fn probabilities_of_one_class_sum_to_1_and_the_largest_logit_wins(
        logits in proptest::collection::vec(-200.0_f32..200.0, 3),
    ) {
        let Row::Class(row) = said(Problem::SingleLabel, &logits, None) else {
            unreachable!()
        };
        let sum: f64 = row.probabilities.iter().map(|(_, probability)| probability).sum();
        prop_assert!((sum - 1.0).abs() < BOUND);
        let said = row.probabilities.iter().find(|(name, _)| *name == row.prediction);
        let most = row.probabilities.iter().map(|(_, probability)| *probability).fold(0.0, f64::max);
        prop_assert_eq!(said.map(|(_, probability)| *probability), Some(most));
    }

    #[test]
    fn a_label_by_itself_and_its_opposite_sum_to_1(logit in -1000.0_f32..1000.0) {
        let (yes, no) = (sigmoid(logit.into()), sigmoid((-logit).into()));
        prop_assert!((0.0..=1.0).contains(&yes));
        prop_assert!((yes + no - 1.0).abs() < BOUND);
        prop_assert_eq!(yes > 0.5, logit > 0.0 && yes > 0.5);
        let expected = 1.0 / (1.0 + (-f64::from(logit)).exp());
        prop_assert!((yes - expected).abs() < BOUND);
    }

    #[test]
    fn padding_on_either_side_changes_no_tag(
        tags in proptest::collection::vec(0_usize..3, 1..12),
        padding in 0_usize..9,
        left in any::<bool>(),
    ) {
        let map = (0..tags.len() as u32).map(|word| (word, word + 1)).collect();
        let feature = feature(0, 1, TokenMap::Words(map));
        // [CLS], a token a word, [SEP].
        let mut row = vec![1];
        row.extend(&tags);
        row.push(1);
        let first = if left { padding } else { 0 };
        let fill = vec![2; padding];
        let row = if left { [fill, row].concat() } else { [row, fill].concat() };
        let mut decoder = decoder(Problem::Tags);
        decoder.push(&feature, &saying(&row), first).unwrap();
        let Row::Tags(row) = decoder.take(0, &words(tags.len(), Some(tags.clone()))).unwrap() else {
            unreachable!()
        };
        prop_assert_eq!(Some(&row.predictions), row.tags.as_ref());
        prop_assert!(Row::Tags(row).check().is_ok());
    }
}
