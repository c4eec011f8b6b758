//! Folders of fine-tuning runs, written as the command line writes them.

use std::fs;
use std::path::{Path, PathBuf};

use kiln_learner::{Record, RecordKind};
use kiln_metrics::rows::{
    AnswerCandidate, AnswerRow, ClassRow, LabelsRow, NumbersRow, Row, TagsRow,
};
use kiln_metrics::{RowWriter, ScoreOptions, Scores, score};
use serde_json::{Value, json};

/// A run's config.json.
pub(super) fn settings(task: &str, problem: &str, labels: &[&str], seed: u64) -> Value {
    json!({
        "versions": {"kiln": "0.1.0", "burn": "0.22.1"},
        "architecture": "bert",
        "fine_tune": task,
        "task": {"problem": problem, "labels": labels, "max_len": 128},
        "model": {"model_type": "bert", "hidden_size": 128, "num_hidden_layers": 2,
                  "num_attention_heads": 2, "vocab_size": 8000},
        "from": {"folder": "models/<first>", "keeps_head": false},
        "fine_tuning": {},
        "data": {
            "train": {"task": task, "files": ["/data/train.csv"]},
            "train_identity": [{"path": "/data/train.csv", "bytes": 1000, "sha256": "11"}],
            "development": {"kind": "files", "spec": {"task": task, "files": ["/data/my dev.csv"]},
                            "identity": [{"path": "/data/my dev.csv", "bytes": 100, "sha256": "22"}]},
            "tokenizer": format!("runs/{seed}/tokenizer"),
            "tokenizer_identity": "77aa",
        },
        "epochs": 3.0,
        "training": {"steps": 60, "batch_size": 16, "accumulate": 1, "seed": seed,
                     "optimizer": {"learning_rate": 1e-4, "betas": [0.9, 0.999], "epsilon": 1e-6,
                                   "weight_decay": 0.01, "bias_correction": true, "clip_norm": 1.0},
                     "schedule": "linear", "warmup": 6, "eval_every": 10, "save_every": 10,
                     "keep_last": 1, "keep_best": 1,
                     "select": {"value": "accuracy", "higher_is_better": true}, "log_every": 10,
                     "early_stop": null, "max_bad_steps": 5, "data_threads": 1, "data_ahead": 8},
        "devices": ["flex:0"],
    })
}

/// The sixty steps of a run whose loss falls, with an evaluation every ten, which has `scores`.
pub(super) fn metrics(seed: u64, scores: &[&str]) -> String {
    let mut out = String::new();
    for step in 1..=60u64 {
        let noise = ((step + 97 * seed).wrapping_mul(2_654_435_761) % 1000) as f64 / 1000.0 - 0.5;
        let loss = 0.2 + 1.4 * (-(step as f64) / 20.0).exp() + 0.1 * noise;
        let train = Record {
            kind: RecordKind::Train,
            step,
            values: [
                ("loss", loss),
                ("label_accuracy", 1.0 - loss / 2.0),
                ("grad_norm", 1.0 + noise),
                ("learning_rate", 1e-4 * (1.0 - step as f64 / 61.0)),
                ("tokens", 900.0),
                ("tokens_per_second", 9000.0),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
        };
        out.push_str(&format!("{}\n", train.to_json()));
        if step % 10 == 0 {
            let mut values = vec![("loss".to_owned(), loss + 0.1)];
            let value = 0.9 - loss / 2.0;
            values.extend(scores.iter().map(|name| ((*name).to_owned(), value)));
            values.push(("seconds".to_owned(), 0.5));
            let kind = RecordKind::Eval;
            out.push_str(&format!("{}\n", Record { kind, step, values }.to_json()));
        }
    }
    out
}

/// A run that has ended; gives its scores.
pub(super) fn write_run(path: &Path, settings: &Value, rows: &[Row], metrics: &str) -> Scores {
    begin_run(path, settings, metrics);
    write_rows(&path.join("predictions.jsonl"), rows);
    let labels = settings["task"]["labels"].as_array().unwrap();
    let labels = labels
        .iter()
        .map(|label| label.as_str().unwrap().to_owned());
    let answered = settings["task"].get("search").is_some();
    let options = ScoreOptions {
        labels: labels.collect(),
        resamples: 100,
        no_answer_threshold: answered.then_some(0.0),
        ..ScoreOptions::default()
    };
    let scores = score(rows, &options).unwrap();
    let file = json!({"checkpoint": "checkpoints/step-00000050", "step": 50, "scores": scores});
    fs::write(path.join("scores.json"), file.to_string()).unwrap();
    scores
}

/// A run at work: no scores, no predictions.
pub(super) fn begin_run(path: &Path, settings: &Value, metrics: &str) {
    fs::create_dir_all(path).unwrap();
    fs::write(path.join("config.json"), settings.to_string()).unwrap();
    fs::write(path.join("metrics.jsonl"), metrics).unwrap();
}

pub(super) fn write_rows(path: &Path, rows: &[Row]) {
    let mut writer = RowWriter::new(Vec::new(), path);
    rows.iter().for_each(|row| writer.write(row).unwrap());
    fs::write(path, writer.finish().unwrap()).unwrap();
}

/// A group's config.json.
pub(super) fn write_group(path: &Path, runs: &[(&str, Value)]) {
    let runs = runs
        .iter()
        .map(|(name, settings)| json!({"name": name, "settings": settings}));
    fs::create_dir_all(path).unwrap();
    let config = json!({"runs": runs.collect::<Vec<_>>()});
    fs::write(path.join("config.json"), config.to_string()).unwrap();
}

/// An example of a class; `sure` of the prediction, the rest shared among the others.
pub(super) fn class(id: usize, label: &str, prediction: &str, sure: f64, labels: &[&str]) -> Row {
    let other = (1.0 - sure) / (labels.len() - 1) as f64;
    let probability = |name: &&str| if *name == prediction { sure } else { other };
    Row::Class(ClassRow {
        id: id.to_string(),
        label: Some(label.to_owned()),
        prediction: prediction.to_owned(),
        probabilities: labels
            .iter()
            .map(|name| ((*name).to_owned(), probability(name)))
            .collect(),
    })
}

/// `count` examples of classes in turn, of which one in `every` is taken for the next class.
pub(super) fn classes(labels: &[&str], count: usize, every: usize, seed: usize) -> Vec<Row> {
    let example = |id: usize| {
        let label = id % labels.len();
        let drawn = (id * 7919 + seed * 104_729) % 1009;
        let next = if drawn.is_multiple_of(every) {
            label + 1
        } else {
            label
        };
        let sure = 0.5 + 0.5 * (drawn as f64 / 1009.0);
        class(id, labels[label], labels[next % labels.len()], sure, labels)
    };
    (1..=count).map(example).collect()
}

pub(super) fn labels(id: &str, labels: &[&str], predictions: &[(&str, f64)]) -> Row {
    let said = predictions
        .iter()
        .filter(|(_, probability)| *probability > 0.5);
    Row::Labels(LabelsRow {
        id: id.to_owned(),
        labels: Some(labels.iter().map(|&name| name.to_owned()).collect()),
        predictions: said.map(|&(name, _)| name.to_owned()).collect(),
        probabilities: predictions
            .iter()
            .map(|&(name, p)| (name.to_owned(), p))
            .collect(),
    })
}

pub(super) fn numbers(id: &str, target: f64, prediction: f64) -> Row {
    Row::Numbers(NumbersRow {
        id: id.to_owned(),
        targets: Some(vec![target]),
        predictions: vec![prediction],
    })
}

/// A sentence; words with spaces between them, as are tags and predictions.
pub(super) fn tags(id: &str, words: &str, tags: &str, predictions: &str) -> Row {
    let split = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    Row::Tags(TagsRow {
        id: id.to_owned(),
        words: split(words),
        tags: Some(split(tags)),
        predictions: split(predictions),
        unread: 0,
    })
}

/// A question with an answer and how probable it is.
pub(super) fn answer(id: &str, answers: &[&str], given: &str, sure: f64) -> Row {
    let candidate = |text: &str, probability| AnswerCandidate {
        text: text.to_owned(),
        start: 0,
        end: text.chars().count(),
        probability,
        score: probability,
    };
    Row::Answer(AnswerRow {
        id: id.to_owned(),
        answers: Some(answers.iter().map(|&text| text.to_owned()).collect()),
        prediction: given.to_owned(),
        best_non_empty: if given.is_empty() {
            "something".to_owned()
        } else {
            given.to_owned()
        },
        null_odds: if given.is_empty() { 1.0 } else { -1.0 },
        n_best: vec![candidate(given, sure), candidate("another", 1.0 - sure)],
    })
}

/// What stands in a page.
pub(super) fn read(path: PathBuf) -> String {
    fs::read_to_string(path).unwrap()
}
