//! Several runs by one command, in combination: what they score setting by setting, and what is predicted out of
//! fold split by split.

use std::path::Path;

use serde_json::Value;

use super::{folder, rows};
use crate::command::{kiln, read_json};

const COMMON: &str = "finetune classify --model first --train topics-train.csv --batch-size 16 \
                      --steps 6 --eval-every 0 --max-len 24";

/// The main score's spread in a summary.
fn spread(summary: &Value) -> &Value {
    let scores = summary["scores"].as_array().unwrap();
    let main = scores.iter().find(|score| score["name"] == summary["main"]);
    main.unwrap()
}

/// Mean and deviation of a sample, by hand.
fn by_hand(values: &[f64]) -> [f64; 2] {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    [mean, (squares / (values.len() - 1) as f64).sqrt()]
}

fn accuracy(run: &Path) -> f64 {
    let scores = read_json(&run.join("scores.json"));
    let scores = scores["scores"]["scores"].as_array().unwrap();
    let accuracy = scores.iter().find(|score| score["name"] == "accuracy");
    accuracy.unwrap()["value"].as_f64().unwrap()
}

#[test]
fn a_grid_is_told_setting_by_setting() {
    let folder = folder("bert");
    let folder = folder.path();
    let flags = "--dev topics-dev.csv --seeds 1..3 --grid lr=0.0001,0.01 --output grid";
    let said = kiln(folder, &format!("{COMMON} {flags}")).ok();
    let scores = read_json(&folder.join("grid/scores.json"));
    let cells = scores["cells"].as_array().unwrap();
    let names: Vec<_> = cells
        .iter()
        .map(|cell| cell["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["lr-0.0001", "lr-0.01"]);
    let mut means = Vec::new();
    for cell in cells {
        let name = cell["name"].as_str().unwrap();
        let run = |seed| accuracy(&folder.join(format!("grid/{name}_seed-{seed}")));
        let expected = by_hand(&[run(1), run(2), run(3)]);
        let found = spread(&cell["summary"]);
        for (field, expected) in ["mean", "deviation"].into_iter().zip(expected) {
            let found = found[field].as_f64().unwrap();
            assert!((found - expected).abs() < 1e-12, "{name} {field}: {found}");
        }
        assert!(said.contains(&format!("\n{name}, 3 runs")), "{said}");
        means.push(expected[0]);
    }
    let best = if means[1] > means[0] {
        "lr-0.01"
    } else {
        "lr-0.0001"
    };
    assert!(
        said.contains(&format!("{best}, 3 runs, best on average")),
        "{said}"
    );
    assert_eq!(said.matches("best on average").count(), 1, "{said}");
    let page = std::fs::read_to_string(folder.join("grid/report.html")).unwrap();
    assert!(page.contains("mean accuracy"), "no table of settings");
}

#[test]
fn folds_of_several_seeds_are_predicted_seed_by_seed() {
    let folder = folder("bert");
    let folder = folder.path();
    let said = kiln(
        folder,
        &format!("{COMMON} --folds 2 --seeds 1,2 --output folds"),
    )
    .ok();
    let scores = read_json(&folder.join("folds/scores.json"));
    let [cell] = scores["cells"].as_array().unwrap().as_slice() else {
        panic!("one setting")
    };
    let splits = cell["splits"].as_array().unwrap();
    assert_eq!(splits.len(), 2);
    let mut values = Vec::new();
    for (split, seed) in splits.iter().zip(1..) {
        let file = format!("seed-{seed}.predictions.jsonl");
        assert_eq!(split["predictions"], file.as_str());
        assert!(said.contains(&file), "{said}");
        let rows = rows(&folder.join("folds").join(&file));
        let ids: Vec<u64> = rows
            .iter()
            .map(|row| row["id"].as_str().unwrap().parse().unwrap())
            .collect();
        // All examples, once each, as they stand in the file.
        assert_eq!(ids, (1..=400).collect::<Vec<_>>());
        // The file alone gives the same numbers.
        let command = format!("evaluate classify --predictions folds/{file} --json");
        assert_eq!(kiln(folder, &command).json()["scores"], split["scores"]);
        let main = split["scores"]["scores"].as_array().unwrap().iter();
        let mut main = main.filter(|score| score["name"] == "accuracy");
        values.push(main.next().unwrap()["value"].as_f64().unwrap());
    }
    let [mean, _] = by_hand(&values);
    let found = spread(&cell["out_of_fold"])["mean"].as_f64().unwrap();
    assert!((found - mean).abs() < 1e-12, "{found}");
    assert!(!folder.join("folds/predictions.jsonl").exists());
    assert!(scores.get("out_of_fold").is_none());
}

#[test]
fn one_run_of_each_setting_has_no_spread() {
    let folder = folder("bert");
    let folder = folder.path();
    let flags = "--dev topics-dev.csv --grid lr=0.0001,0.01 --output grid";
    let said = kiln(folder, &format!("{COMMON} {flags}")).ok();
    assert!(
        said.contains("lr-0.01") && !said.contains("mean "),
        "{said}"
    );
}
