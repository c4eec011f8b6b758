//! Damaged files, bad input and a full disk: the one line, the exit code, and that nothing is lost
//! or left half-made.

mod changed;
mod corpora;
#[cfg(unix)]
mod full_disk;
mod inputs;
mod models;
mod resuming;
mod starting;
mod tokenizers;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::{kiln, write_corpus};

/// A model of 5,000 parameters: what is tested here is not its size.
const CONFIG: &str = r#"{"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 32}"#;

/// Flags that make a run of a second or less.
const SMALL: &str = "--batch-size 4 --seq-len 16 --log-every 1000 --eval-every 0";

/// A folder with `text.txt`, `model.json` and the tokenizer `tok` of 100 entries.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_corpus(&folder.path().join("text.txt"));
    fs::write(folder.path().join("model.json"), CONFIG).unwrap();
    kiln(
        folder.path(),
        "tokenizer train --arch bert --corpus text.txt --vocab-size 100 --output tok",
    )
    .ok();
    folder
}

/// [`folder`] with `run` in it, which is done after six steps and has checkpoints of steps 2, 4
/// and 6.
fn folder_with_run() -> tempfile::TempDir {
    let folder = folder();
    kiln(
        folder.path(),
        &format!(
            "pretrain bert --corpus text.txt --tokenizer tok --config model.json --output run \
             --steps 6 --save-every 2 {SMALL}"
        ),
    )
    .ok();
    folder
}

/// The command that starts the run of [`folder_with_run`] under another name, as its flags differ.
fn pretrain(flags: &str) -> String {
    format!("pretrain bert --output new --steps 2 {SMALL} {flags}")
}

fn checkpoint(run: &Path, step: u64) -> PathBuf {
    run.join(format!("checkpoints/step-{step:08}"))
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Puts a fresh copy of a folder in the place of another.
fn copy_again(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    copy(from, to);
}

/// Rewrites a file.
fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Replaces text in a file, which must hold it.
fn replace(path: &Path, old: &str, new: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(old), "{old}: not in {}", path.display());
    fs::write(path, text.replace(old, new)).unwrap();
}

/// Losses by kind and step, as text: equal when every bit is.
fn curve(run: &Path) -> Vec<String> {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let line = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        format!("{} {} {}", record["kind"], record["step"], record["loss"])
    };
    metrics.lines().map(line).collect()
}

/// Everything in a folder, hidden names too.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
