//! Baselines against trying every answer, and one score against all.

use proptest::prelude::*;

use super::*;
use crate::rows::{AnswerRow, ChoiceRow, ClassRow, LabelsRow, NumbersRow, TagsRow};

const CLASSES: [&str; 4] = ["a", "b", "c", "d"];
const TAGS: [&str; 7] = ["O", "B-A", "I-A", "B-B", "I-B", "B-C", "I-C"];
const WORDS: [&str; 3] = ["NOUN", "VERB", "ADJ"];

fn class((label, prediction): (usize, usize), classes: usize) -> Row {
    let name = |class: usize| CLASSES[class % classes].to_owned();
    Row::Class(ClassRow {
        id: String::new(),
        label: Some(name(label)),
        prediction: name(prediction),
        probabilities: (0..classes).map(|class| (name(class), 0.5)).collect(),
    })
}

fn tags(actual: &[&str], predicted: impl Fn(usize) -> String) -> Row {
    let owned = |tags: &[&str]| tags.iter().map(|&tag| tag.to_owned()).collect::<Vec<_>>();
    Row::Tags(TagsRow {
        id: String::new(),
        words: owned(actual),
        tags: Some(owned(actual)),
        predictions: (0..actual.len()).map(predicted).collect(),
        unread: 0,
    })
}

fn prepared(rows: &[Row], options: &ScoreOptions) -> Box<dyn Sample> {
    prepare(&rows.iter().collect::<Vec<_>>(), options).unwrap()
}

/// The best of every score over these rows.
fn tried(all: impl Iterator<Item = Vec<Row>>, options: &ScoreOptions) -> Vec<Option<f64>> {
    let values = all.map(|rows| prepared(&rows, options).values(None));
    let better = |a: Vec<Option<f64>>, b: Vec<Option<f64>>| {
        let pairs = a.into_iter().zip(b);
        // Nothing is below every number.
        pairs
            .map(|(a, b)| if a < b { b } else { a })
            .collect::<Vec<_>>()
    };
    values.reduce(better).unwrap()
}

fn tried_tags(truth: &[Vec<&str>], tags_tried: &[&str]) -> Vec<Option<f64>> {
    let all = tags_tried.iter().map(|tag| {
        let rows = truth
            .iter()
            .map(|actual| tags(actual, |_| (*tag).to_owned()));
        rows.collect()
    });
    tried(all, &ScoreOptions::default())
}

fn found_tags(truth: &[Vec<&str>]) -> Vec<Option<f64>> {
    let rows: Vec<Row> = truth
        .iter()
        .map(|actual| tags(actual, |word| actual[word].to_owned()))
        .collect();
    prepared(&rows, &ScoreOptions::default()).baselines()
}

/// Rows of each kind, with options for it.
fn any_rows() -> impl Strategy<Value = (Vec<Row>, ScoreOptions)> {
    let number = -2_i8..3;
    let draw = (
        0_usize..4,
        0_usize..4,
        [number.clone(), number.clone(), number],
    );
    let draws = proptest::collection::vec(draw, 1..12);
    (draws, 0_usize..9).prop_map(|(draws, kind)| {
        let mut options = ScoreOptions::default();
        if kind == 7 {
            options.glue = Some(GlueTask::Stsb);
        }
        if kind == 8 {
            options.glue = Some(GlueTask::Mrpc);
        }
        let rows = draws.into_iter().enumerate().map(|(index, draw)| {
            let (a, b, numbers) = draw;
            let id = index.to_string();
            let [x, y, z] = numbers.map(f64::from);
            match kind {
                0 => class((a, b), 3),
                1 => Row::Labels(LabelsRow {
                    id,
                    labels: Some(CLASSES[..a].iter().map(|&it| it.to_owned()).collect()),
                    predictions: CLASSES[b..].iter().map(|&it| it.to_owned()).collect(),
                    probabilities: Vec::new(),
                }),
                2 | 7 => Row::Numbers(NumbersRow {
                    id,
                    targets: Some(vec![x]),
                    predictions: vec![y],
                }),
                3 => Row::Numbers(NumbersRow {
                    id,
                    targets: Some(vec![x, y]),
                    predictions: vec![y, z],
                }),
                4 => tags(&[TAGS[a], TAGS[b]], |word| TAGS[(a + word) % 7].to_owned()),
                // Questions without an answer among them.
                5 => Row::Answer(AnswerRow {
                    id,
                    answers: Some(CLASSES[..a % 2].iter().map(|&it| it.to_owned()).collect()),
                    prediction: if x > 0.0 { "" } else { CLASSES[b] }.to_owned(),
                    best_non_empty: CLASSES[b].to_owned(),
                    null_odds: x,
                    n_best: Vec::new(),
                }),
                6 => Row::Choice(ChoiceRow {
                    id,
                    label: Some(a),
                    prediction: b,
                    probabilities: vec![0.25; 4],
                }),
                _ => class((a, b), 2),
            }
        });
        (rows.collect(), options)
    })
}

proptest! {
    #[test]
    fn one_score_is_that_among_all(
        (rows, options) in any_rows(),
        weights in proptest::collection::vec(0_u32..3, 12),
    ) {
        let sample = prepared(&rows, &options);
        for weights in [None, Some(&weights[..rows.len()])] {
            let values = sample.values(weights);
            prop_assert_eq!(values.len(), sample.names().len());
            for (place, value) in values.into_iter().enumerate() {
                prop_assert_eq!(sample.value(place, weights), value, "{}", &sample.names()[place]);
            }
        }
    }

    #[test]
    fn the_best_constant_class_is_found_as_by_trying_all(
        pairs in proptest::collection::vec((0_usize..4, 0_usize..4), 1..10),
        classes in 2_usize..=4,
        positive in 0_usize..4,
        kind in 0_usize..3,
    ) {
        let options = ScoreOptions {
            positive: (kind > 0).then(|| CLASSES[positive % classes].to_owned()),
            glue: (kind > 1).then_some(GlueTask::Mrpc),
            ..ScoreOptions::default()
        };
        let rows: Vec<Row> = pairs.iter().map(|&pair| class(pair, classes)).collect();
        let constant = |said: usize| -> Vec<Row> {
            pairs.iter().map(|&(label, _)| class((label, said), classes)).collect()
        };
        let found = prepared(&rows, &options).baselines();
        prop_assert_eq!(found, tried((0..classes).map(constant), &options));
    }

    #[test]
    fn the_best_constant_tag_of_any_sentences_is_found_as_by_trying_all(
        truth in proptest::collection::vec(
            proptest::collection::vec(prop::sample::select(TAGS.as_slice()), 1..5), 1..6),
    ) {
        prop_assert_eq!(found_tags(&truth), tried_tags(&truth, &TAGS));
    }

    #[test]
    fn the_best_constant_of_words_is_found_as_by_trying_all(
        truth in proptest::collection::vec(
            proptest::collection::vec(prop::sample::select(WORDS.as_slice()), 1..5), 1..6),
    ) {
        prop_assert_eq!(found_tags(&truth), tried_tags(&truth, &WORDS));
    }
}
