//! Runs beside each other.

use serde_json::json;

use super::fixture::*;
use super::{TOPICS, check_html, rows};
use crate::tuning::write_comparison;

#[test]
fn runs_on_the_same_examples_are_tested() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    let of = |seed| settings("classify", "single-label", &TOPICS, seed);
    let right = classes(&TOPICS, 90, 2000, 0);
    let often_wrong = classes(&TOPICS, 90, 3, 0);
    write_run(&a, &of(1), &often_wrong, &metrics(1, &["accuracy"]));
    let mut better = of(2);
    better["training"]["optimizer"]["learning_rate"] = json!(3e-5);
    write_run(&b, &better, &right, &metrics(2, &["accuracy"]));
    let runs = [a.clone(), b.clone()];
    let path = write_comparison(&runs, None).unwrap();
    assert_eq!(path, a.join("compare.html"));
    let page = read(path);
    check_html(&page);
    let test = rows(&page, "Paired test");
    assert!(test[1].starts_with("b|1.0000|+0."), "{test:?}");
    assert!(test[1].contains("|below 0.001|better|0|"), "{test:?}");
    let differing = rows(&page, "What differs in their settings");
    assert_eq!(
        differing,
        [
            "setting|a|b",
            "training.seed|1|2",
            "training.optimizer.learning_rate|0.0001|0.00003"
        ]
    );
    let apart = rows(&page, "Answered differently");
    assert_eq!(
        apart.len(),
        13,
        "a head and the twelve that are furthest apart"
    );
    assert_eq!(page.matches("b, step 60:").count(), 2, "score and loss");
    let elsewhere = folder.path().join("F.html");
    assert_eq!(
        write_comparison(&runs, Some(&elsewhere)).unwrap(),
        elsewhere
    );
    assert!(read(elsewhere).contains("--output"));
}

#[test]
fn runs_on_other_examples_are_shown_without_a_test() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let of = |seed| settings("classify", "single-label", &TOPICS, seed);
    let some = classes(&TOPICS, 30, 6, 0);
    write_run(&path("a"), &of(1), &some, &metrics(1, &["accuracy"]));
    write_run(
        &path("fewer"),
        &of(1),
        &some[..20],
        &metrics(1, &["accuracy"]),
    );
    let mut other = of(1);
    other["data"]["development"]["identity"][0]["sha256"] = json!("33");
    write_run(
        &path("other-file"),
        &other,
        &some,
        &metrics(1, &["accuracy"]),
    );
    begin_run(&path("at-work"), &of(1), &metrics(1, &["accuracy"]));
    write_group(&path("seeds"), &[("seed-1", of(1))]);
    write_run(
        &path("seeds/seed-1"),
        &of(1),
        &some,
        &metrics(1, &["accuracy"]),
    );
    let runs = ["a", "fewer", "other-file", "at-work", "seeds"].map(path);
    let page = read(write_comparison(&runs, None).unwrap());
    check_html(&page);
    for note in [
        "fewer is not tested against a: one run has 30 examples, the other 20",
        "other-file is not tested against a: a and other-file were scored on different files",
        "at-work is not tested against a: at-work has no predictions yet",
        "seeds is not tested against a: seeds is several runs with predictions of their own",
    ] {
        assert!(page.contains(note), "{note}");
    }
    assert!(!page.contains("example by example") && !page.contains("Answered differently"));
    assert_eq!(
        rows(&page, "Scores")[0],
        "score|a|fewer|other-file|at-work|seeds"
    );
    assert!(
        page.contains("seeds/seed-1"),
        "the curves of a group's runs"
    );
}

#[test]
fn what_can_not_be_compared_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    begin_run(
        &path("a"),
        &settings("classify", "single-label", &TOPICS, 1),
        &metrics(1, &[]),
    );
    begin_run(
        &path("tags"),
        &settings("tag", "tags", &["O"], 1),
        &metrics(1, &[]),
    );
    let pretrained = serde_json::to_value(crate::tests::settings(5)).unwrap();
    begin_run(&path("pretrained"), &pretrained, "");
    for (runs, problem) in [
        (vec!["a"], "pass two runs or more"),
        (vec!["a", "tags"], "not a run of the task of"),
        (vec!["a", "pretrained"], "a pretraining run"),
        (vec!["a", "nothing"], "no run in this folder"),
    ] {
        let runs: Vec<_> = runs.into_iter().map(path).collect();
        let error = write_comparison(&runs, None).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    assert!(!path("a").join("compare.html").exists());
}

#[test]
fn runs_of_one_name_are_called_by_their_paths() {
    let folder = tempfile::tempdir().unwrap();
    let runs = ["x/run", "y/run"].map(|name| folder.path().join(name));
    for run in &runs {
        let rows = classes(&TOPICS, 30, 6, 0);
        let settings = settings("classify", "single-label", &TOPICS, 1);
        write_run(run, &settings, &rows, &metrics(1, &["accuracy"]));
    }
    let page = read(write_comparison(&runs, None).unwrap());
    let head = &rows(&page, "Scores")[0];
    assert!(head.contains("x/run|") && head.ends_with("y/run"), "{head}");
    assert!(page.contains("All settings are the same."));
    let test = rows(&page, "Paired test");
    assert!(
        test[1].contains("|0.0000|0.0000 to 0.0000|1.000|not told apart from chance|0|0|1.000"),
        "{test:?}"
    );
}
