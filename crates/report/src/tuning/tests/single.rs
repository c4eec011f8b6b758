//! A run's page.

use std::fs;

use kiln_learner::RunFolder;
use kiln_tasks::labelled::RunKind;
use serde_json::json;

use super::fixture::*;
use super::{TOPICS, check_html, page, rows};
use crate::error::ReportError;
use crate::tuning::write_tuning_report;

#[test]
fn a_run_shows_its_score_beside_its_interval_and_what_it_is_held_against() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("<b>topics");
    let settings = settings("classify", "single-label", &TOPICS, 1);
    let scores = write_run(
        &run,
        &settings,
        &classes(&TOPICS, 90, 7, 0),
        &metrics(1, &["accuracy", "mcc"]),
    );
    assert_eq!(RunKind::of(&run).unwrap(), RunKind::FineTuning);
    let page = page(&run);
    check_html(&page);
    let main = scores.main().unwrap();
    let (low, high) = main.interval.unwrap();
    let number = crate::number::score;
    let expected = format!(
        "{}|{}|{} to {}|0.3333",
        main.name,
        number(main.value.unwrap()),
        number(low),
        number(high)
    );
    assert_eq!(rows(&page, "Scores")[1], expected);
    assert!(
        page.contains("classify: one of 3 labels · bert: 2 layers of width 128"),
        "{page}"
    );
    assert!(page.contains("from models/&lt;first&gt;"));
    assert!(page.contains("status good\">finished"));
    for chart in [
        "Development scores",
        "Matthews correlation",
        "Loss",
        "Optimisation",
    ] {
        assert!(page.contains(chart), "{chart} is missing");
    }
    assert!(
        page.contains("best single answer for all: 0.3333"),
        "in the chart's legend"
    );
    assert!(page.contains(">training.seed</th>") || page.contains(">seed</th>"));
    assert!(
        page.contains("--data &#39;/data/my dev.csv&#39;"),
        "the command to evaluate"
    );
    assert!(page.contains("kiln predict classify --model"));
    assert!(!page.contains("kiln resume"), "the run has ended");
}

#[test]
fn wrong_classes_come_by_the_probability_of_the_wrong_answer() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let rows_of = [
        class(1, "news", "weather", 0.6, &TOPICS),
        class(2, "news", "news", 0.99, &TOPICS),
        class(3, "<sports>", "news", 0.9, &TOPICS),
    ];
    write_run(
        &run,
        &settings("classify", "single-label", &TOPICS, 1),
        &rows_of,
        &metrics(1, &[]),
    );
    let page = page(&run);
    assert_eq!(
        rows(&page, "Most wrong")[1..],
        [
            "3|&lt;sports&gt;|news|0.9000|0.0500",
            "1|news|weather|0.6000|0.2000"
        ]
    );
    assert!(page.contains("2 of 3 are wrong"));
    let classes = rows(&page, "Classes");
    assert_eq!(classes[1], "news|0.5000|0.5000|0.5000|2|2");
    assert_eq!(classes[3], "weather|0.0000|undefined|0.0000|0|1");
    // The confusion table: by name, as there are few.
    assert_eq!(classes[4], "is ↓ predicted →|news|&lt;sports&gt;|weather");
    assert_eq!(classes[5], "news|1||1");
}

#[test]
fn a_label_given_or_missed_with_confidence_is_the_worst() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let names = ["a", "b", "c"];
    let rows_of = [
        labels("x", &["a"], &[("a", 0.9), ("b", 0.7), ("c", 0.1)]),
        labels("y", &["c"], &[("a", 0.1), ("b", 0.2), ("c", 0.05)]),
        labels("z", &[], &[("a", 0.1), ("b", 0.1), ("c", 0.1)]),
    ];
    write_run(
        &run,
        &settings("classify", "multi-label", &names, 1),
        &rows_of,
        &metrics(1, &[]),
    );
    assert_eq!(
        rows(&page(&run), "Most wrong")[1..],
        ["y|c|none|not c (0.9500)", "x|a|a, b|b (0.7000)"]
    );
}

#[test]
fn the_greatest_error_of_a_number_is_the_worst() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let rows_of = [
        numbers("1", 2.0, 2.5),
        numbers("2", 3.0, 3.0),
        numbers("3", 4.0, 1.0),
    ];
    let scores = write_run(
        &run,
        &settings("regress", "regression", &[], 1),
        &rows_of,
        &metrics(1, &["pearson"]),
    );
    let page = page(&run);
    check_html(&page);
    assert_eq!(
        rows(&page, "Most wrong")[1..],
        ["3|4.000|1.000|-3.000", "1|2.000|2.500|0.5000"]
    );
    // A constant has no correlation.
    let pearson = scores.get("pearson").unwrap();
    assert_eq!(pearson.baseline, None);
    assert!(
        rows(&page, "Scores")[1].ends_with("|undefined"),
        "{:?}",
        rows(&page, "Scores")
    );
    assert!(page.contains("mse (lower is better)"));
}

#[test]
fn an_undefined_score_is_printed_as_undefined() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let rows_of = [numbers("1", 2.0, 1.0), numbers("2", 3.0, 1.0)];
    write_run(
        &run,
        &settings("regress", "regression", &[], 1),
        &rows_of,
        &metrics(1, &[]),
    );
    let page = page(&run);
    assert!(rows(&page, "Scores")[1].starts_with("pearson|undefined|–|"));
    assert!(page.contains("<span class=\"value\">undefined</span>"));
    assert!(page.contains("Collapsed"), "one answer for all");
}

#[test]
fn the_sentence_with_the_most_wrong_words_has_them_marked() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let long = vec!["w"; 100].join(" ");
    let outside = vec!["O"; 100].join(" ");
    let rows_of = [
        tags(
            "1",
            "Anna <b>saw Rome",
            "B-PER O B-LOC",
            "B-PER B-LOC B-LOC",
        ),
        tags("2", "in New York", "O B-LOC I-LOC", "O B-PER I-PER"),
        tags(
            "3",
            &long,
            &outside,
            &format!("{} B-LOC", vec!["O"; 99].join(" ")),
        ),
    ];
    write_run(
        &run,
        &settings("tag", "tags", &["O", "B-LOC", "I-LOC", "B-PER", "I-PER"], 1),
        &rows_of,
        &metrics(1, &["f1"]),
    );
    let page = page(&run);
    check_html(&page);
    let worst = rows(&page, "Most wrong");
    assert_eq!(worst[1], "2|2 of 3|in New B-LOC → B-PER York I-LOC → I-PER");
    assert_eq!(worst[2], "1|1 of 3|Anna &lt;b&gt;saw O → B-LOC Rome");
    assert!(worst[3].starts_with("3|1 of 100|… w "), "{}", worst[3]);
    assert!(worst[3].ends_with("w O → B-LOC"), "{}", worst[3]);
    assert!(page.contains("Numbers count words"));
}

#[test]
fn answers_without_a_right_word_come_by_their_probability() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let rows_of = [
        answer("q1", &["the red house", "red house"], "a blue boat", 0.4),
        answer("q2", &["the red house"], "house", 0.9),
        answer("q3", &["1999"], "2001", 0.8),
        answer("q4", &[], "a boat", 0.7),
        answer("q5", &[], "", 0.6),
        answer("q6", &["the"], "", 0.5),
    ];
    let mut settings = settings("qa", "span", &[], 1);
    settings["task"]["search"] = json!({"n_best": 20, "max_answer_tokens": 30, "allow_no_answer": true,
                                        "null_threshold": 0.0});
    write_run(&run, &settings, &rows_of, &metrics(1, &["f1", "exact"]));
    let page = page(&run);
    check_html(&page);
    assert_eq!(
        rows(&page, "Most wrong")[1..],
        [
            "q3|1999|2001|0.8000",
            "q4|no answer|a boat|0.7000",
            "q6|the|no answer|0.5000",
            "q1|the red house / red house|a blue boat|0.4000"
        ]
    );
    assert!(page.contains("4 of 6 are answered with no word that is right"));
    assert!(page.contains("best_f1_thresh"), "counts and thresholds");
}

#[test]
fn a_run_at_work_shows_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let settings = settings("classify", "single-label", &TOPICS, 1);
    begin_run(&run, &settings, "");
    let error = write_tuning_report(&RunFolder::at(&run)).unwrap_err();
    assert!(matches!(error, ReportError::NoRecords { .. }), "{error:?}");
    let whole = metrics(1, &["accuracy"]);
    let cut = whole.lines().take(30).collect::<Vec<_>>().join("\n");
    begin_run(&run, &settings, &cut);
    let page = page(&run);
    check_html(&page);
    assert!(page.contains("not finished") && page.contains("kiln resume"));
    assert!(page.contains("evaluation at step 20; the run has no scores yet"));
    for heading in ["<h2>Scores", "<h2>Classes", "<h2>Most wrong"] {
        assert!(!page.contains(heading), "{heading}");
    }
}

#[test]
fn a_damaged_scores_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    begin_run(
        &run,
        &settings("classify", "single-label", &TOPICS, 1),
        &metrics(1, &[]),
    );
    fs::write(run.join("scores.json"), "{\"step\": ").unwrap();
    let error = write_tuning_report(&RunFolder::at(&run))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("scores.json: not the scores of a run"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1);
    fs::remove_file(run.join("scores.json")).unwrap();
    fs::write(run.join("predictions.jsonl"), "{}\n").unwrap();
    let error = write_tuning_report(&RunFolder::at(&run))
        .unwrap_err()
        .to_string();
    assert!(error.contains("predictions.jsonl: line 1"), "{error}");
}
