//! DeBERTa through every command: both objectives, all heads, all ways of sharing and starting.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::command::{TINY_CONFIG, kiln, kiln_with, read_json, write_corpus};

const CONFIG: &str = r#"{"model_type": "deberta-v2", "hidden_size": 32, "num_hidden_layers": 3,
    "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 32,
    "relative_attention": true, "position_biased_input": false, "pos_att_type": "p2c|c2p",
    "position_buckets": 8, "share_att_key": true, "norm_rel_ebd": "layer_norm"}"#;

const SMALL: &str = "--steps 6 --batch-size 4 --seq-len 32 --log-every 2 --lr 1e-3";

/// The last checkpoint of a run.
const STEP: &str = "checkpoints/step-00000006";

const POSITIONS: &str = "deberta.embeddings.position_embeddings.weight";

/// A folder with `text.txt`, `deberta.json` and the tokenizer `tok`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_corpus(&folder.path().join("text.txt"));
    fs::write(folder.path().join("deberta.json"), CONFIG).unwrap();
    kiln(
        folder.path(),
        "tokenizer train --arch deberta --corpus text.txt --vocab-size 150 --output tok",
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
        "--tokenizer tok --config deberta.json"
    };
    let command =
        format!("pretrain deberta --corpus text.txt {from} --output {output} {SMALL} {flags}");
    let done = kiln(folder, &command);
    (done.stderr.clone(), done.ok())
}

/// Shapes by name of a folder's model.safetensors.
fn tensors(folder: &Path) -> BTreeMap<String, Vec<usize>> {
    let bytes = fs::read(folder.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.iter();
    tensors
        .map(|(name, view)| (name.to_owned(), view.shape().to_vec()))
        .collect()
}

fn fill_mask(folder: &Path, model: &str) -> crate::command::Done {
    let arguments = [
        "predict",
        "fill-mask",
        "--model",
        model,
        "--json",
        "the [MASK]",
    ];
    kiln_with(folder, &arguments, "")
}

fn replaced_tokens(folder: &Path, model: &str) -> crate::command::Done {
    let command = "predict replaced-tokens --json --model";
    let mut arguments: Vec<&str> = command.split(' ').collect();
    arguments.extend([model, "the clay cooled"]);
    kiln_with(folder, &arguments, "")
}

#[test]
fn raw_text_becomes_a_generator_and_a_discriminator() {
    let folder = folder();
    let folder = folder.path();
    let (_, stdout) = pretrain(folder, "run", "");
    for expected in [
        "(done, 6 of 6 steps)",
        "generator_loss",
        "discriminator_auc",
        "[MASK]",
        "kiln predict fill-mask",
        "kiln predict replaced-tokens",
    ] {
        assert!(stdout.contains(expected), "{expected}: {stdout}");
    }
    let settings = read_json(&folder.join("run/config.json"));
    assert_eq!(settings["architecture"], "deberta");
    let objective = &settings["objective"];
    assert_eq!(objective["examples"]["kind"], "packed");
    assert_eq!(objective["masking"]["mask_share"], 1.0);
    assert_eq!(objective["masking"]["max_ngram"], 1);
    let replaced = &objective["detection"];
    assert_eq!(replaced["sharing"], "gradient-disentangled");
    assert_eq!(replaced["alternating"], true);
    assert_eq!(replaced["discriminator_weight"], 10.0);

    let checkpoint = folder.join("run").join(STEP);
    for (half, class, layers) in [
        ("generator", "DebertaV2ForMaskedLM", 2),
        ("discriminator", "DebertaV2ForPreTraining", 3),
    ] {
        assert!(checkpoint.join(half).join("tokenizer.json").is_file());
        let config = read_json(&checkpoint.join(half).join("config.json"));
        assert_eq!(config["architectures"][0], class);
        assert_eq!(config["model_type"], "deberta-v2");
        assert_eq!(config["num_hidden_layers"], layers);
        let tensors = tensors(&checkpoint.join(half));
        assert_eq!(tensors.contains_key(POSITIONS), half == "generator");
        let words = &tensors["deberta.embeddings.word_embeddings.weight"];
        assert_eq!(words[1], 32);
        assert!(!tensors.keys().any(|name| name.contains("_weight")));
    }
    assert!(
        checkpoint
            .join("embedding_difference.safetensors")
            .is_file()
    );
    let metrics = fs::read_to_string(folder.join("run/metrics.jsonl")).unwrap();
    let last: Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    for key in [
        "generator_loss",
        "sampled_accuracy",
        "discriminator_loss",
        "replaced",
    ] {
        assert!(last[key].is_number(), "{key}: {last}");
    }

    for model in ["run", "run/checkpoints/step-00000006/generator"] {
        let filled = fill_mask(folder, model).json();
        assert_eq!(filled["masks"].as_array().unwrap().len(), 1);
    }
    for model in ["run", "run/checkpoints/step-00000006/discriminator"] {
        let scored = replaced_tokens(folder, model).json();
        let tokens = scored["tokens"].as_array().unwrap();
        assert_eq!(tokens[0]["token"], "[CLS]");
        for token in tokens {
            assert!((0.0..=1.0).contains(&token["replaced"].as_f64().unwrap()));
        }
    }
    // Either half is no substitute for the other.
    let line = fill_mask(folder, "run/checkpoints/step-00000006/discriminator").error(1);
    assert!(line.contains("predictions"), "{line}");
    let line = replaced_tokens(folder, "run/checkpoints/step-00000006/generator").error(1);
    assert!(line.contains("mask_predictions"), "{line}");
    forward(folder);
}

/// The pair stands for its discriminator, unless the task is the generator's.
fn forward(folder: &Path) {
    write_inputs(folder);
    for (model, flags) in [
        ("run", "--grad"),
        ("run/checkpoints/step-00000006/discriminator", "--grad"),
    ] {
        let bytes = run_forward(folder, model, flags);
        let outputs = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(outputs.tensor("logits").unwrap().shape(), [2, 6]);
        assert!(outputs.tensor("loss").unwrap().shape().is_empty());
        let gradient = outputs.tensor("grad.mask_predictions.dense.weight");
        assert_eq!(gradient.unwrap().shape(), [32, 32]);
    }
    for (model, flags) in [
        ("run", "--task fill-mask --grad"),
        ("run/checkpoints/step-00000006/generator", "--grad"),
    ] {
        let bytes = run_forward(folder, model, flags);
        let outputs = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(outputs.tensor("logits").unwrap().shape()[..2], [2, 6]);
        // The mask decoder's.
        let gradient = outputs.tensor(&format!("grad.{POSITIONS}")).unwrap();
        assert_eq!(gradient.shape(), [32, 32]);
    }
}

/// `x.safetensors`: two rows, the second padded.
fn write_inputs(folder: &Path) {
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
}

fn run_forward(folder: &Path, model: &str, flags: &str) -> Vec<u8> {
    let command =
        format!("forward --model {model} --inputs x.safetensors --outputs y.safetensors {flags}");
    kiln(folder, &command).ok();
    fs::read(folder.join("y.safetensors")).unwrap()
}

#[test]
fn every_head_of_masked_language_modelling_trains_and_fills_masks() {
    let folder = folder();
    let folder = folder.path();
    write_inputs(folder);
    for (output, flags, head, has_positions) in [
        ("enhanced", "", "lm_predictions.lm_head", true),
        ("plain", "--mlm-head plain", "lm_predictions.lm_head", false),
        ("legacy", "--mlm-head legacy", "cls.predictions", false),
    ] {
        let (_, stdout) = pretrain(folder, output, &format!("--objective mlm {flags}"));
        assert!(stdout.contains("mlm_perplexity"), "{stdout}");
        assert!(!stdout.contains("replaced-tokens"), "{stdout}");
        let checkpoint = folder.join(output).join(STEP);
        let tensors = tensors(&checkpoint);
        let names = || tensors.keys().filter(|name| !name.starts_with("deberta."));
        assert!(
            names().all(|name| name.starts_with(head)),
            "{output}: {tensors:?}"
        );
        assert_eq!(names().count(), 5, "{output}");
        assert_eq!(tensors.contains_key(POSITIONS), has_positions, "{output}");
        let config = read_json(&checkpoint.join("config.json"));
        assert_eq!(config["legacy"], output == "legacy");
        assert_eq!(config["architectures"][0], "DebertaV2ForMaskedLM");

        let filled = fill_mask(folder, output).json();
        assert_eq!(filled["masks"].as_array().unwrap().len(), 1);
        let bytes = run_forward(folder, output, "--grad");
        let outputs = SafeTensors::deserialize(&bytes).unwrap();
        let gradients = outputs.names().into_iter();
        let gradients = gradients.filter(|name| name.starts_with("grad.")).count();
        assert_eq!(gradients, tensors.len(), "{output}");
    }
    let settings = read_json(&folder.join("enhanced/config.json"));
    let objective = &settings["objective"];
    assert_eq!(objective["masking"]["max_ngram"], 3);
    assert_eq!(objective["masking"]["mask_share"], 0.8);
    assert_eq!(objective["word_head"], "enhanced");
    assert!(objective["detection"].is_null());
}

#[test]
fn every_way_of_sharing_trains_in_turns_and_together() {
    let folder = folder();
    let folder = folder.path();
    for (output, flags) in [
        ("none", "--share none --generator-size 0.5"),
        ("shared", "--share embeddings"),
        ("together", "--steps-of-both together"),
        (
            "shared-together",
            "--share embeddings --steps-of-both together",
        ),
    ] {
        pretrain(folder, output, flags);
        let checkpoint = folder.join(output).join(STEP);
        let difference = checkpoint.join("embedding_difference.safetensors");
        assert_eq!(difference.is_file(), output == "together", "{output}");
        let settings = read_json(&folder.join(output).join("config.json"));
        let replaced = &settings["objective"]["detection"];
        let in_turns = !output.ends_with("together");
        assert_eq!(replaced["alternating"], in_turns, "{output}");
        fill_mask(folder, output).json();
        replaced_tokens(folder, output).json();
    }
}

#[test]
fn a_run_goes_on_to_the_same_bytes_where_it_was_stopped() {
    let folder = folder();
    let folder = folder.path();
    pretrain(folder, "straight", "--save-every 3");
    pretrain(folder, "resumed", "--save-every 3");
    // As if it had been stopped after the third step.
    fs::remove_dir_all(folder.join("resumed").join(STEP)).unwrap();
    kiln(folder, "resume resumed").ok();
    for file in [
        "generator/model.safetensors",
        "discriminator/model.safetensors",
        "embedding_difference.safetensors",
    ] {
        let read = |run: &str| fs::read(folder.join(run).join(STEP).join(file)).unwrap();
        assert!(read("straight") == read("resumed"), "{file}");
    }
}

/// The first step's value, with all its digits.
fn first(folder: &Path, run: &str, key: &str) -> String {
    let metrics = fs::read_to_string(folder.join(run).join("metrics.jsonl")).unwrap();
    let first: Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    first[key].to_string()
}

#[test]
fn a_run_starts_from_a_pair_from_either_half_and_from_a_masked_language_model() {
    let folder = folder();
    let folder = folder.path();
    pretrain(folder, "first", "");
    let step = format!("first/{STEP}");
    let quiet = "--hidden-dropout 0 --attention-dropout 0 --seed 5";

    // A run and its checkpoint are the same pair; so are its halves, named one by one.
    let halves = format!("--init-from {step}/discriminator --init-generator {step}/generator");
    for (output, from) in [
        ("run", "--init-from first".to_owned()),
        ("pair", format!("--init-from {step}")),
        ("halves", halves),
    ] {
        let (stderr, _) = pretrain(folder, output, &format!("{from} {quiet}"));
        assert!(!stderr.contains("freshly initialised"), "{stderr}");
        assert_eq!(first(folder, output, "loss"), first(folder, "run", "loss"));
        let settings = read_json(&folder.join(output).join("config.json"));
        let generator = &settings["objective"]["detection"]["generator"];
        assert_eq!(generator["num_hidden_layers"], 2, "{output}");
        assert_eq!(settings["model"]["num_hidden_layers"], 3, "{output}");
    }

    // A lone discriminator's words are its generator's; above them it starts fresh.
    let lone = format!("--init-from {step}/discriminator {quiet}");
    let (stderr, _) = pretrain(folder, "lone", &lone);
    assert!(stderr.contains("above its words"), "{stderr}");

    // Words alone: from the pair it is the generator that goes on, head and mask decoder included.
    let mlm = format!("--objective mlm {quiet}");
    for (output, from) in [
        ("words", step.clone()),
        ("same", format!("{step}/generator")),
    ] {
        let (stderr, _) = pretrain(folder, output, &format!("--init-from {from} {mlm}"));
        assert!(!stderr.contains("freshly initialised"), "{stderr}");
        let settings = read_json(&folder.join(output).join("config.json"));
        assert_eq!(settings["model"]["num_hidden_layers"], 2, "{output}");
    }
    assert_eq!(
        first(folder, "words", "loss"),
        first(folder, "same", "loss")
    );

    // A masked language model goes on, and is a discriminator's encoder too.
    let (stderr, _) = pretrain(folder, "again", &format!("--init-from words {mlm}"));
    assert!(!stderr.contains("freshly initialised"), "{stderr}");
    let (stderr, _) = pretrain(folder, "rtd", &format!("--init-from words {quiet}"));
    assert!(stderr.contains("mask_predictions"), "{stderr}");
}

#[test]
fn a_preset_brings_its_objective_and_the_settings_it_was_trained_with() {
    let folder = folder();
    let folder = folder.path();
    let start = |output: &str, flags: &str| {
        let command = format!(
            "pretrain deberta --corpus text.txt --tokenizer tok --output {output} --steps 1 \
             --batch-size 2 --seq-len 32 --held-out 0 {flags}"
        );
        kiln(folder, &command).ok();
        read_json(&folder.join(output).join("config.json"))
    };
    let settings = start("tiny", "");
    assert!(settings["objective"]["detection"].is_object());
    assert_eq!(settings["model"]["initializer_range"], 0.1);
    assert_eq!(settings["training"]["optimizer"]["learning_rate"], 1e-3);
    assert_eq!(settings["training"]["optimizer"]["bias_correction"], true);
    assert_eq!(settings["training"]["schedule"], "linear");
    let settings = start("published", "--preset xsmall --objective mlm");
    assert_eq!(settings["model"]["initializer_range"], 0.02);
    assert_eq!(settings["training"]["optimizer"]["learning_rate"], 3e-4);
    assert_eq!(settings["training"]["optimizer"]["bias_correction"], false);
    assert_eq!(settings["training"]["schedule"], "original");
    let settings = start("config", "--config deberta.json --objective mlm");
    assert!(settings["objective"]["detection"].is_null());
    assert_eq!(settings["training"]["optimizer"]["bias_correction"], true);
    assert_eq!(settings["training"]["schedule"], "linear");
}

#[test]
fn what_can_not_be_trained_is_refused_in_one_line() {
    let folder = folder();
    let folder = folder.path();
    fs::write(folder.join("bert.json"), TINY_CONFIG).unwrap();
    let narrow = CONFIG.replace(
        "\"hidden_size\": 32",
        "\"hidden_size\": 32, \"embedding_size\": 24",
    );
    fs::write(folder.join("narrow.json"), narrow).unwrap();
    let flat = CONFIG.replace("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 1");
    fs::write(folder.join("flat.json"), flat).unwrap();
    for (code, command, expected) in [
        (
            2,
            "bert --config bert.json --objective mlm",
            "bert has one objective alone",
        ),
        (
            2,
            "bert --config bert.json --mlm-head plain",
            "--mlm-head: bert has no such option; leave the flag out, or train deberta with \
             --objective mlm",
        ),
        (
            2,
            "bert --config bert.json --steps-of-both turns",
            "--steps-of-both: bert has no such option; leave the flag out, or train electra or \
             deberta with --objective rtd",
        ),
        (
            2,
            "deberta --config deberta.json --objective nonsense",
            "deberta has rtd, mlm",
        ),
        (
            2,
            "deberta --config deberta.json --share all",
            "sharing = all: deberta shares words alone",
        ),
        (
            2,
            "deberta --config deberta.json --uniform-generator",
            "uniform_generator: deberta",
        ),
        (
            2,
            "deberta --config deberta.json --mlm-head plain",
            "--mlm-head: deberta with this objective has no such option",
        ),
        (
            2,
            "deberta --config deberta.json --objective mlm --share none",
            "--share: deberta with this objective has no",
        ),
        (
            2,
            "deberta --config deberta.json --no-next-sentence",
            "--no-next-sentence: deberta has no",
        ),
        (
            2,
            "deberta --config deberta.json --seq-len 40",
            "32 positions",
        ),
        (
            1,
            "deberta --config narrow.json --objective mlm",
            "embedding_size",
        ),
        (
            1,
            "deberta --config flat.json --objective mlm",
            "num_hidden_layers",
        ),
        (2, "deberta --config bert.json", "model_type = bert"),
        (2, "deberta --preset huge", "deberta has tiny, xsmall"),
    ] {
        let (architecture, flags) = command.split_once(' ').unwrap();
        let done = kiln(
            folder,
            &format!(
                "pretrain {architecture} --corpus text.txt --tokenizer tok --output x --steps 2 \
                 {flags}"
            ),
        );
        let line = done.error(code);
        assert!(line.contains(expected), "{command}: {line}");
        assert!(!folder.join("x").exists(), "{command}");
    }
}
