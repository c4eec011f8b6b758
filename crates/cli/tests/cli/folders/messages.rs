//! What is no model folder is called by what it is, and the remedy does.

use std::fs;

use super::Model;
use crate::command::{kiln, read_json};

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 440473133\n";

#[test]
fn a_git_lfs_pointer_is_called_by_its_name_whatever_it_stands_for() {
    for (stand_in, path) in [
        ("config.json", "model/config.json"),
        ("model.safetensors", "model/model.safetensors"),
        ("pytorch_model.bin", "model/pytorch_model.bin"),
        (
            "model.safetensors.index.json",
            "model/model.safetensors.index.json",
        ),
    ] {
        let model = Model::of("bert", "encoder");
        if stand_in != "config.json" {
            fs::remove_file(model.path("model/model.safetensors")).unwrap();
        }
        fs::write(model.path(path), POINTER).unwrap();
        let line = model.refusal();
        assert!(
            line.contains(&format!("{path}: is a Git LFS pointer")),
            "{line}"
        );
        assert!(line.contains("git lfs pull"), "{line}");
    }
    // A shard.
    let model = Model::of("bert", "encoder");
    fs::write(model.path("model/a.safetensors"), POINTER).unwrap();
    fs::remove_file(model.path("model/model.safetensors")).unwrap();
    let index = r#"{"weight_map": {"x": "a.safetensors"}}"#;
    fs::write(model.path("model/model.safetensors.index.json"), index).unwrap();
    let line = model.refusal();
    assert!(
        line.contains("model/a.safetensors: is a Git LFS pointer"),
        "{line}"
    );
}

/// The folder that a message says to pass opens.
#[test]
fn a_folder_around_a_model_names_the_one_to_pass() {
    for inner in [
        "snapshots/abc",
        "checkpoint-500",
        "0_Transformer",
        "deep",
        "models--org--name/snapshots/abc",
    ] {
        let model = Model::of("bert", "encoder");
        let expected = model.outputs(&[]);
        let outer = model.path("outer");
        fs::create_dir_all(outer.join(inner).parent().unwrap()).unwrap();
        fs::rename(model.path("model"), outer.join(inner)).unwrap();
        if inner == "0_Transformer" {
            fs::write(outer.join("config.json"), r#"{"__version__": "0.3.6"}"#).unwrap();
            fs::write(outer.join("modules.json"), "[]").unwrap();
        }
        fs::rename(&outer, model.path("model")).unwrap();
        let line = model.refusal();
        assert!(line.contains(&format!("model/{inner}")), "{inner}: {line}");
        fs::rename(model.path("model").join(inner), &outer).unwrap();
        fs::remove_dir_all(model.path("model")).unwrap();
        fs::rename(&outer, model.path("model")).unwrap();
        assert_eq!(model.outputs(&[]), expected, "{inner}");
    }
}

#[test]
fn a_class_that_nobody_has_is_run_as_the_task_says() {
    let model = Model::of("bert", "encoder");
    let expected = model.outputs(&[]);
    model.change_config(&serde_json::json!({"architectures": ["HF_ColBERT"]}));
    let line = model.refusal();
    assert!(
        line.contains("HF_ColBERT is not a class that Kiln has"),
        "{line}"
    );
    assert!(line.contains("--task: embed (BertModel)"), "{line}");
    assert_eq!(model.outputs(&["--task", "embed"]), expected);
    assert_eq!(model.outputs(&["--task", "BertModel"]), expected);
}

#[test]
fn weights_of_another_framework_or_none_are_told_apart() {
    for (name, expected) in [
        (
            "flax_model.msgpack",
            "holds a Flax model (flax_model.msgpack) alone",
        ),
        (
            "tf_model.h5",
            "holds a TensorFlow model (tf_model.h5) alone",
        ),
        ("bert_model.ckpt.index", "holds a TensorFlow checkpoint"),
        ("adapter_config.json", "holds an adapter"),
        (
            "weights.safetensors",
            "looked for in model.safetensors; rename it",
        ),
    ] {
        let model = Model::of("bert", "encoder");
        fs::rename(
            model.path("model/model.safetensors"),
            model.path("model").join(name),
        )
        .unwrap();
        let line = model.refusal();
        assert!(line.contains(expected), "{name}: {line}");
    }
}

#[test]
fn a_file_or_a_runs_settings_in_a_folders_place_are_named() {
    let model = Model::of("bert", "encoder");
    let folder = model.folder.path();
    let forward = "forward --inputs x.safetensors --outputs y.safetensors --model";
    let line = kiln(folder, &format!("{forward} model/model.safetensors")).error(1);
    assert!(
        line.contains("is a file; pass the folder that holds it"),
        "{line}"
    );
    let line = kiln(folder, &format!("{forward} nowhere")).error(1);
    assert!(line.contains("nowhere: no such folder"), "{line}");

    let settings = r#"{"model": {"hidden_size": 8}, "training": {"seed": 1}}"#;
    fs::write(folder.join("run.json"), settings).unwrap();
    fs::write(folder.join("text.txt"), "The potter opened the kiln.\n").unwrap();
    let pretrain = "pretrain bert --corpus text.txt --output new --steps 1";
    let line = kiln(folder, &format!("{pretrain} --config run.json")).error(2);
    assert!(line.contains("these are the settings of a run"), "{line}");
    let line = kiln(
        folder,
        &format!("{pretrain} --init-from model/model.safetensors"),
    )
    .error(1);
    assert!(line.contains("is a file; pass the folder"), "{line}");
    assert!(!folder.join("new").exists());
}

/// A config is taken from a run as weights are: from its newest checkpoint.
#[test]
fn the_config_of_a_run_is_that_of_its_newest_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    crate::command::write_corpus(&folder.join("text.txt"));
    fs::write(folder.join("c.json"), crate::command::TINY_CONFIG).unwrap();
    let small =
        "--corpus text.txt --steps 1 --batch-size 2 --seq-len 16 --eval-every 0 --vocab-size 120";
    kiln(
        folder,
        &format!("pretrain bert --config c.json --output a {small}"),
    )
    .ok();
    let small = small.replace(
        "--vocab-size 120",
        "--tokenizer a/checkpoints/step-00000001",
    );
    kiln(
        folder,
        &format!("pretrain bert --config a --output b {small}"),
    )
    .ok();
    let model = |run: &str| {
        read_json(&folder.join(run).join("config.json"))["model"]["hidden_size"].clone()
    };
    assert_eq!(model("b"), 32);
}
