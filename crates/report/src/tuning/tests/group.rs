//! The page of several runs of one task.

use std::fs;

use kiln_metrics::{ScoreOptions, compare, over_runs};
use serde_json::json;

use super::fixture::*;
use super::{TOPICS, between, check_html, page, rows};
use crate::tuning::write_comparison;
use kiln_tasks::labelled::RunKind;

#[test]
fn seeds_have_a_mean_a_spread_and_a_line_each() {
    let folder = tempfile::tempdir().unwrap();
    let group = folder.path().join("topics");
    let names = ["seed-1", "seed-2", "seed-3", "seed-4"];
    let of = |seed| settings("classify", "single-label", &TOPICS, seed);
    write_group(
        &group,
        &[
            (names[0], of(1)),
            (names[1], of(2)),
            (names[2], of(3)),
            (names[3], of(4)),
        ],
    );
    let mut scored = Vec::new();
    for (seed, name) in (1..).zip(&names[..2]) {
        let rows = classes(&TOPICS, 60, 6, seed as usize);
        let scores = write_run(
            &group.join(name),
            &of(seed),
            &rows,
            &metrics(seed, &["accuracy"]),
        );
        scored.push(((*name).to_owned(), scores));
    }
    // The third says the same of everything, the fourth has not begun.
    let same = (1..=60)
        .map(|id| class(id, TOPICS[id % 3], "news", 0.8, &TOPICS))
        .collect::<Vec<_>>();
    let scores = write_run(
        &group.join("seed-3"),
        &of(3),
        &same,
        &metrics(3, &["accuracy"]),
    );
    scored.push(("seed-3".to_owned(), scores));
    let summary = over_runs(&scored).unwrap();
    let unfinished = page(&group);
    fs::write(
        group.join("scores.json"),
        json!({"cells": [{"name": "", "summary": summary}], "best": "seed-1"}).to_string(),
    )
    .unwrap();
    assert_eq!(RunKind::of(&group).unwrap(), RunKind::Group);
    let page = page(&group);
    check_html(&page);
    assert_eq!(
        rows(&page, "Over runs"),
        rows(&unfinished, "Over runs"),
        "summed up all the same"
    );
    let table = rows(&page, "Over runs");
    let number = crate::number::score;
    let main = summary.get("accuracy").unwrap();
    assert_eq!(
        table[1],
        format!(
            "accuracy|{}|{}|{}|{}|{}|–|0.3333",
            number(main.mean.unwrap()),
            number(main.deviation.unwrap()),
            number(main.median.unwrap()),
            number(main.min.unwrap()),
            number(main.max.unwrap())
        )
    );
    let runs = &table[table.len() - 4..];
    assert!(
        runs[0].starts_with("seed-1|1|") && runs[0].ends_with("|60|finished"),
        "{}",
        runs[0]
    );
    assert!(
        runs[2].ends_with("|60|collapsed: one answer for all"),
        "{}",
        runs[2]
    );
    assert_eq!(runs[3], "seed-4|4|–|–|–|–|not begun");
    assert!(page.contains("<a href=\"./seed-1/report.html\">seed-1</a>"));
    assert!(group.join("seed-3/report.html").is_file() && !group.join("seed-4").exists());
    assert!(page.contains("1 of 3 runs: seed-3"), "which collapsed");
    for name in &names[..3] {
        assert!(
            page.contains(&format!("{name}, step 60:")),
            "the curve of {name}"
        );
    }
    let commands = between(&page, "<h2>Commands</h2>", "</section>");
    assert!(commands.contains("kiln resume") && commands.contains("topics/seed-1 --data"));
}

#[test]
fn what_all_seeds_have_wrong_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let group = folder.path().join("topics");
    let of = |seed| settings("classify", "single-label", &TOPICS, seed);
    write_group(&group, &[("seed-1", of(1)), ("seed-2", of(2))]);
    let first = [
        class(1, "news", "weather", 0.6, &TOPICS),
        class(2, "news", "weather", 0.99, &TOPICS),
        class(3, "news", "news", 0.9, &TOPICS),
    ];
    let second = [
        class(1, "news", "<sports>", 0.8, &TOPICS),
        class(2, "news", "news", 0.99, &TOPICS),
        class(3, "news", "news", 0.9, &TOPICS),
    ];
    write_run(
        &group.join("seed-1"),
        &of(1),
        &first,
        &metrics(1, &["accuracy"]),
    );
    write_run(
        &group.join("seed-2"),
        &of(2),
        &second,
        &metrics(2, &["accuracy"]),
    );
    let of_both = page(&group);
    assert_eq!(
        rows(&of_both, "Most wrong")[1..],
        [
            "1|2 of 2|news|&lt;sports&gt;|0.8000|0.1000",
            "2|1 of 2|news|weather|0.9900|0.0050"
        ]
    );
    assert!(of_both.contains("All 2 runs have 1 of 3 examples wrong"));
    // On other examples nothing can be said of all runs.
    write_run(
        &group.join("seed-2"),
        &of(2),
        &second[1..],
        &metrics(2, &["accuracy"]),
    );
    assert!(!page(&group).contains("Most wrong"));
}

#[test]
fn folds_are_scored_together() {
    let folder = tempfile::tempdir().unwrap();
    let group = folder.path().join("folds");
    let of = |fold: u64| {
        let mut settings = settings("classify", "single-label", &TOPICS, 1);
        settings["data"]["development"] =
            json!({"kind": "fold", "fold": fold, "folds": 2, "seed": 1});
        settings
    };
    write_group(&group, &[("fold-1", of(0)), ("fold-2", of(1))]);
    let rows_of = classes(&TOPICS, 60, 6, 0);
    let (a, b) = rows_of.split_at(30);
    let scored = [
        (
            "fold-1".to_owned(),
            write_run(&group.join("fold-1"), &of(0), a, &metrics(1, &["accuracy"])),
        ),
        (
            "fold-2".to_owned(),
            write_run(&group.join("fold-2"), &of(1), b, &metrics(2, &["accuracy"])),
        ),
    ];
    let all = folder.path().join("all");
    let together = write_run(&all, &of(0), &rows_of, &metrics(1, &[]));
    write_rows(&group.join("predictions.jsonl"), &rows_of);
    let summary = over_runs(&scored).unwrap();
    let split = json!({"name": "", "predictions": "predictions.jsonl", "scores": together});
    let cell = json!({"name": "", "summary": summary, "splits": [split]});
    let file = json!({"cells": [cell], "best": "fold-1"});
    fs::write(group.join("scores.json"), file.to_string()).unwrap();
    let (of_folds, of_all) = (page(&group), page(&all));
    check_html(&of_folds);
    assert_eq!(
        rows(&of_folds, "Scores out of fold"),
        rows(&of_all, "Scores")
    );
    assert_eq!(rows(&of_folds, "Classes"), rows(&of_all, "Classes"));
    assert_eq!(rows(&of_folds, "Most wrong"), rows(&of_all, "Most wrong"));
    assert!(of_folds.contains("Accuracy, out of fold"));
    let runs = rows(&of_folds, "Over runs");
    assert_eq!(
        runs[runs.len() - 2].split('|').count(),
        6,
        "folds alone are no column of settings"
    );
}

#[test]
fn runs_before_and_after_adapting_are_not_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let group = folder.path().join("adapted");
    let of = |seed| settings("classify", "single-label", &TOPICS, seed);
    let names = [
        "before_seed-1",
        "before_seed-2",
        "after_seed-1",
        "after_seed-2",
    ];
    let runs = names.iter().zip([1, 2, 1, 2]).map(|(name, seed)| {
        let is_adapted = name.starts_with("after");
        json!({"name": name, "settings": of(seed), "adapted": is_adapted})
    });
    let config = json!({
        "adapt": {"pretrain": ["bert"], "devices": ["flex"]},
        "runs": runs.collect::<Vec<_>>(),
    });
    fs::create_dir_all(&group).unwrap();
    fs::write(group.join("config.json"), config.to_string()).unwrap();
    let mut scored = Vec::new();
    let mut said = Vec::new();
    for (name, (seed, every)) in names.iter().zip([(1, 3), (2, 3), (1, 9), (2, 9)]) {
        let rows = classes(&TOPICS, 90, every, seed as usize);
        let own = group.join(name);
        let scores = write_run(&own, &of(seed), &rows, &metrics(seed, &["accuracy"]));
        scored.push(((*name).to_owned(), scores));
        said.push(rows);
    }
    let unfinished = page(&group);
    assert!(!unfinished.contains("Before and after adapting"));
    let (before, after) = (
        over_runs(&scored[..2]).unwrap(),
        over_runs(&scored[2..]).unwrap(),
    );
    let options = ScoreOptions {
        labels: TOPICS.map(str::to_owned).to_vec(),
        main: Some("accuracy".to_owned()),
        resamples: 100,
        ..ScoreOptions::default()
    };
    let pairs = [0, 1].map(|seed| {
        let test = compare(&said[seed], &said[seed + 2], &options).unwrap();
        json!({"name": format!("seed-{}", seed + 1), "tests": [test]})
    });
    let scores = json!({
        "adapted": {"run": "adapted", "checkpoint": "adapted/checkpoints/step-4", "step": 4},
        "before": before,
        "after": after,
        "comparisons": [{
            "name": "", "main": "accuracy", "pairs": pairs,
            "scores": [{"name": "accuracy", "before": 0.6, "after": 0.85, "difference": 0.25,
                        "p_value": 0.004}],
        }],
        "best": "after_seed-1",
    });
    fs::write(group.join("scores.json"), scores.to_string()).unwrap();
    let page = page(&group);
    check_html(&page);
    assert_eq!(
        rows(&page, "Before and after adapting"),
        [
            "score|before|after|difference|p of the difference",
            "accuracy|0.6000|0.8500|+0.2500|0.004"
        ]
    );
    assert!(page.contains("on 90 examples; the means of 2 seeds, and twice the mean of their p"));
    assert!(page.contains("0.6000 before, 0.8500 after; p 0.004"));
    // The same while scores.json is missing: each side by itself.
    let table = rows(&page, "Over runs");
    assert_eq!(table, rows(&unfinished, "Over runs"));
    let number = crate::number::score;
    for (summary, title) in [(&before, "before"), (&after, "after")] {
        assert!(page.contains(&format!("Scores over runs, {title}")));
        let spread = summary.get("accuracy").unwrap();
        let mean = number(spread.mean.unwrap());
        let start = format!("accuracy|{mean}|{}|", number(spread.deviation.unwrap()));
        assert!(
            table.iter().any(|row| row.starts_with(&start)),
            "{start}: {table:?}"
        );
    }
    assert!(page.contains("All 2 runs from the adapted model have "));
    let commands = between(&page, "<h2>Commands</h2>", "</section>");
    assert!(
        commands.contains("adapted/after_seed-1 --data"),
        "{commands}"
    );

    // Beside another run each side is a column's row of its own.
    let alone = folder.path().join("alone");
    write_run(&alone, &of(1), &said[0], &metrics(1, &["accuracy"]));
    let compared = read(write_comparison(&[alone, group], None).unwrap());
    check_html(&compared);
    let scores = rows(&compared, "Scores");
    for side in ["before", "after"] {
        let start = format!("accuracy, {side}|–|");
        assert!(
            scores.iter().any(|row| row.starts_with(&start)),
            "{scores:?}"
        );
    }
}
