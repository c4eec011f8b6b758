//! `--precision bf16`: what it does to losses, that it repeats, and who keeps it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::command::{kiln, read_json, write_corpus};

/// Each way to learn, at its smallest.
const OBJECTIVES: [&str; 6] = [
    "bert",
    "roberta",
    "electra",
    "deberta",
    "deberta --objective mlm",
    "xlnet --mem-len 16",
];

const SMALL: &str = "--preset tiny --vocab-size 300 --seq-len 32 --batch-size 8 --lr 1e-3 --seed 7 \
                     --held-out 0 --log-every 10 --backend flex";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_corpus(&folder.path().join("text.txt"));
    folder
}

fn pretrain(folder: &Path, objective: &str, output: &str, flags: &str) {
    let command =
        format!("pretrain {objective} --corpus text.txt --output {output} {SMALL} {flags}");
    kiln(folder, &command).ok();
}

fn losses(run: &Path) -> Vec<f64> {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let records = metrics
        .lines()
        .map(|line| -> Value { serde_json::from_str(line).unwrap() });
    let steps = records.filter(|record| record["kind"] == "train");
    steps
        .map(|record| record["loss"].as_f64().unwrap())
        .collect()
}

/// A number rounded to bfloat16 is off by up to one part in 256. A loss is a mean over many words, in
/// which most of that cancels: it may be off by as much as one number, and by as much again for the
/// steps that were made with such gradients; of the first loss, which is all that can be lost.
const BOUND: f64 = 2.0 / 256.0;

#[test]
fn thirty_steps_in_bf16_follow_float32s_in_every_objective() {
    let folder = folder();
    let folder = folder.path();
    for (number, objective) in OBJECTIVES.into_iter().enumerate() {
        let curve = |precision: &str| {
            let run = format!("{precision}-{number}");
            let flags = format!("--steps 30 --warmup 5 --precision {precision}");
            pretrain(folder, objective, &run, &flags);
            losses(&folder.join(run))
        };
        let (float32, bf16) = (curve("float32"), curve("bf16"));
        assert_eq!((float32.len(), bf16.len()), (30, 30), "{objective}");
        assert_ne!(float32, bf16, "{objective}: bf16 computes in float32");
        // Where a generator samples, scores that were close fall to other tokens, and the
        // discriminator reads another text: one step may be off by more, their mean may not.
        let samples = ["electra", "deberta"].contains(&objective);
        let bound = if samples { 1.0 } else { BOUND };
        let sum = |losses: &[f64]| losses.iter().sum::<f64>();
        let off = sum(&float32) - sum(&bf16);
        assert!(off.abs() < BOUND * sum(&float32), "{objective}: {off}");
        for (step, (exact, rounded)) in float32.iter().zip(&bf16).enumerate() {
            assert!(
                (exact - rounded).abs() < bound * float32[0],
                "{objective}, step {}: {exact} in float32, {rounded} in bf16",
                step + 1
            );
        }
        assert!(bf16[29] < bf16[0], "{objective}: {bf16:?}");
    }
}

#[test]
fn a_run_in_bf16_goes_on_to_the_same_bytes_where_it_was_stopped_and_stays_in_it() {
    let folder = folder();
    let folder = folder.path();
    let flags = "--steps 6 --save-every 3 --precision bf16";
    for objective in ["electra", "xlnet --mem-len 16"] {
        let (straight, resumed) = ("straight", "resumed");
        for run in [straight, resumed] {
            let _ = fs::remove_dir_all(folder.join(run));
            pretrain(folder, objective, run, flags);
        }
        let step = "checkpoints/step-00000006";
        fs::remove_dir_all(folder.join(resumed).join(step)).unwrap();
        kiln(folder, "resume resumed").ok();
        let files = |run: &str| {
            let training = folder.join(run).join(step).join("training");
            let mut files: Vec<_> = fs::read_dir(training)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|is| is == "safetensors"))
                .map(|path| fs::read(path).unwrap())
                .collect();
            files.sort();
            files
        };
        assert!(files(straight) == files(resumed), "{objective}");
        assert_eq!(
            losses(&folder.join(straight)),
            losses(&folder.join(resumed))
        );
    }
    let settings = read_json(&folder.join("resumed/config.json"));
    assert_eq!(settings["training"]["precision"], "bf16");
    let refused = kiln(folder, "resume resumed --precision float32").error(2);
    assert!(
        refused.contains("--precision: can't change in a run: losses before and after"),
        "{refused}"
    );
    // Whoever does not ask for it has no word of it in the run: earlier versions read it.
    pretrain(folder, "bert", "plain", "--steps 1");
    let settings = read_json(&folder.join("plain/config.json"));
    assert!(settings["training"].get("precision").is_none());
}
