//! A checkpoint's folder alone is asked as the run that it was taken from.

use std::fs;

use serde_json::Value;

use super::{QA, SAMPLES, Sample, best, finetune, folder};
use crate::command::{kiln, read_json};
use crate::faults::copy;

/// How a run is asked that is asked otherwise than a folder of which nothing is known.
fn flags(task: &str) -> &'static str {
    match task {
        "qa" => "--stride 9 --null-threshold -2.5 --n-best 4 --max-answer-tokens 7 --no-answer yes",
        "tag" => "--overlap 3",
        "classify" => "--multi-label --threshold 0.2",
        _ => "",
    }
}

/// What is predicted and scored by `model`.
fn said(folder: &std::path::Path, sample: Sample, model: &str) -> (Vec<u8>, Value) {
    let Sample { task, dev, .. } = sample;
    let command = format!("predict {task} --model {model} --data {dev} --output said.jsonl");
    kiln(folder, &command).ok();
    let predictions = fs::read(folder.join("said.jsonl")).unwrap();
    fs::remove_file(folder.join("said.jsonl")).unwrap();
    let command = format!("evaluate {task} --model {model} --data {dev} --resamples 0 --json");
    (predictions, kiln(folder, &command).json()["scores"].take())
}

#[test]
fn a_checkpoint_elsewhere_says_what_it_says_in_its_run_to_the_last_byte() {
    let folder = folder("bert");
    let folder = folder.path();
    for sample in SAMPLES {
        let task = sample.task;
        finetune(folder, sample, task, flags(task)).ok();
        let elsewhere = format!("elsewhere-{task}");
        fs::create_dir(folder.join(&elsewhere)).unwrap();
        let checkpoint = best(&folder.join(task));
        copy(&checkpoint, &folder.join(&elsewhere));
        let expected = said(folder, sample, task);
        assert!(said(folder, sample, &elsewhere) == expected, "{task}");
        // Without what it takes along it would not.
        let path = folder.join(&elsewhere).join("config.json");
        let mut config = read_json(&path);
        let entry = config["task_specific_params"]["kiln"].clone();
        assert_eq!(
            (&entry["task"], &entry["batch_size"]),
            (&task.into(), &8.into())
        );
        let fields = config.as_object_mut().unwrap();
        fields.remove("task_specific_params");
        fs::write(&path, config.to_string()).unwrap();
        let plain = kiln(
            folder,
            &format!(
                "evaluate {task} --model {elsewhere} --data {} --json",
                sample.dev
            ),
        );
        let has_flags = !flags(task).is_empty();
        let is_other = plain.json()["scores"]["scores"] != expected.1["scores"];
        assert!(!has_flags || is_other, "{task}");
    }
}

#[test]
fn a_model_that_goes_on_or_is_merged_takes_along_its_own_run() {
    let folder = folder("bert");
    let folder = folder.path();
    finetune(folder, QA, "run", &format!("{} --lora 2", flags("qa"))).ok();
    kiln(folder, "merge --model run --output merged").ok();
    let scored = best(&folder.join("run"));
    let expected = said(folder, QA, &scored.display().to_string());
    assert!(said(folder, QA, "merged") == expected);

    // What the folder says is not what a run from it is asked.
    let Sample { train, dev, .. } = QA;
    let command = format!(
        "finetune qa --model merged --train {train} --dev {dev} --max-len 48 --steps 1 --output next"
    );
    kiln(folder, &command).ok();
    let config = read_json(&best(&folder.join("next")).join("config.json"));
    let entry = &config["task_specific_params"]["kiln"];
    assert_eq!(entry["settings"]["max_len"], 48);
    assert!(entry["settings"].get("labels").is_none());
    let run = read_json(&folder.join("next/config.json"));
    assert!(run["model"].get("task_specific_params").is_none());

    // An entry that can't be read is named, and its remedy helps.
    let path = folder.join("merged/config.json");
    let mut config = read_json(&path);
    config["task_specific_params"]["kiln"]["settings"]["colour"] = "red".into();
    fs::write(&path, config.to_string()).unwrap();
    let command = format!("predict qa --model merged --data {dev}");
    let refused = kiln(folder, &command).late_error(1);
    assert!(refused.contains("task_specific_params.kiln: "), "{refused}");
    config
        .as_object_mut()
        .unwrap()
        .remove("task_specific_params");
    fs::write(&path, config.to_string()).unwrap();
    kiln(folder, &command).ok();
}
