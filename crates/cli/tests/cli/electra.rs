//! ELECTRA through every command: two folders in a checkpoint, and what is made of them.

mod settings;
mod starting;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::command::{kiln, kiln_with, read_json, write_corpus};

const CONFIG: &str = r#"{"model_type": "electra", "embedding_size": 24, "hidden_size": 32,
    "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64,
    "max_position_embeddings": 32}"#;

const SMALL: &str = "--steps 6 --batch-size 4 --seq-len 32 --log-every 2 --lr 1e-3";

/// A folder with `text.txt`, `electra.json` and the tokenizer `tok`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_corpus(&folder.path().join("text.txt"));
    fs::write(folder.path().join("electra.json"), CONFIG).unwrap();
    kiln(
        folder.path(),
        "tokenizer train --arch electra --corpus text.txt --vocab-size 150 --output tok",
    )
    .ok();
    folder
}

fn pretrain(folder: &Path, output: &str, flags: &str) -> String {
    // A model to start from brings its config and its tokenizer.
    let from = if flags.contains("--init-from") {
        ""
    } else {
        "--tokenizer tok --config electra.json"
    };
    kiln(
        folder,
        &format!("pretrain electra --corpus text.txt {from} --output {output} {SMALL} {flags}"),
    )
    .ok()
}

#[test]
fn raw_text_becomes_a_generator_and_a_discriminator() {
    let folder = folder();
    let folder = folder.path();
    let stdout = pretrain(folder, "run", "--generator-size 0.5");
    for expected in [
        "(done, 6 of 6 steps)",
        "generator_loss",
        "discriminator_auc",
        "[MASK]",
        "kiln predict fill-mask",
        "kiln predict replaced-tokens",
        "  discriminator: ",
        " replaced, of the others at most ",
        "discriminator_recall",
        ", replaced 0.",
    ] {
        assert!(stdout.contains(expected), "{expected}: {stdout}");
    }
    let settings = read_json(&folder.join("run/config.json"));
    assert_eq!(settings["architecture"], "electra");
    assert_eq!(settings["objective"]["examples"]["kind"], "segments");
    assert_eq!(settings["objective"]["masking"]["max_predictions"], 4);
    let replaced = &settings["objective"]["detection"];
    assert_eq!(replaced["sharing"], "embeddings");
    assert_eq!(replaced["generator_size"], 0.5);
    assert_eq!(replaced["discriminator_weight"], 50.0);

    let checkpoint = folder.join("run/checkpoints/step-00000006");
    for (half, class, hidden_size) in [
        ("generator", "ElectraForMaskedLM", 16),
        ("discriminator", "ElectraForPreTraining", 32),
    ] {
        for file in [
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
        ] {
            assert!(checkpoint.join(half).join(file).is_file(), "{half}/{file}");
        }
        let config = read_json(&checkpoint.join(half).join("config.json"));
        assert_eq!(config["architectures"][0], class);
        assert_eq!(config["hidden_size"], hidden_size);
        assert_eq!(config["embedding_size"], 24);
    }
    let metrics = fs::read_to_string(folder.join("run/metrics.jsonl")).unwrap();
    let last: Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    for key in [
        "generator_loss",
        "generator_accuracy",
        "sampled_accuracy",
        "discriminator_loss",
        "discriminator_accuracy",
        "discriminator_precision",
        "discriminator_recall",
        "discriminator_auc",
        "replaced",
    ] {
        assert!(last[key].is_number(), "{key}: {last}");
    }
    let report = fs::read_to_string(folder.join("run/report.html")).unwrap();
    assert!(report.contains("Discriminator recall"), "its charts");
    assert!(report.contains("detection.temperature"), "its settings");

    predict(folder);
    forward(folder);
}

fn predict(folder: &Path) {
    for model in [
        "run",
        "run/checkpoints/step-00000006",
        "run/checkpoints/step-00000006/generator",
    ] {
        let arguments = [
            "predict",
            "fill-mask",
            "--model",
            model,
            "--json",
            "the [MASK]",
        ];
        let filled = kiln_with(folder, &arguments, "").json();
        assert_eq!(filled["masks"].as_array().unwrap().len(), 1);
    }
    for model in ["run", "run/checkpoints/step-00000006/discriminator"] {
        let arguments = [
            "predict",
            "replaced-tokens",
            "--model",
            model,
            "--json",
            "the clay cooled",
        ];
        let scored = kiln_with(folder, &arguments, "").json();
        let tokens = scored["tokens"].as_array().unwrap();
        assert_eq!(tokens[0]["token"], "[CLS]");
        for token in tokens {
            assert!((0.0..=1.0).contains(&token["replaced"].as_f64().unwrap()));
        }
    }
    let all = [
        "predict",
        "replaced-tokens",
        "--model",
        "run",
        "--threshold",
        "0",
    ];
    let lines = kiln_with(folder, &all, "the clay\nthe river cooled\n").ok();
    assert!(lines.contains("the river cooled\n    [CLS] "), "{lines}");
    // Nothing is below 0.
    let tokens = lines.lines().filter(|line| line.starts_with("    "));
    assert!(
        tokens.clone().count() > 6 && tokens.clone().all(|line| line.ends_with("  replaced")),
        "{lines}"
    );

    // Either half is no substitute for the other.
    let swapped = |command: &str, half: &str| {
        let model = format!("run/checkpoints/step-00000006/{half}");
        let arguments = ["predict", command, "--model", &model, "the [MASK]"];
        kiln_with(folder, &arguments, "").error(1)
    };
    let line = swapped("fill-mask", "discriminator");
    assert!(line.contains("generator_predictions"), "{line}");
    let line = swapped("replaced-tokens", "generator");
    assert!(line.contains("discriminator_predictions"), "{line}");
    for threshold in ["2", "nan"] {
        let command = format!("predict replaced-tokens --model run --threshold {threshold} x");
        let line = kiln(folder, &command).error(2);
        assert!(line.starts_with("error: --threshold "), "{line}");
    }
}

/// Inputs in, the outputs and gradients that the contract names out, for both halves.
fn forward(folder: &Path) {
    let le = |values: &[i64]| {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        bytes.collect::<Vec<u8>>()
    };
    let ids = le(&[2, 7, 8, 4, 9, 3, 2, 10, 4, 11, 3, 0]);
    let mask = le(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]);
    let labels = le(&[0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    let view = |bytes| TensorView::new(Dtype::I64, vec![2, 6], bytes).unwrap();
    let inputs = BTreeMap::from([
        ("input_ids", view(&ids)),
        ("attention_mask", view(&mask)),
        ("labels", view(&labels)),
    ]);
    let bytes = safetensors::serialize(inputs, None).unwrap();
    fs::write(folder.join("x.safetensors"), bytes).unwrap();
    let run = |model: &str, flags: &str| {
        kiln(
            folder,
            &format!(
                "forward --model {model} --inputs x.safetensors --outputs y.safetensors {flags}"
            ),
        )
        .ok();
        fs::read(folder.join("y.safetensors")).unwrap()
    };
    // The pair stands for its discriminator, unless the task is the generator's.
    for (model, flags) in [
        ("run", "--grad"),
        ("run/checkpoints/step-00000006/discriminator", "--grad"),
    ] {
        let bytes = run(model, flags);
        let outputs = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(outputs.tensor("logits").unwrap().shape(), [2, 6]);
        assert!(outputs.tensor("loss").unwrap().shape().is_empty());
        let gradient = outputs
            .tensor("grad.discriminator_predictions.dense.weight")
            .unwrap();
        assert_eq!(gradient.shape(), [32, 32]);
    }
    for (model, flags) in [
        ("run", "--task fill-mask --grad"),
        ("run/checkpoints/step-00000006/generator", "--grad"),
    ] {
        let bytes = run(model, flags);
        let outputs = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(outputs.tensor("logits").unwrap().shape()[..2], [2, 6]);
        let gradient = outputs.tensor("grad.electra.embeddings_project.weight");
        assert_eq!(gradient.unwrap().shape(), [16, 24]);
    }
}

#[test]
fn a_run_goes_on_to_the_same_bytes_where_it_was_stopped() {
    let folder = folder();
    let folder = folder.path();
    pretrain(folder, "straight", "--save-every 3");
    pretrain(folder, "resumed", "--save-every 3");
    // As if it had been stopped after the third step.
    fs::remove_dir_all(folder.join("resumed/checkpoints/step-00000006")).unwrap();
    kiln(folder, "resume resumed").ok();
    for file in [
        "generator/model.safetensors",
        "discriminator/model.safetensors",
    ] {
        let read = |run: &str| {
            let checkpoint = folder.join(run).join("checkpoints/step-00000006");
            fs::read(checkpoint.join(file)).unwrap()
        };
        assert!(read("straight") == read("resumed"), "{file}");
    }
}

#[test]
fn the_summary_as_json_has_what_the_discriminator_says() {
    let folder = folder();
    let folder = folder.path();
    let stdout = pretrain(folder, "run", "--json");
    let done: Value = serde_json::from_str(&stdout).unwrap();
    assert!(
        done["evaluation"]["discriminator_auc"].is_number(),
        "{done}"
    );
    assert!(
        done["next"].as_str().unwrap().contains("fill-mask"),
        "{done}"
    );
    let also = done["also"].as_array().unwrap();
    assert!(
        also[0].as_str().unwrap().contains("replaced-tokens"),
        "{done}"
    );
    let asked = &done["discriminator_sample"];
    let word = asked["word"].as_str().unwrap();
    assert!(asked["text"].as_str().unwrap().contains(word), "{done}");
    for score in ["replaced", "highest_other"] {
        assert!(
            (0.0..=1.0).contains(&asked[score].as_f64().unwrap()),
            "{done}"
        );
    }

    let stdout = pretrain(folder, "uniform", "--uniform-generator --json");
    let done: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(done["samples"].as_array().unwrap().len(), 0);
    assert!(
        done["next"].as_str().unwrap().contains("replaced-tokens"),
        "{done}"
    );
}

#[test]
fn every_way_of_sharing_and_of_replacing_trains() {
    let folder = folder();
    let folder = folder.path();
    for (output, flags) in [
        ("none", "--share none --generator-size 0.5"),
        ("all", "--share all --disallow-correct --temperature 0.7"),
        (
            "weights",
            "--generator-weight 0.5 --discriminator-weight 10 --examples packed",
        ),
    ] {
        pretrain(folder, output, flags);
        let checkpoint = folder.join(output).join("checkpoints/step-00000006");
        assert!(checkpoint.join("generator/config.json").is_file());
    }
    let stdout = pretrain(folder, "uniform", "--uniform-generator");
    assert!(stdout.contains("kiln predict replaced-tokens"), "{stdout}");
    assert!(!stdout.contains("fill-mask"), "{stdout}");
    let checkpoint = folder.join("uniform/checkpoints/step-00000006");
    assert!(checkpoint.join("discriminator/config.json").is_file());
    assert!(!checkpoint.join("generator").exists());
    kiln(folder, "predict replaced-tokens --model uniform clay").ok();
    let line = kiln_with(
        folder,
        &["predict", "fill-mask", "--model", "uniform", "a [MASK]"],
        "",
    );
    assert!(line.error(1).contains("generator"));
}
