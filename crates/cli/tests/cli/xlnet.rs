//! XLNet through every command: pretraining with memory and without, resuming, starting from a model,
//! filling masks, a forward pass with an order and a memory.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::command::{TINY_CONFIG, kiln, kiln_with, read_json, write_corpus};

const CONFIG: &str = r#"{"model_type": "xlnet", "d_model": 32, "n_layer": 2, "n_head": 2,
    "d_inner": 64, "mem_len": 24, "reuse_len": 16, "bi_data": true, "use_mems_train": true}"#;

const SMALL: &str = "--steps 6 --batch-size 4 --seq-len 32 --log-every 2 --lr 1e-3 --held-out 0.2";

/// The last checkpoint of a run.
const STEP: &str = "checkpoints/step-00000006";

/// A folder with `text.txt`, `xlnet.json` and the tokenizer `tok`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_corpus(&folder.path().join("text.txt"));
    fs::write(folder.path().join("xlnet.json"), CONFIG).unwrap();
    kiln(
        folder.path(),
        "tokenizer train --arch xlnet --corpus text.txt --vocab-size 150 --output tok",
    )
    .ok();
    folder
}

/// What a run wrote to stderr, and to stdout.
fn pretrain(folder: &Path, output: &str, flags: &str) -> (String, String) {
    // A model to start from brings its config and its tokenizer.
    let from = if flags.contains("--init-from") {
        ""
    } else {
        "--tokenizer tok --config xlnet.json"
    };
    let command =
        format!("pretrain xlnet --corpus text.txt {from} --output {output} {SMALL} {flags}");
    let done = kiln(folder, &command);
    (done.stderr.clone(), done.ok())
}

fn last_record(folder: &Path, run: &str) -> Value {
    let metrics = fs::read_to_string(folder.join(run).join("metrics.jsonl")).unwrap();
    serde_json::from_str(metrics.lines().last().unwrap()).unwrap()
}

#[test]
fn raw_text_becomes_an_xlnet_that_fills_masks() {
    let folder = folder();
    let folder = folder.path();
    assert!(folder.join("tok/spiece.model").is_file());
    let (_, stdout) = pretrain(folder, "run", "");
    for expected in [
        "(done, 6 of 6 steps)",
        "plm_loss",
        "<mask>",
        "kiln predict fill-mask",
    ] {
        assert!(stdout.contains(expected), "{expected}: {stdout}");
    }
    let settings = read_json(&folder.join("run/config.json"));
    assert_eq!(settings["architecture"], "xlnet");
    let objective = &settings["objective"];
    assert_eq!(objective["kind"], "permuted-lm");
    assert_eq!(objective["num_predict"], 5);
    assert_eq!(objective["max_gram"], 5);
    let last = last_record(folder, "run");
    for key in ["plm_loss", "plm_perplexity", "plm_accuracy"] {
        assert!(last[key].is_number(), "{key}: {last}");
    }

    let checkpoint = folder.join("run").join(STEP);
    let config = read_json(&checkpoint.join("config.json"));
    assert_eq!(config["architectures"][0], "XLNetLMHeadModel");
    assert_eq!(config["mem_len"], 24);
    // transformers would read half of any batch backwards.
    assert_eq!(config["bi_data"], false);
    assert_eq!(settings["model"]["bi_data"], true);
    let bytes = fs::read(checkpoint.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let shape = |name: &str| file.tensor(name).unwrap().shape().to_vec();
    assert_eq!(shape("transformer.layer.1.rel_attn.o"), [32, 2, 16]);
    assert_eq!(shape("transformer.mask_emb"), [1, 1, 32]);
    assert!(file.tensor("lm_loss.weight").is_err(), "tied to the words");
    // 17 a layer, the words, the mask, the head's bias.
    assert_eq!(file.len(), 2 * 17 + 3);
    let carry = fs::read(checkpoint.join("training/carry-0.safetensors")).unwrap();
    let carry = SafeTensors::deserialize(&carry).unwrap();
    assert_eq!(carry.tensor("mems.1").unwrap().shape(), [4, 24, 32]);

    let arguments = "predict fill-mask --model run --json";
    let mut arguments: Vec<&str> = arguments.split(' ').collect();
    arguments.push("the <mask> slowly <mask> the clay.");
    let filled = kiln_with(folder, &arguments, "").json();
    let masks = filled["masks"].as_array().unwrap();
    assert_eq!(masks.len(), 2);
    for mask in masks {
        let scores = mask["candidates"].as_array().unwrap().iter();
        let scores: f64 = scores.map(|c| c["score"].as_f64().unwrap()).sum();
        assert!(scores > 0.0 && scores <= 1.0 + 1e-6, "{mask}");
    }
    forward(folder);
}

/// An order of prediction, and a memory that goes on from one call to the next.
fn forward(folder: &Path) {
    let le = |values: &[i64]| {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        bytes.collect::<Vec<u8>>()
    };
    let ids = le(&[20, 31, 22, 40, 4, 3, 25, 26, 33, 28, 4, 3]);
    // Nobody sees the second and the third token of either row.
    let row = [0, 1, 1, 0, 0, 0];
    let hidden = le(&row.repeat(12));
    let mut mapping = [0; 24];
    for (slot, position) in [(0, 1), (1, 2), (2, 1), (3, 2)] {
        mapping[slot * 6 + position] = 1;
    }
    let mapping = le(&mapping);
    let labels = le(&[31, 22, 26, 33]);
    let view = |bytes, shape: &[usize]| TensorView::new(Dtype::I64, shape.to_vec(), bytes).unwrap();
    let mut inputs = BTreeMap::from([
        ("input_ids".to_owned(), view(&ids, &[2, 6])),
        ("perm_mask".to_owned(), view(&hidden, &[2, 6, 6])),
        ("target_mapping".to_owned(), view(&mapping, &[2, 2, 6])),
        ("labels".to_owned(), view(&labels, &[2, 2])),
    ]);
    let run = |inputs: &BTreeMap<String, TensorView<'_>>| {
        let bytes = safetensors::serialize(inputs.iter(), None).unwrap();
        fs::write(folder.join("x.safetensors"), bytes).unwrap();
        let command = "forward --model run --inputs x.safetensors --outputs y.safetensors --grad";
        kiln(folder, command).ok();
        fs::read(folder.join("y.safetensors")).unwrap()
    };
    let first = run(&inputs);
    let outputs = SafeTensors::deserialize(&first).unwrap();
    let logits = outputs.tensor("logits").unwrap();
    assert_eq!(logits.shape()[..2], [2, 2]);
    let gradient = outputs.tensor("grad.transformer.mask_emb").unwrap();
    assert_eq!(gradient.shape(), [1, 1, 32]);
    let memory: Vec<_> = [0, 1]
        .map(|layer| format!("mems.{layer}"))
        .into_iter()
        .map(|name| {
            let tensor = outputs.tensor(&name).unwrap();
            assert_eq!(tensor.shape(), [6, 2, 32]);
            (name, tensor)
        })
        .collect();
    inputs.extend(memory);
    let second = run(&inputs);
    let outputs = SafeTensors::deserialize(&second).unwrap();
    assert_ne!(outputs.tensor("logits").unwrap().data(), logits.data());
    assert_eq!(outputs.tensor("mems.0").unwrap().shape(), [12, 2, 32]);
}

#[test]
fn a_run_goes_on_with_its_memory_to_the_same_bytes_where_it_was_stopped() {
    let folder = folder();
    let folder = folder.path();
    pretrain(folder, "straight", "--save-every 3");
    pretrain(folder, "resumed", "--save-every 3");
    // As if it had been stopped after the third step.
    fs::remove_dir_all(folder.join("resumed").join(STEP)).unwrap();
    kiln(folder, "resume resumed").ok();
    for file in ["model.safetensors", "training/carry-0.safetensors"] {
        let read = |run: &str| fs::read(folder.join(run).join(STEP).join(file)).unwrap();
        assert!(read("straight") == read("resumed"), "{file}");
    }
}

/// Each memory stays with its micro-batch, on whatever device that is computed.
#[test]
fn a_run_goes_on_with_its_memories_where_its_devices_change_and_its_micro_batches_do_not() {
    let folder = folder();
    let folder = folder.path();
    let two = "--backend flex --backend flex --save-every 3";
    pretrain(folder, "straight", two);
    pretrain(folder, "resumed", two);
    fs::remove_dir_all(folder.join("resumed").join(STEP)).unwrap();
    let done = kiln(folder, "resume resumed --backend flex --accumulate 2");
    assert!(done.stderr.contains("accumulate 1 -> 2"), "{done:?}");
    done.ok();
    for file in [
        "model.safetensors",
        "training/model.safetensors",
        "training/carry-0.safetensors",
        "training/carry-1.safetensors",
    ] {
        let read = |run: &str| fs::read(folder.join(run).join(STEP).join(file)).unwrap();
        assert!(read("straight") == read("resumed"), "{file}");
    }
}

#[test]
fn memory_and_directions_are_flags_and_can_be_left_out() {
    let folder = folder();
    let folder = folder.path();
    let flags = "--mem-len 0 --bi-data false --perm-size 8 --mask-rate 0.25 --hidden-dropout 0";
    pretrain(folder, "alone", flags);
    let settings = read_json(&folder.join("alone/config.json"));
    assert_eq!(settings["model"]["mem_len"], 0);
    assert_eq!(settings["model"]["bi_data"], false);
    assert_eq!(settings["model"]["dropout"], 0.0);
    assert_eq!(settings["objective"]["perm_size"], 8);
    assert_eq!(settings["objective"]["num_predict"], 8);
    let training = folder.join("alone").join(STEP).join("training");
    assert!(!training.join("carry-0.safetensors").exists());
}

#[test]
fn more_lanes_than_the_text_has_are_refused_and_change_nothing_of_the_run() {
    let folder = folder();
    let folder = folder.path();
    pretrain(folder, "run", "--save-every 3");
    let settings = fs::read(folder.join("run/config.json")).unwrap();
    let command = "resume run --from-step 5 --batch-size 4096";
    let line = kiln(folder, command).late_error(2);
    assert!(line.contains("lanes of at least"), "{line}");
    assert!(fs::read(folder.join("run/config.json")).unwrap() == settings);
    assert!(folder.join("run").join(STEP).is_dir() && !folder.join("run/set-aside").exists());
    // A change that holds tells what it does to lanes, which have no place behind what was read.
    let done = kiln(folder, "resume run --steps 7 --batch-size 2");
    assert!(
        done.stderr.contains("the text is cut into other lanes"),
        "{done:?}"
    );
    assert!(!done.stderr.contains("goes on behind"), "{done:?}");
    done.ok();
}

#[test]
fn a_run_starts_from_a_checkpoint() {
    let folder = folder();
    let folder = folder.path();
    pretrain(folder, "first", "");
    let (stderr, _) = pretrain(folder, "second", "--init-from first");
    assert!(!stderr.contains("freshly initialised"), "{stderr}");
    let loss = |run: &str, line: usize| {
        let metrics = fs::read_to_string(folder.join(run).join("metrics.jsonl")).unwrap();
        let record: Value = serde_json::from_str(metrics.lines().nth(line).unwrap()).unwrap();
        record["loss"].as_f64().unwrap()
    };
    // It has learned something, and it is not lost.
    assert!(loss("second", 0) < loss("first", 0));
}

#[test]
fn a_preset_brings_its_memory_and_the_settings_it_was_trained_with() {
    let folder = folder();
    let folder = folder.path();
    kiln(
        folder,
        "pretrain xlnet --corpus text.txt --tokenizer tok --output tiny --steps 1 --batch-size 2 \
         --seq-len 32 --held-out 0",
    )
    .ok();
    let settings = read_json(&folder.join("tiny/config.json"));
    assert_eq!(settings["model"]["mem_len"], 24);
    assert_eq!(settings["model"]["reuse_len"], 16);
    assert_eq!(settings["model"]["bi_data"], true);
    assert_eq!(settings["model"]["initializer_range"], 0.1);
    assert_eq!(settings["model"]["dropout"], 0.0);
    assert_eq!(settings["training"]["optimizer"]["learning_rate"], 2e-3);
    assert_eq!(settings["training"]["optimizer"]["bias_correction"], true);
}

#[test]
fn what_can_not_be_trained_is_refused_in_one_line() {
    let folder = folder();
    let folder = folder.path();
    fs::write(folder.join("bert.json"), TINY_CONFIG).unwrap();
    let uni = CONFIG.replace("\"bi_data\": true", "\"attn_type\": \"uni\"");
    fs::write(folder.join("uni.json"), uni).unwrap();
    for (command, expected) in [
        (
            "bert --config bert.json --mem-len 8",
            "--mem-len: bert has no such option; leave the flag out, or train xlnet",
        ),
        (
            "bert --config bert.json --perm-size 8",
            "--perm-size: bert has no",
        ),
        ("xlnet --config xlnet.json --batch-size 3", "batch_size = 3"),
        (
            "xlnet --config xlnet.json --examples pairs",
            "--examples: xlnet has no such option; leave the flag out, or train bert or electra or \
             deberta",
        ),
        (
            "xlnet --config xlnet.json --mask-share 0.8",
            "--mask-share: xlnet has no",
        ),
        (
            "xlnet --config xlnet.json --short-seq-prob 0.1",
            "--short-seq-prob: xlnet has no",
        ),
        ("xlnet --config xlnet.json --perm-size 7", "perm_size = 7"),
        ("xlnet --config xlnet.json --reuse-len 30", "reuse_len = 30"),
        ("xlnet --config xlnet.json --share none", "--share"),
        (
            "xlnet --config xlnet.json --no-next-sentence",
            "--no-next-sentence",
        ),
        ("xlnet --config uni.json", "attn_type"),
        ("xlnet --config xlnet.json --reuse-len 0", "reuse_len = 0"),
        (
            "xlnet --config xlnet.json --hidden-dropout 0 --attention-dropout 0.1",
            "xlnet has one rate",
        ),
    ] {
        let command = format!(
            "pretrain {command} --corpus text.txt --tokenizer tok --output out --seq-len 32"
        );
        let line = kiln(folder, &command).error(2);
        assert!(line.contains(expected), "{command}: {line}");
        assert!(!folder.join("out").exists());
    }
    // A tokenizer of another layout would build other sequences than it saves.
    kiln(
        folder,
        "tokenizer train --arch bert --corpus text.txt --vocab-size 150 --output words",
    )
    .ok();
    let command = "pretrain xlnet --config xlnet.json --corpus text.txt --tokenizer words --output \
                   other --seq-len 32";
    let line = kiln(folder, command).error(2);
    assert!(line.contains("kiln tokenizer train --arch xlnet"), "{line}");
    // The text is too short for so many lanes of so long sequences: known once it is tokenised.
    let command = "pretrain xlnet --config xlnet.json --corpus text.txt --tokenizer tok --output out \
                   --seq-len 256 --reuse-len 128 --batch-size 64";
    let line = kiln(folder, command).late_error(2);
    assert!(line.contains("lanes of at least 256 tokens"), "{line}");
}
