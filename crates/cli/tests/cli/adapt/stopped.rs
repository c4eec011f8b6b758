//! Killed or asked to stop anywhere, a group with an adapted model goes on.

use std::fs;
use std::io::BufReader;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{ELECTRA, TUNE, folder};
use crate::command::{TINY_CONFIG, kiln, read_json};

/// Starts a command in `folder`.
fn start(folder: &Path, command: &str) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kiln"))
        .args(command.split_whitespace())
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("KILN_BACKEND", "flex")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    (child, stderr)
}

/// Waits for a line with `words` in it.
fn wait_for(stderr: &mut impl std::io::BufRead, words: &str) {
    let mut line = String::new();
    let mut all = String::new();
    while !line.contains(words) {
        line.clear();
        let read = stderr.read_line(&mut line).unwrap();
        all.push_str(&line);
        assert!(read > 0, "the command ended before {words}: {all}");
    }
}

/// Asks a command to stop; what it says until it does.
#[cfg(unix)]
fn stop(child: Child, mut stderr: impl std::io::Read) -> String {
    let kill = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{rest}");
    rest
}

/// What a group's runs made, by path: weights, predictions, and every step's values.
fn made(group: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![group.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(group).unwrap().display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with("safetensors") || name.ends_with("predictions.jsonl") {
                found.push((name, fs::read(&path).unwrap()));
            } else if name.ends_with("metrics.jsonl") {
                found.push((
                    name,
                    curve(&fs::read_to_string(&path).unwrap()).into_bytes(),
                ));
            }
        }
    }
    found.sort();
    found
}

/// metrics.jsonl without what depends on the clock and the machine.
fn curve(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        for name in ["tokens_per_second", "memory", "seconds"] {
            record.as_object_mut().unwrap().remove(name);
        }
        format!("{record}\n")
    });
    lines.collect()
}

#[test]
fn killed_in_adapting_between_and_in_a_seed_it_goes_on_to_the_same_bytes() {
    let folder = folder("electra", ELECTRA, "");
    let folder = folder.path();
    let command = format!(
        "finetune classify {TUNE} --model run --dev dev.csv --adapt more.txt --adapt-steps 40 \
         --adapt-batch-size 4 --adapt-seq-len 32 --seeds 1,2 --output"
    );
    kiln(folder, &format!("{command} straight")).ok();
    let mut next = format!("{command} killed");
    for moment in [
        "adapting the model",
        "step-00000008",
        "step-00000020",
        "adapted in 40 steps",
        "run 1 of 4",
        "before_seed-2/checkpoints/step-00000004",
        "run 3 of 4",
        "after_seed-2/checkpoints/step-00000004",
    ] {
        let (mut child, mut stderr) = start(folder, &next);
        wait_for(&mut stderr, moment);
        child.kill().unwrap();
        child.wait().unwrap();
        next = "resume killed".to_owned();
    }
    let stdout = kiln(folder, "resume killed").ok();
    assert!(stdout.contains("difference"), "{stdout}");
    let (straight, killed) = (made(&folder.join("straight")), made(&folder.join("killed")));
    let names = |made: &[(String, Vec<u8>)]| -> Vec<String> {
        made.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&killed), names(&straight));
    for ((name, killed), (_, straight)) in killed.iter().zip(&straight) {
        assert!(killed == straight, "{name} differs");
    }
    let scores = |group: &str| {
        let mut scores = read_json(&folder.join(group).join("scores.json"));
        scores.as_object_mut().unwrap().remove("adapted");
        scores
    };
    assert_eq!(scores("killed"), scores("straight"));
}

#[cfg(unix)]
#[test]
fn a_signal_in_adapting_stops_the_whole_command_and_resume_goes_on() {
    let folder = folder("bert", TINY_CONFIG, "");
    let folder = folder.path();
    let command = "finetune classify --train train.csv --steps 300 --batch-size 8 --eval-every 0 \
         --model run --dev dev.csv --adapt more.txt --adapt-steps 300 --adapt-batch-size 4 --adapt-seq-len 32 \
         --log-every 1 --output out";
    let (child, mut stderr) = start(folder, command);
    wait_for(&mut stderr, "step 2/");
    let rest = stop(child, stderr);
    assert!(rest.contains("stopped adapting after step "), "{rest}");
    let remedy = rest.trim_end().rsplit("go on with: kiln resume ").next();
    assert!(
        remedy.is_some_and(|group| group.ends_with("/out")),
        "{rest}"
    );
    assert!(!rest.contains("run 1 of"), "{rest}");

    // In one of the runs it is the whole that is to be gone on with, too.
    let (child, mut stderr) = start(folder, "resume out");
    wait_for(&mut stderr, "run 2 of 2: after");
    wait_for(&mut stderr, "step 1/");
    let rest = stop(child, stderr);
    assert!(rest.contains("/out\n"), "{rest}");
    assert!(
        rest.contains("the runs behind it go on with: kiln resume "),
        "{rest}"
    );

    let stdout = kiln(folder, "resume out").ok();
    assert!(stdout.contains("difference"), "{stdout}");
    let adapted = fs::read_to_string(folder.join("out/adapted/metrics.jsonl")).unwrap();
    let steps = adapted
        .lines()
        .filter(|line| line.contains("\"kind\":\"train\""));
    assert_eq!(steps.count(), 300);
}
