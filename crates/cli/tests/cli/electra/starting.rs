//! First weights: a pair, either half, and how the flags name them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{CONFIG, SMALL, folder, pretrain, read_json};
use crate::command::{TINY_CONFIG, kiln};

/// The first step's loss, with all its digits.
fn first_loss(folder: &Path, run: &str) -> String {
    let metrics = fs::read_to_string(folder.join(run).join("metrics.jsonl")).unwrap();
    let first: Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    first["loss"].to_string()
}

#[test]
fn a_run_starts_from_a_pair_or_from_either_half() {
    let folder = folder();
    let folder = folder.path();
    pretrain(folder, "first", "--generator-size 0.5");
    let step = "first/checkpoints/step-00000006";
    let quiet = "--hidden-dropout 0 --attention-dropout 0 --seed 5";

    // A run, its checkpoint, and the two halves named one by one are the same pair; sizes included.
    pretrain(folder, "run", &format!("--init-from first {quiet}"));
    pretrain(folder, "pair", &format!("--init-from {step} {quiet}"));
    let halves =
        format!("--init-from {step}/discriminator --init-generator {step}/generator {quiet}");
    pretrain(folder, "halves", &halves);
    let expected = first_loss(folder, "pair");
    assert_eq!(first_loss(folder, "run"), expected);
    assert_eq!(first_loss(folder, "halves"), expected);
    let settings = read_json(&folder.join("pair/config.json"));
    let generator = &settings["objective"]["detection"]["generator"];
    assert_eq!(generator["hidden_size"], 16);
    for config in [generator, &settings["model"]] {
        assert_eq!(config["hidden_dropout_prob"], 0.0, "a flag is for both");
    }
    let init_from = settings["init_from"].as_str().unwrap();
    assert!(Path::new(init_from).is_absolute() && init_from.ends_with(step));

    // A lone discriminator's generator starts fresh, and that is said; so does that of a pair whose
    // replacements came from no generator.
    pretrain(folder, "uniform", "--uniform-generator");
    for (origin, output) in [
        (format!("{step}/discriminator"), "lone"),
        ("uniform".to_owned(), "after-uniform"),
    ] {
        let done = kiln(
            folder,
            &format!(
                "pretrain electra --corpus text.txt --init-from {origin} --output {output} {SMALL} \
                 {quiet}"
            ),
        );
        assert!(
            done.stderr.contains("holds a discriminator alone"),
            "{}",
            done.stderr
        );
        done.ok();
    }
    assert_ne!(first_loss(folder, "lone"), expected);

    for (flags, remedy) in [
        (format!("--init-from {step}/generator"), "--init-generator"),
        // Its config does not make it a discriminator.
        (
            format!("--init-from {step}/generator --config electra.json"),
            "--init-generator",
        ),
        (
            format!("--init-from {step} --generator-size 0.5"),
            "discriminator's folder alone",
        ),
    ] {
        let command = format!("pretrain electra --corpus text.txt --output x {SMALL} {flags}");
        let line = kiln(folder, &command).error(2);
        assert!(line.contains(remedy), "{flags}: {line}");
    }
}

#[test]
fn a_generator_without_a_discriminator_is_a_start_too() {
    let folder = folder();
    let folder = folder.path();
    pretrain(folder, "first", "--generator-size 0.5");
    let generator = "first/checkpoints/step-00000006/generator";
    pretrain(folder, "second", &format!("--init-generator {generator}"));
    let settings = read_json(&folder.join("second/config.json"));
    assert!(settings["init_from"].is_null());
    let replaced = &settings["objective"]["detection"];
    let init_generator = replaced["init_generator"].as_str().unwrap();
    assert!(Path::new(init_generator).is_absolute() && init_generator.ends_with(generator));
    assert_eq!(replaced["generator"]["hidden_size"], 16);

    // Another config for the same weights, which says neither its kind nor its vocabulary.
    let config = CONFIG
        .replace("\"model_type\": \"electra\", ", "")
        .replace("\"hidden_size\": 32", "\"hidden_size\": 16")
        .replace("\"num_attention_heads\": 2", "\"num_attention_heads\": 1");
    let config = config.replace("}", ", \"hidden_act\": \"relu\"}");
    fs::write(folder.join("generator.json"), config).unwrap();
    let flags = format!("--init-generator {generator} --generator-config generator.json");
    pretrain(folder, "third", &flags);
    let settings = read_json(&folder.join("third/config.json"));
    let config = &settings["objective"]["detection"]["generator"];
    assert_eq!(config["hidden_act"], "relu");
    assert_eq!(config["vocab_size"], settings["model"]["vocab_size"]);
}

#[test]
fn a_run_of_bert_is_a_start_as_its_newest_checkpoint_is() {
    let folder = folder();
    let folder = folder.path();
    let bert = |from: &str, output: &str| {
        let command =
            format!("pretrain bert --corpus text.txt {from} --output {output} {SMALL} --json");
        kiln(folder, &command).json()
    };
    fs::write(folder.join("bert.json"), TINY_CONFIG).unwrap();
    let first = bert("--tokenizer tok --config bert.json", "bert");
    assert_eq!(first["also"].as_array().unwrap().len(), 0);
    bert("--init-from bert", "again");
    let settings = read_json(&folder.join("again/config.json"));
    let init_from = settings["init_from"].as_str().unwrap();
    assert!(init_from.ends_with("bert/checkpoints/step-00000006"));
}
