//! Fine-tuning runs that are killed, and go on: the same weights, scores and predictions to the last bit.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::{folder, program, started};
use crate::command::{kiln, read_json};

const COMMON: &str = "finetune classify --model first --train topics-train.csv --batch-size 8 \
                      --eval-every 10 --lr 0.005 --log-every 1 --max-len 24";

/// Starts `kiln`, and kills it once it has said each of `lines`, one after the other; gives whether it
/// was killed, and not at its end before that.
fn killed(folder: &Path, command: &str, lines: &[&str]) -> bool {
    let mut child = started(program(), folder, command, Stdio::piped());
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    for start in lines {
        let mut line = String::new();
        while !line.starts_with(start) {
            line.clear();
            let read = stderr.read_line(&mut line).unwrap();
            assert!(read > 0, "{command}: ended before {start}");
        }
    }
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

/// Trains in `straight`, and in `other` with a kill in between.
fn straight_and_killed(folder: &Path, flags: &str, lines: &[&str]) {
    kiln(folder, &format!("{COMMON} {flags} --output straight")).ok();
    let command = format!("{COMMON} {flags} --output other");
    // A machine that stops the test for long lets the run come to its end.
    let was_killed = (0..5).any(|_| {
        let _ = fs::remove_dir_all(folder.join("other"));
        killed(folder, &command, lines)
    });
    assert!(was_killed, "{command}");
    kiln(folder, "resume other").ok();
    assert_same(folder);
}

/// What the runs in `straight` and `other` have left is the same.
fn assert_same(folder: &Path) {
    let (straight, other) = (
        files(&folder.join("straight")),
        files(&folder.join("other")),
    );
    assert!(
        straight.keys().eq(other.keys()),
        "{:?} {:?}",
        straight.keys(),
        other.keys()
    );
    for (name, bytes) in &straight {
        assert!(other[name] == *bytes, "{} differs", name.display());
    }
}

/// Weights, scores and predictions, and the curves without what depends on the clock and the machine.
fn files(run: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![run.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            let bytes = match path.file_name().unwrap().to_str().unwrap() {
                "model.safetensors" | "scores.json" => bytes,
                name if name.ends_with("predictions.jsonl") => bytes,
                "metrics.jsonl" => curve(&bytes).into_bytes(),
                _ => continue,
            };
            found.insert(path.strip_prefix(run).unwrap().to_path_buf(), bytes);
        }
    }
    found
}

fn curve(metrics: &[u8]) -> String {
    let text = std::str::from_utf8(metrics).unwrap();
    let lines = text.lines().map(|line| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        let fields = record.as_object_mut().unwrap();
        for name in ["tokens_per_second", "memory", "seconds"] {
            fields.remove(name);
        }
        record.to_string()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Goes on with `other`, which trains nothing more.
fn resume_without_a_step(folder: &Path) -> String {
    let done = kiln(folder, "resume other");
    assert!(!done.stderr.contains("step "), "{done:?}");
    done.ok()
}

#[test]
fn a_killed_run_ends_as_if_it_had_not_been() {
    let folder = folder("bert");
    let folder = folder.path();
    straight_and_killed(folder, "--dev topics-dev.csv --steps 60", &["step 23/"]);

    // The end is made again where it is lost, without a step.
    let scores = folder.join("other/scores.json");
    let predictions = folder.join("other/predictions.jsonl");
    for lost in [&[&scores][..], &[&predictions], &[&scores, &predictions]] {
        lost.iter().for_each(|path| fs::remove_file(path).unwrap());
        kiln(folder, "resume other").ok();
        assert_same(folder);
    }
    fs::write(&scores, "{").unwrap();
    kiln(folder, "resume other").ok();
    assert_same(folder);
    let said = resume_without_a_step(folder);
    assert!(said.starts_with("done, 60 of 60 steps; "), "{said}");

    // Elsewhere too, and without the model that it started from.
    fs::remove_file(&scores).unwrap();
    fs::remove_dir_all(folder.join("other/checkpoints/step-00000060")).unwrap();
    fs::rename(folder.join("first"), folder.join("gone")).unwrap();
    fs::rename(folder.join("other"), folder.join("moved")).unwrap();
    kiln(folder, "resume moved").ok();
    fs::rename(folder.join("moved"), folder.join("other")).unwrap();
    assert_same(folder);
}

#[test]
fn a_killed_run_stops_early_where_it_would_have() {
    let folder = folder("bert");
    let folder = folder.path();
    let flags = "--dev topics-dev.csv --steps 2000 --early-stop 2";
    straight_and_killed(folder, flags, &["step 13/"]);
    let steps = fs::read_to_string(folder.join("other/metrics.jsonl")).unwrap();
    assert!(steps.lines().count() < 2000);
    let said = resume_without_a_step(folder);
    assert!(said.starts_with("stopped early, "), "{said}");
}

/// Folds of two seeds with evaluations and saves at different steps, killed after longer and longer lives: in
/// every run, before its first checkpoint, between an evaluation and a save, while predictions are written.
#[test]
fn runs_that_are_killed_again_and_again_end_as_if_they_had_not_been() {
    let folder = folder("bert");
    let folder = folder.path();
    let flags = "--folds 2 --seeds 1,2 --steps 40 --save-every 7 --early-stop 2";
    kiln(folder, &format!("{COMMON} {flags} --output straight")).ok();
    let mut kills = 0;
    for round in 0u64.. {
        let command = match folder.join("other/config.json").is_file() {
            true => "resume other".to_owned(),
            // Killed before anything was begun.
            false => {
                let _ = fs::remove_dir_all(folder.join("other"));
                format!("{COMMON} {flags} --output other")
            }
        };
        let mut child = started(program(), folder, &command, Stdio::null());
        std::thread::sleep(Duration::from_millis(300 + 130 * round));
        if child
            .try_wait()
            .unwrap()
            .is_some_and(|status| status.success())
        {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 2, "{kills} kills");
    assert_same(folder);
    assert!(folder.join("other/seed-2.predictions.jsonl").is_file());
}

#[test]
fn of_several_runs_those_that_are_done_are_not_trained_again() {
    let folder = folder("bert");
    let folder = folder.path();
    let flags = "--dev topics-dev.csv --steps 30 --seeds 1..3";
    straight_and_killed(folder, flags, &["run 2 of 3: seed-2", "step 13/"]);
    resume_without_a_step(folder);

    // A kill between a run's folder and its settings, or before its scores.
    let third = folder.join("other/seed-3");
    fs::remove_dir_all(&third).unwrap();
    fs::create_dir_all(third.join("tokenizer")).unwrap();
    fs::remove_file(folder.join("other/seed-1/scores.json")).unwrap();
    fs::remove_file(folder.join("other/scores.json")).unwrap();
    kiln(folder, "resume other").ok();
    assert_same(folder);

    let best = read_json(&folder.join("other/scores.json"))["best"].take();
    let best = best.as_str().unwrap();
    assert!(["seed-1", "seed-2", "seed-3"].contains(&best));
}

#[test]
fn a_killed_fold_goes_on_and_all_examples_are_predicted_once() {
    let folder = folder("bert");
    let folder = folder.path();
    let flags = "--folds 3 --steps 30";
    straight_and_killed(folder, flags, &["run 2 of 3: fold-2", "step 13/"]);
    let mut ids: Vec<u64> = super::rows(&folder.join("other/predictions.jsonl"))
        .iter()
        .map(|row| row["id"].as_str().unwrap().parse().unwrap())
        .collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(ids.len(), 400);

    fs::remove_dir_all(folder.join("straight")).unwrap();
    fs::remove_dir_all(folder.join("other")).unwrap();
    let flags = "--dev topics-dev.csv --steps 20 --grid lr=0.005,0.01";
    let common = COMMON.replace("--lr 0.005", "");
    kiln(folder, &format!("{common} {flags} --output straight")).ok();
    let command = format!("{common} {flags} --output other");
    assert!(killed(
        folder,
        &command,
        &["run 2 of 2: lr-0.01", "step 4/"]
    ));
    kiln(folder, "resume other").ok();
    assert_same(folder);
}
