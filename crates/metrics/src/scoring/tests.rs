use super::*;
use crate::MetricsError;
use crate::rows::{AnswerRow, ChoiceRow, ClassRow, LabelsRow, NumbersRow, TagsRow};
use crate::scores::GlueTask;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn class(label: &str, prediction: &str) -> Row {
    Row::Class(ClassRow {
        id: "c".to_owned(),
        label: Some(label.to_owned()),
        prediction: prediction.to_owned(),
        probabilities: vec![("no".to_owned(), 0.5), ("yes".to_owned(), 0.5)],
    })
}

fn tags(actual: &str, predicted: &str, unread: usize) -> Row {
    Row::Tags(TagsRow {
        id: "t".to_owned(),
        words: words(actual),
        tags: Some(words(actual)),
        predictions: words(predicted),
        unread,
    })
}

fn answer(answers: &[&str], best: &str, null_odds: f64) -> Row {
    Row::Answer(AnswerRow {
        id: "q".to_owned(),
        answers: Some(answers.iter().map(|&text| text.to_owned()).collect()),
        prediction: if null_odds > 0.0 { "" } else { best }.to_owned(),
        best_non_empty: best.to_owned(),
        null_odds,
        n_best: Vec::new(),
    })
}

fn numbers(targets: &[f64], predictions: &[f64]) -> Row {
    Row::Numbers(NumbersRow {
        id: "n".to_owned(),
        targets: Some(targets.to_vec()),
        predictions: predictions.to_vec(),
    })
}

fn labels(targets: &str, predictions: &str) -> Row {
    Row::Labels(LabelsRow {
        id: "l".to_owned(),
        labels: Some(words(targets)),
        predictions: words(predictions),
        probabilities: ["a", "b", "c"].map(|name| (name.to_owned(), 0.5)).to_vec(),
    })
}

fn choice(label: usize, prediction: usize, count: usize) -> Row {
    Row::Choice(ChoiceRow {
        id: "x".to_owned(),
        label: Some(label),
        prediction,
        probabilities: vec![0.5; count],
    })
}

fn few() -> ScoreOptions {
    ScoreOptions {
        resamples: 50,
        ..ScoreOptions::default()
    }
}

fn value(scores: &Scores, name: &str) -> f64 {
    scores.get(name).unwrap().value.unwrap()
}

fn baseline(scores: &Scores, name: &str) -> f64 {
    scores.get(name).unwrap().baseline.unwrap()
}

#[test]
fn classes_have_their_scores_beside_the_best_constant() {
    let rows = [
        class("yes", "yes"),
        class("no", "no"),
        class("no", "yes"),
        class("no", "no"),
    ];
    let scores = score(&rows, &few()).unwrap();
    assert_eq!(scores.main, "accuracy");
    assert_eq!(value(&scores, "accuracy"), 0.75);
    assert_eq!(baseline(&scores, "accuracy"), 0.75);
    assert_eq!(value(&scores, "f1"), 2.0 / 3.0);
    // All yes: 2 / (4 + 1).
    assert_eq!(baseline(&scores, "f1"), 0.4);
    assert_eq!(baseline(&scores, "mcc"), 0.0);
    assert_eq!(scores.confusion.as_ref().unwrap().counts, [[2, 1], [0, 1]]);
    assert!(!scores.collapsed);
}

#[test]
fn labels_in_another_order_score_the_same_by_name() {
    let rows = [class("yes", "yes"), class("no", "yes"), class("yes", "no")];
    let permuted = ScoreOptions {
        labels: words("yes no"),
        positive: Some("yes".to_owned()),
        ..few()
    };
    let (a, b) = (
        score(&rows, &few()).unwrap(),
        score(&rows, &permuted).unwrap(),
    );
    assert_eq!(a.scores, b.scores);
}

#[test]
fn glue_chooses_the_score() {
    let rows = [class("yes", "yes"), class("no", "yes")];
    let main = |glue| {
        let options = ScoreOptions {
            glue: Some(glue),
            ..few()
        };
        let scores = score(&rows, &options).unwrap();
        (scores.main.clone(), scores.main().unwrap().value.unwrap())
    };
    assert_eq!(main(GlueTask::Cola), ("mcc".to_owned(), 0.0));
    let mean = (0.5 + 2.0 / 3.0) / 2.0;
    assert_eq!(main(GlueTask::Mrpc), ("combined".to_owned(), mean));
    let options = ScoreOptions {
        glue: Some(GlueTask::Stsb),
        ..few()
    };
    assert!(score(&rows, &options).is_err());
    assert_eq!(GlueTask::parse("SST-2"), Some(GlueTask::Sst2));
}

#[test]
fn a_model_that_says_one_thing_has_collapsed() {
    let several = |rows: &[Row]| score(rows, &few()).unwrap().collapsed;
    assert!(several(&[class("yes", "no"), class("no", "no")]));
    assert!(!several(&[class("no", "no"), class("no", "no")]));
    assert!(several(&[tags("O B-A", "O O", 0)]));
    assert!(several(&[labels("a", "b"), labels("c", "b")]));
    assert!(several(&[choice(0, 1, 2), choice(1, 1, 2)]));
    assert!(several(&[
        answer(&["x"], "z", 1.0),
        answer(&["y"], "z", 1.0)
    ]));
    assert!(several(&[
        numbers(&[1.0], &[0.5]),
        numbers(&[2.0], &[0.501])
    ]));
}

#[test]
fn tags_are_scored_by_entities_or_by_words() {
    let rows = [
        tags("O O O B-M I-M I-M O", "O O B-M I-M I-M I-M O", 1),
        tags("B-PER I-PER O", "B-PER I-PER O", 0),
    ];
    let scores = score(&rows, &few()).unwrap();
    assert_eq!(scores.main, "f1");
    assert_eq!(value(&scores, "f1"), 0.5);
    assert_eq!(value(&scores, "accuracy"), 0.8);
    // Five of ten words are O.
    assert_eq!(baseline(&scores, "accuracy"), 0.5);
    assert!(scores.notes[0].starts_with("1 of 10 words were not read"));
    let scores = score(&[tags("NOUN VERB", "NOUN NOUN", 0)], &few()).unwrap();
    assert_eq!(scores.main, "accuracy");
    assert_eq!(value(&scores, "accuracy"), 0.5);
}

#[test]
fn the_best_constant_tag_is_found_as_by_trying_all() {
    let truth = ["B-A O B-A", "B-B I-B", "I-A I-A", "B-A", "O"];
    let rows: Vec<Row> = truth.iter().map(|tags_| tags(tags_, tags_, 0)).collect();
    let scores = score(&rows, &few()).unwrap();
    let mut best = vec![0.0_f64; scores.scores.len()];
    for tag in ["O", "B-A", "I-A", "B-B", "I-B"] {
        let constant = |text: &str| vec![tag; text.split_whitespace().count()].join(" ");
        let rows: Vec<Row> = truth.iter().map(|t| tags(t, &constant(t), 0)).collect();
        for (best, score) in best.iter_mut().zip(score(&rows, &few()).unwrap().scores) {
            *best = best.max(score.value.unwrap());
        }
    }
    let found: Vec<f64> = scores.scores.iter().map(|s| s.baseline.unwrap()).collect();
    assert_eq!(found, best);
}

#[test]
fn numbers_have_means_over_targets() {
    let rows = [
        numbers(&[1.0, 4.0], &[1.0, 1.0]),
        numbers(&[2.0, 5.0], &[2.0, 1.0]),
        numbers(&[4.0, 7.0], &[4.0, 1.0]),
    ];
    let scores = score(&rows, &few()).unwrap();
    let close = (value(&scores, "pearson_1") - 1.0).abs();
    assert!(close < 1e-15);
    // The second target's predictions are constant: no correlation, and no mean.
    assert_eq!(scores.get("pearson_2").unwrap().value, None);
    assert_eq!(scores.main().unwrap().value, None);
    assert!(scores.notes[0].starts_with("undefined on these examples: pearson, spearman"));
    assert!(!scores.get("mse_1").unwrap().higher_is_better);
    assert_eq!(baseline(&scores, "r2"), 0.0);
}

#[test]
fn questions_are_scored_by_the_version_of_their_file() {
    let old = score(&[answer(&["the cat"], "cat", -1.0)], &few()).unwrap();
    assert_eq!(value(&old, "exact_match"), 100.0);
    let rows = [
        answer(&["cat"], "cat", 1.0),
        answer(&[], "dog", 2.0),
        answer(&["fox"], "fox", -1.0),
    ];
    let new = score(&rows, &few()).unwrap();
    assert!((value(&new, "f1") - 200.0 / 3.0).abs() < 1e-12);
    assert_eq!(value(&new, "best_f1"), 100.0);
    assert_eq!(new.fact("best_f1_thresh"), Some(1.0));
    assert_eq!(value(&new, "HasAns_exact"), 50.0);
    assert_eq!(baseline(&new, "NoAns_f1"), 100.0);
    let tuned = ScoreOptions {
        no_answer_threshold: new.fact("best_f1_thresh"),
        ..few()
    };
    assert_eq!(value(&score(&rows, &tuned).unwrap(), "f1"), 100.0);
}

#[test]
fn chance_stands_beside_choices() {
    let scores = score(&[choice(0, 0, 2), choice(3, 1, 4)], &few()).unwrap();
    assert_eq!(value(&scores, "accuracy"), 0.5);
    assert_eq!(baseline(&scores, "accuracy"), 0.375);
}

#[test]
fn intervals_hold_the_score_and_repeat() {
    let rows: Vec<Row> = (0..60)
        .map(|i| {
            class(
                if i % 2 == 0 { "yes" } else { "no" },
                if i % 3 == 0 { "no" } else { "yes" },
            )
        })
        .collect();
    let first = score(&rows, &ScoreOptions::default()).unwrap();
    assert_eq!(first, score(&rows, &ScoreOptions::default()).unwrap());
    for score in &first.scores {
        let (low, high) = score.interval.unwrap();
        let value = score.value.unwrap();
        assert!(low < value && value < high, "{score:?}");
    }
    // Of a share p the deviation is √(p(1 − p)/n), so the interval is some 3.92 of them wide. A tenth is
    // what a thousand draws leave open, and steps of 1/60.
    let accuracy = first.get("accuracy").unwrap();
    let (low, high) = accuracy.interval.unwrap();
    let p = accuracy.value.unwrap();
    let expected = 3.92 * (p * (1.0 - p) / 60.0).sqrt();
    assert!(
        (high - low - expected).abs() < 0.2 * expected,
        "{low} {high} {expected}"
    );
    let none = ScoreOptions {
        resamples: 0,
        ..few()
    };
    assert_eq!(score(&rows, &none).unwrap().scores[0].interval, None);
}

#[test]
fn what_cannot_be_scored_is_refused_with_numbers() {
    assert!(matches!(score(&[], &few()), Err(MetricsError::Empty)));
    let mut bare = class("yes", "yes");
    if let Row::Class(row) = &mut bare {
        row.label = None;
    }
    let message =
        |rows: &[Row], options: &ScoreOptions| score(rows, options).unwrap_err().to_string();
    assert!(
        message(&[class("no", "no"), bare], &few()).starts_with("1 of 2 examples have no target")
    );
    assert!(
        message(&[class("no", "no"), choice(0, 0, 1)], &few())
            .contains("a row of choice among rows of class")
    );
    assert!(
        message(&[tags("O O", "O", 0)], &few()).contains("2 words, 2 tags and 1 predicted tags")
    );
    for unread in [3, usize::MAX] {
        let rows = [tags("O O", "O O", 1), tags("O O", "O O", unread)];
        let expected = format!("{unread} of 2 words were not read");
        assert!(message(&rows, &few()).contains(&expected));
    }
    assert!(message(&[numbers(&[1.0], &[f64::NAN])], &few()).contains("not finite"));
    let main = ScoreOptions {
        main: Some("bleu".to_owned()),
        ..few()
    };
    assert!(
        message(&[class("no", "no")], &main)
            .contains("there is no score bleu here; choose one of accuracy")
    );
    let positive = ScoreOptions {
        positive: Some("maybe".to_owned()),
        ..few()
    };
    assert!(message(&[class("no", "no")], &positive).contains("maybe is none of no, yes"));
}

#[test]
fn scores_survive_their_file() {
    let scores = score(&[class("yes", "no"), class("no", "no")], &few()).unwrap();
    let text = serde_json::to_string(&scores).unwrap();
    assert_eq!(serde_json::from_str::<Scores>(&text).unwrap(), scores);
}
