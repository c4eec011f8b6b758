//! `kiln finetune`, `evaluate` and `predict` on the sample tasks in examples/data/tasks.

mod asking;
mod every;
mod flags;
mod glue;
mod groups;
mod heads;
mod moved;
mod resuming;
#[cfg(unix)]
mod stopped;
mod trained;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::command::{Done, kiln, read_json};

/// A task of the samples: its name, its files, and the flags that make it meet what is hard in it: texts
/// that are cut, sentences and contexts that are read in windows.
#[derive(Debug, Clone, Copy)]
struct Sample {
    task: &'static str,
    train: &'static str,
    dev: &'static str,
    flags: &'static str,
    /// Its examples in the dev file.
    examples: usize,
}

const CLASSIFY: Sample = Sample {
    task: "classify",
    train: "topics-train.csv",
    dev: "topics-dev.csv",
    flags: "--max-len 24",
    examples: 100,
};

const QA: Sample = Sample {
    task: "qa",
    train: "questions-train.json",
    dev: "questions-dev.json",
    flags: "--max-len 64",
    examples: 60,
};

const SAMPLES: [Sample; 5] = [
    CLASSIFY,
    Sample {
        task: "regress",
        train: "similarity-train.tsv",
        dev: "similarity-dev.tsv",
        flags: "--max-len 24",
        examples: 80,
    },
    Sample {
        task: "tag",
        train: "tags-train.conll",
        dev: "tags-dev.conll",
        flags: "--max-len 16",
        examples: 60,
    },
    QA,
    Sample {
        task: "choose",
        train: "choices-train.jsonl",
        dev: "choices-dev.jsonl",
        flags: "--max-len 32",
        examples: 50,
    },
];

/// A model of one layer, whose weights are far enough apart for examples to be told from each other after
/// a few steps.
fn config(architecture: &str) -> String {
    let sizes = match architecture {
        "xlnet" => r#""d_model": 32, "n_layer": 1, "n_head": 2, "d_inner": 64"#,
        _ => {
            r#""hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 64"#
        }
    };
    let own = match architecture {
        "roberta" => r#""max_position_embeddings": 66"#,
        "electra" => r#""max_position_embeddings": 64, "embedding_size": 32"#,
        "deberta" => r#""max_position_embeddings": 64, "position_biased_input": false"#,
        "bert" => r#""max_position_embeddings": 64"#,
        _ => r#""dropout": 0.1"#,
    };
    let model_type = match architecture {
        "deberta" => "deberta-v2",
        other => other,
    };
    format!(r#"{{"model_type": "{model_type}", "initializer_range": 0.2, {sizes}, {own}}}"#)
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data")
}

/// A folder with the files of the samples, and a pretraining run `first` of one step.
pub(crate) fn folder(architecture: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for entry in fs::read_dir(samples().join("tasks")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), path.join(entry.file_name())).unwrap();
    }
    fs::copy(samples().join("english-1.txt"), path.join("text.txt")).unwrap();
    fs::write(path.join("model.json"), config(architecture)).unwrap();
    let command = format!(
        "pretrain {architecture} --corpus text.txt --config model.json --vocab-size 400 --output first \
         --steps 1 --batch-size 2 --seq-len 16 --eval-every 0 --held-out 0"
    );
    kiln(path, &command).ok();
    folder
}

/// `kiln`, to be given its words.
fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_kiln"))
}

/// A `program` at work in `folder` on the words of `command`.
fn started(mut program: Command, folder: &Path, command: &str, stderr: Stdio) -> Child {
    program
        .args(command.split_whitespace())
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("KILN_BACKEND", "flex")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .unwrap()
}

/// Fine-tunes `first` for a few steps.
fn finetune(folder: &Path, sample: Sample, output: &str, flags: &str) -> Done {
    let Sample {
        task,
        train,
        dev,
        flags: own,
        ..
    } = sample;
    let command = format!(
        "finetune {task} --model first --train {train} --dev {dev} {own} --output {output} --steps 6 \
         --eval-every 2 --batch-size 8 --lr 0.005 {flags}"
    );
    kiln(folder, &command)
}

/// The lines of a file of predictions.
fn rows(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn scores(run: &Path) -> Value {
    read_json(&run.join("scores.json"))["scores"].take()
}

/// The checkpoint that a run names as its best.
fn best(run: &Path) -> PathBuf {
    let named = read_json(&run.join("scores.json"));
    run.join(named["checkpoint"].as_str().unwrap())
}
