//! Scores against those of scikit-learn, SciPy, seqeval and SQuAD's scorer, as
//! `scripts/check_metrics.py` has written them.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where a fixture is not as written"
)]

use std::path::Path;

use kiln_metrics::rows::{AnswerRow, ClassRow, LabelsRow, NumbersRow, Row, TagsRow};
use kiln_metrics::{ScoreOptions, Scores, score};
use serde_json::Value;

/// Sums of at most a few hundred terms in another order: each adds half a unit in the last place, 1e-16
/// of the sum, and a correlation near 0 is what is left of terms near 1.
const BOUND: f64 = 1e-12;

fn cases(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.json"));
    let text = std::fs::read_to_string(path).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let cases = file["cases"].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn options() -> ScoreOptions {
    ScoreOptions {
        resamples: 0,
        ..ScoreOptions::default()
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn name(number: &Value) -> String {
    format!("c{number}")
}

fn names(numbers: &Value) -> Vec<String> {
    list(numbers).iter().map(name).collect()
}

fn assert_same(what: &str, found: Option<f64>, expected: &Value, case: &Value) {
    let same = match (found, expected.as_f64()) {
        (Some(found), Some(expected)) => {
            (found - expected).abs() <= BOUND * expected.abs().max(1.0)
        }
        (None, None) => expected.is_null(),
        _ => false,
    };
    assert!(same, "{what}: {found:?} for {expected}: {case}");
}

fn assert_scores(scores: &Scores, case: &Value, names: &[&str]) {
    for name in names {
        // A score that the case lacks is no undefined one.
        let expected = case.get(*name);
        assert!(expected.is_some(), "{name}: {case}");
        let found = scores.get(name).unwrap().value;
        assert_same(name, found, expected.unwrap(), case);
    }
}

/// Rows of a case's pairs of target and prediction, scored with all its labels.
fn scored(case: &Value, count: &str, row: impl Fn((&Value, &Value)) -> Row) -> Scores {
    let labels = (0..case[count].as_u64().unwrap()).map(|label| format!("c{label}"));
    let pairs = list(&case["target"]).iter().zip(list(&case["predicted"]));
    let rows: Vec<Row> = pairs.map(row).collect();
    let options = ScoreOptions {
        labels: labels.collect(),
        ..options()
    };
    score(&rows, &options).unwrap()
}

#[test]
fn classes_score_as_by_scikit_learn() {
    for case in cases("classes") {
        let scores = scored(&case, "classes", |(target, prediction)| {
            Row::Class(ClassRow {
                id: String::new(),
                label: Some(name(target)),
                prediction: name(prediction),
                probabilities: Vec::new(),
            })
        });
        assert_scores(&scores, &case, &["accuracy", "f1_macro", "f1_micro", "mcc"]);
        let classes = case["classes"].as_u64().unwrap() as usize;
        assert_eq!(scores.per_class.len(), classes, "{case}");
        for of_class in ["f1", "precision", "recall"] {
            assert_eq!(list(&case[of_class]).len(), classes, "{of_class}: {case}");
        }
        for (class, found) in scores.per_class.iter().enumerate() {
            assert_same("f1", Some(found.f1), &case["f1"][class], &case);
            assert_same(
                "precision",
                found.precision,
                &case["precision"][class],
                &case,
            );
            assert_same("recall", found.recall, &case["recall"][class], &case);
        }
        let binary = scores.get("f1");
        assert_eq!(binary.is_some(), classes == 2, "{case}");
        if let Some(binary) = binary {
            assert_same("binary f1", binary.value, &case["f1"][1], &case);
        }
    }
}

#[test]
fn labels_score_as_by_scikit_learn() {
    for case in cases("labels") {
        let scores = scored(&case, "labels", |(targets, predictions)| {
            Row::Labels(LabelsRow {
                id: String::new(),
                labels: Some(names(targets)),
                predictions: names(predictions),
                probabilities: Vec::new(),
            })
        });
        assert_scores(&scores, &case, &["f1_micro", "f1_macro", "exact_match"]);
    }
}

#[test]
fn numbers_score_as_by_scipy_and_scikit_learn() {
    for case in cases("numbers") {
        let pairs = list(&case["target"]).iter().zip(list(&case["predicted"]));
        let rows: Vec<Row> = pairs
            .map(|(target, prediction)| {
                Row::Numbers(NumbersRow {
                    id: String::new(),
                    targets: Some(vec![target.as_f64().unwrap()]),
                    predictions: vec![prediction.as_f64().unwrap()],
                })
            })
            .collect();
        let scores = score(&rows, &options()).unwrap();
        assert_scores(&scores, &case, &["pearson", "spearman", "mse", "mae", "r2"]);
    }
}

#[test]
fn tags_score_as_by_seqeval() {
    let split = |tags: &Value| -> Vec<String> {
        tags.as_str()
            .unwrap()
            .split(' ')
            .map(str::to_owned)
            .collect()
    };
    for case in cases("tags") {
        let pairs = list(&case["target"]).iter().zip(list(&case["predicted"]));
        let rows: Vec<Row> = pairs
            .map(|(tags, predictions)| {
                Row::Tags(TagsRow {
                    id: String::new(),
                    words: split(tags),
                    tags: Some(split(tags)),
                    predictions: split(predictions),
                    unread: 0,
                })
            })
            .collect();
        let scores = score(&rows, &options()).unwrap();
        let names = [
            "precision",
            "recall",
            "f1",
            "precision_strict",
            "recall_strict",
            "f1_strict",
            "f1_macro",
            "accuracy",
        ];
        assert_scores(&scores, &case, &names);
    }
}

fn answer_row(question: &Value) -> Row {
    let answers = list(&question["answers"]).iter();
    let best = question["best"].as_str().unwrap();
    Row::Answer(AnswerRow {
        id: question["id"].as_str().unwrap().to_owned(),
        answers: Some(answers.map(|a| a.as_str().unwrap().to_owned()).collect()),
        prediction: best.to_owned(),
        best_non_empty: best.to_owned(),
        null_odds: question["odds"].as_f64().unwrap(),
        n_best: Vec::new(),
    })
}

#[test]
fn answers_score_as_by_the_official_scorers() {
    for case in cases("answers") {
        let rows: Vec<Row> = list(&case["questions"]).iter().map(answer_row).collect();
        let asked = ScoreOptions {
            no_answer_threshold: case["threshold"].as_f64(),
            ..options()
        };
        let scores = score(&rows, &asked).unwrap();
        let result = case["result"].as_object().unwrap();
        for (name, expected) in result {
            let found = match scores.get(name) {
                Some(score) => score.value,
                None => scores.fact(name),
            };
            assert_same(name, found, expected, &case);
        }
        let reported = scores.scores.len() + scores.facts.len();
        assert_eq!(reported, result.len(), "{case}");

        let answered: Vec<Row> = list(&case["questions"])
            .iter()
            .filter(|question| !list(&question["answers"]).is_empty())
            .map(answer_row)
            .collect();
        if !answered.is_empty() {
            let scores = score(&answered, &options()).unwrap();
            assert_scores(&scores, &case["first_version"], &["exact_match", "f1"]);
        }
    }
}
