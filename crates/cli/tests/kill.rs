//! `kill -9` at any moment, again and again: the run goes on to the same curve, to the last bit.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

fn kiln() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    command.env_remove("KILN_BACKEND").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn corpus(folder: &Path) -> PathBuf {
    let words = [
        "river", "stone", "light", "seven", "green", "bridge", "window", "paper", "north",
    ];
    let mut text = String::new();
    for document in 0..30 {
        for sentence in 0..6 {
            for word in 0..5 + (document + sentence) % 4 {
                text.push_str(words[(document * 5 + sentence * 3 + word * word) % words.len()]);
                text.push(' ');
            }
            text.push_str("ends.\n");
        }
        text.push('\n');
    }
    let path = folder.join("corpus.txt");
    std::fs::write(&path, text).unwrap();
    path
}

/// What is trained, where.
#[derive(Clone, Copy)]
struct Case {
    architecture: &'static str,
    /// The models' folders within a checkpoint.
    models: &'static [&'static str],
    backend: &'static str,
}

fn pretrain(folder: &Path, run: &Path, case: Case) -> Command {
    let config = folder.join("model.json");
    let fields = serde_json::json!({
        "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 64, "max_position_embeddings": 32,
    });
    std::fs::write(&config, fields.to_string()).unwrap();
    let mut command = kiln();
    command.args([
        "pretrain",
        case.architecture,
        "--backend",
        case.backend,
        "--vocab-size",
        "80",
    ]);
    command
        .arg("--corpus")
        .arg(corpus(folder))
        .arg("--config")
        .arg(config);
    command
        .arg("--cache-dir")
        .arg(folder.join("cache"))
        .arg("--output")
        .arg(run);
    command.args([
        "--seq-len",
        "32",
        "--batch-size",
        "4",
        "--steps",
        "60",
        "--save-every",
        "2",
    ]);
    command.args([
        "--eval-every",
        "15",
        "--seed",
        "5",
        "--held-out",
        "0.2",
        "--lr",
        "1e-3",
    ]);
    command
}

/// metrics.jsonl by (kind, step), without what depends on the clock and the machine.
fn curve(run: &Path) -> BTreeMap<(String, u64), Value> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut curve = BTreeMap::new();
    for line in text.lines() {
        let mut record: Value = serde_json::from_str(line).unwrap();
        let fields = record.as_object_mut().unwrap();
        for name in ["tokens_per_second", "memory", "seconds"] {
            fields.remove(name);
        }
        let key = (
            fields["kind"].as_str().unwrap().to_owned(),
            fields["step"].as_u64().unwrap(),
        );
        let twice = curve.insert(key.clone(), record);
        assert!(twice.is_none(), "{key:?} stands twice");
    }
    curve
}

fn finish(mut command: Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    stderr
}

fn last_weights(run: &Path, case: Case) -> Vec<Vec<u8>> {
    let checkpoint = run.join("checkpoints/step-00000060");
    let read = |model| std::fs::read(checkpoint.join(model).join("model.safetensors")).unwrap();
    case.models.iter().map(read).collect()
}

fn survives_kills(case: Case) {
    let folder = tempfile::tempdir().unwrap();
    let straight = folder.path().join("straight");
    finish(pretrain(folder.path(), &straight, case));

    let killed = folder.path().join("killed");
    let mut child = pretrain(folder.path(), &killed, case).spawn().unwrap();
    let mut kills = 0;
    // From before the first checkpoint to the end: a longer life each time, so that it ends
    // whatever the machine's speed. Every other step saves, so many kills hit a save.
    for round in 0u64.. {
        std::thread::sleep(Duration::from_millis(60 + 37 * round));
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
        let checkpoints = std::fs::read_dir(killed.join("checkpoints"));
        for entry in checkpoints.into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with("step-") {
                for model in case.models {
                    let config = entry.path().join(model).join("config.json");
                    assert!(
                        config.is_file(),
                        "{name}: half a checkpoint under its final name"
                    );
                }
            }
        }
        let mut resume = if killed.join("config.json").is_file() {
            let mut resume = kiln();
            resume.arg("resume").arg(&killed);
            resume
        } else {
            // Killed before the run began: the same command starts it.
            let _ = std::fs::remove_dir_all(&killed);
            pretrain(folder.path(), &killed, case)
        };
        child = resume.spawn().unwrap();
    }
    assert!(kills > 0, "the run ended before the first kill");
    assert_eq!(curve(&killed), curve(&straight));
    assert_eq!(
        last_weights(&killed, case),
        last_weights(&straight, case),
        "the last weights differ"
    );
}

#[cfg(any(feature = "flex", feature = "ndarray"))]
fn bert(backend: &'static str) -> Case {
    Case {
        architecture: "bert",
        models: &[""],
        backend,
    }
}

#[cfg(feature = "flex")]
#[test]
fn a_killed_run_goes_on_to_the_last_bit_on_flex() {
    survives_kills(bert("flex"));
}

#[cfg(feature = "flex")]
#[test]
fn a_killed_run_of_a_pair_goes_on_to_the_last_bit() {
    survives_kills(Case {
        architecture: "electra",
        models: &["discriminator", "generator"],
        backend: "flex",
    });
}

#[cfg(feature = "ndarray")]
#[test]
fn a_killed_run_goes_on_to_the_last_bit_on_ndarray() {
    survives_kills(bert("ndarray"));
}
