//! Fine-tuning again from a fine-tuned model: whether its head is kept.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{CLASSIFY, best, finetune, folder, scores};
use crate::command::{Done, kiln, read_json};

const KEPT: &str = "the model's head is for this task already, and is trained on";

const TOPICS: [&str; 6] = [
    "garden", "kitchen", "music", "travel", "weather", "workshop",
];

fn again(folder: &Path, task: &str, file: &str, flags: &str) -> Done {
    let _ = fs::remove_dir_all(folder.join("new"));
    // Without a step that changes weights: what scores is the head that the run begins with.
    let command = format!(
        "finetune {task} --train {file} --dev {file} --output new --steps 1 --lr 0 --batch-size 8 \
         --max-len 24 {flags}"
    );
    kiln(folder, &command)
}

/// `topics-train.csv` with other labels, in another order.
fn write_topics(folder: &Path, name: &str, label: impl Fn(&str) -> Option<String>) {
    let text = fs::read_to_string(folder.join("topics-train.csv")).unwrap();
    let rows = text.lines().skip(1).filter_map(|line| {
        let (text, topic) = line.rsplit_once(',')?;
        Some(format!("{text},{}", label(topic)?))
    });
    let mut rows: Vec<String> = rows.collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.rsplit(',').next().map(str::to_owned)));
    fs::write(
        folder.join(name),
        format!("text,label\n{}\n", rows.join("\n")),
    )
    .unwrap();
}

#[test]
fn a_head_is_kept_for_the_same_labels_and_fresh_for_others() {
    let folder = folder("bert");
    let folder = folder.path();
    finetune(folder, CLASSIFY, "topics", "").ok();
    let accuracy = |run: &str| scores(&folder.join(run))["scores"][0]["value"].take();
    let label_to_id = |run: &str| {
        let config = read_json(&best(&folder.join(run)).join("config.json"));
        config["label2id"].clone()
    };
    write_topics(folder, "same.csv", |topic| Some(topic.to_owned()));
    let command = "evaluate classify --model topics --data same.csv --json";
    let before = kiln(folder, command).json()["scores"]["scores"][0]["value"].take();

    let done = again(folder, "classify", "same.csv", "--model topics");
    assert!(done.stderr.contains(KEPT), "{done:?}");
    assert!(!done.stderr.contains("freshly"), "{done:?}");
    assert_eq!((done.code, accuracy("new")), (0, before.clone()));
    assert_eq!(label_to_id("new"), label_to_id("topics"));

    // Numbers are the model's ids.
    write_topics(folder, "ids.csv", |topic| {
        let id = TOPICS.iter().position(|name| *name == topic)?;
        Some(id.to_string())
    });
    let done = again(folder, "classify", "ids.csv", "--model topics");
    assert!(done.stderr.contains(KEPT), "{done:?}");
    assert!(
        done.stderr
            .contains("are taken as the model's ids: 0 garden"),
        "{done:?}"
    );
    assert_eq!((done.code, accuracy("new")), (0, before));
    assert_eq!(label_to_id("new"), label_to_id("topics"));

    // Another label, one less, numbers for a model that has none: a head of their own.
    write_topics(folder, "other.csv", |topic| {
        Some(topic.replace("music", "dance"))
    });
    write_topics(folder, "less.csv", |topic| {
        (topic != "music").then(|| topic.to_owned())
    });
    for (file, labels) in [("other.csv", 6), ("less.csv", 5)] {
        let done = again(folder, "classify", file, "--model topics");
        let note = "the model's head is for other labels (garden, kitchen, music, travel, weather, \
                    workshop); it gets a fresh one for";
        assert!(done.stderr.contains(note), "{done:?}");
        assert!(!done.stderr.contains(KEPT), "{done:?}");
        assert!(done.stderr.contains("freshly initialised"), "{done:?}");
        let ids = label_to_id("new");
        assert_eq!(ids.as_object().unwrap().len(), labels);
    }
    let done = again(folder, "classify", "ids.csv", "--model first");
    assert!(!done.stderr.contains(KEPT), "{done:?}");
    assert_eq!(label_to_id("new")["5"], 5);

    // A head of another problem is none, and without the weights there is none either.
    for (task, file, flags) in [
        ("regress", "similarity-dev.tsv", "--model topics"),
        ("classify", "same.csv", "--model topics --random-weights"),
    ] {
        let done = again(folder, task, file, flags);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(!done.stderr.contains(KEPT), "{done:?}");
    }
    let config = read_json(&folder.join("new/config.json"));
    assert_eq!(config["from"]["keeps_head"], Value::Bool(false));
}

#[test]
fn what_files_are_taken_for_is_said_once_and_of_development_files_too() {
    let folder = folder("bert");
    let folder = folder.path();
    write_topics(folder, "same.csv", |topic| Some(topic.to_owned()));
    write_topics(folder, "ids.csv", |topic| {
        let id = TOPICS.iter().position(|name| *name == topic)?;
        Some(id.to_string())
    });
    let command = "finetune classify --model first --train same.csv --dev ids.csv --output new --steps 1 \
                   --batch-size 8 --max-len 24 --seeds 1,2";
    let done = kiln(folder, command);
    assert_eq!(done.code, 0, "{done:?}");
    for note in [
        "are taken as the model's ids: 0 garden",
        "same.csv: columns: ",
        "ids.csv: columns: ",
    ] {
        assert_eq!(done.stderr.matches(note).count(), 1, "{note}: {done:?}");
    }
}
