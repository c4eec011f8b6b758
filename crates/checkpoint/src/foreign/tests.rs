use super::*;

/// A folder with these files; a name that ends with a slash is a folder.
fn folder(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(name);
        match name.strip_suffix('/') {
            Some(name) => fs::create_dir_all(folder.path().join(name)).unwrap(),
            None => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, b"{}").unwrap();
            }
        }
    }
    folder
}

/// What is said of a folder with these files, its own path left out.
fn said(names: &[&str]) -> Option<String> {
    let folder = folder(names);
    let said = foreign_folder(folder.path())?;
    Some(said.replace(&format!("{}/", folder.path().display()), ""))
}

#[track_caller]
fn assert_said(names: &[&str], expected: &str) {
    let said = said(names).unwrap_or_default();
    assert!(said.contains(expected), "{names:?}: {said:?}");
}

#[test]
fn a_cache_names_the_snapshot() {
    assert_said(
        &["snapshots/abc/config.json", "blobs/"],
        "pass the snapshot in it: snapshots/abc",
    );
    assert_said(
        &["models--a--b/snapshots/r/config.json", "version.txt"],
        "is the cache of Hugging Face; pass the model's snapshot in it: models--a--b/snapshots/r",
    );
    assert_said(
        &[
            "hub/models--a--b/snapshots/r/config.json",
            "hub/models--c--d/snapshots/s/config.json",
        ],
        "with 2 models; pass a model's snapshot in it, such as hub/models--a--b/snapshots/r",
    );
    // Of several the branch decides, and one without a model comes last.
    let folder = folder(&["snapshots/old/config.json", "snapshots/zzz/README.md"]);
    let snapshots = folder.path().join("snapshots");
    assert_eq!(snapshot(folder.path()).unwrap(), snapshots.join("old"));
    fs::create_dir(folder.path().join("refs")).unwrap();
    fs::write(folder.path().join("refs/main"), "zzz\n").unwrap();
    assert_eq!(snapshot(folder.path()).unwrap(), snapshots.join("zzz"));
    let said = foreign_folder(&snapshots).unwrap();
    assert!(said.contains("snapshots/zzz"), "{said}");
}

#[test]
fn a_folder_of_checkpoints_names_the_newest() {
    assert_said(
        &[
            "checkpoint-500/config.json",
            "checkpoint-1500/config.json",
            "checkpoint-2000/optimizer.pt",
            "trainer_state.json",
        ],
        "such as checkpoint-1500",
    );
    assert_said(
        &[
            "config.json",
            "checkpoints/step-00000002/config.json",
            "checkpoints/step-00000010/config.json",
        ],
        "is a run of Kiln's; pass a checkpoint in it, such as checkpoints/step-00000010",
    );
    assert_said(
        &[
            "step-00000004/generator/config.json",
            "step-00000004/discriminator/config.json",
        ],
        "pass one, such as step-00000004",
    );
}

#[test]
fn a_model_in_a_folder_of_its_own_is_pointed_at() {
    assert_said(
        &["generator/config.json", "discriminator/config.json"],
        "pass one of the two: discriminator or generator",
    );
    assert_said(
        &[
            "modules.json",
            "0_Transformer/config.json",
            "1_Pooling/config.json",
        ],
        "pass the encoder in it: 0_Transformer",
    );
    assert_said(
        &["README.md", "model/config.json", "data/x.txt"],
        "pass model",
    );
    // A config.json of the library's own.
    let folder = folder(&["config.json", "modules.json", "0_BERT/config.json"]);
    let error = foreign_config(folder.path()).unwrap().to_string();
    assert!(error.contains("0_BERT"), "{error}");
    assert!(foreign_config(&folder.path().join("0_BERT")).is_none());
}

#[test]
fn other_formats_are_called_by_their_names() {
    for (name, expected) in [
        (
            "bert_model.ckpt.index",
            "a TensorFlow checkpoint (bert_model.ckpt.index) alone",
        ),
        ("model.ckpt-1000.meta", "a TensorFlow checkpoint"),
        (
            "xlnet_model.ckpt.data-00000-of-00001",
            "a TensorFlow checkpoint",
        ),
        ("tf_model.h5", "a TensorFlow model (tf_model.h5) alone"),
        ("saved_model.pb", "a TensorFlow model"),
        (
            "flax_model.msgpack",
            "a Flax model (flax_model.msgpack) alone",
        ),
        ("bert-f16.gguf", "a GGUF file"),
        ("model.onnx", "an ONNX model"),
        ("rust_model.ot", "a model of rust-bert"),
        ("model.tar.gz", "unpack it"),
    ] {
        assert_said(&["config.json", name], expected);
        assert_said(&["vocab.txt", name], expected);
    }
}

#[test]
fn parts_of_a_training_are_called_by_their_library() {
    assert_said(
        &[
            "config.json",
            "zero_to_fp32.py",
            "global_step500/x_states.pt",
        ],
        "DeepSpeed",
    );
    assert_said(
        &["config.json", "pytorch_model_fsdp_0/0.distcp"],
        "FSDP trained (pytorch_model_fsdp_0)",
    );
}

#[test]
fn an_adapter_names_the_model_it_belongs_to() {
    let folder = folder(&["adapter_model.safetensors"]);
    let config = r#"{"base_model_name_or_path": "org/base", "lora_dropout": NaN}"#;
    fs::write(folder.path().join("adapter_config.json"), config).unwrap();
    let said = foreign_folder(folder.path()).unwrap();
    assert!(said.contains("an adapter to org/base"), "{said}");
    fs::write(folder.path().join("adapter_config.json"), "{").unwrap();
    assert!(
        foreign_folder(folder.path())
            .unwrap()
            .contains("an adapter (")
    );
}

#[test]
fn files_under_other_names_are_pointed_at() {
    assert_said(
        &["config.json", "model.fp16.safetensors"],
        "holds model.fp16.safetensors, but weights are looked for in model.safetensors; rename it",
    );
    assert_said(
        &["config.json", "weights.pt"],
        "looked for in pytorch_model.bin",
    );
    assert_said(
        &["config.json", "model-00001-of-00002.safetensors"],
        "no model.safetensors.index.json",
    );
    assert_said(
        &["bert_config.json", "pytorch_model.bin", "vocab.txt"],
        "copy it to config.json",
    );
    // What a training script leaves beside is no model.
    assert_eq!(
        said(&["config.json", "optimizer.pt", "training_args.bin"]),
        None
    );
    assert_eq!(said(&["config.json", "README.md"]), None);
    assert_eq!(said(&[]), None);
}

#[test]
#[cfg(unix)]
fn a_link_that_leads_nowhere_is_named() {
    let folder = folder(&["config.json"]);
    let link = folder.path().join("model.safetensors");
    std::os::unix::fs::symlink("../blobs/absent", link).unwrap();
    let said = foreign_folder(folder.path()).unwrap();
    assert!(
        said.contains("a link model.safetensors to a file that is not there"),
        "{said}"
    );
}

#[test]
fn files_are_told_by_their_first_bytes() {
    let of = |name: &str, bytes: &[u8]| {
        let size = bytes.len() as u64;
        foreign_bytes(bytes, size, Path::new(name)).unwrap_or_default()
    };
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 4\n";
    for name in ["config.json", "model.safetensors", "pytorch_model.bin"] {
        assert!(of(name, pointer).contains("a Git LFS pointer"), "{name}");
        assert!(
            of(name, b"\n<!DOCTYPE html><html>").contains("a web page"),
            "{name}"
        );
        assert!(
            of(name, b"<html lang=\"en\">").contains("a web page"),
            "{name}"
        );
        assert!(
            of(name, b"<?xml version='1.0'?><Error>").contains("an XML"),
            "{name}"
        );
        assert!(
            of(name, b"\x1f\x8b\x08").contains("compressed by gzip; unpack"),
            "{name}"
        );
        assert!(of(name, b"GGUF\x03").contains("a GGUF file"), "{name}");
    }
    assert!(of("config.json", b"").contains("is empty"));
    assert_eq!(of("model.safetensors", b""), "");
    let safetensors = b"\x02\0\0\0\0\0\0\0{}        ";
    assert!(of("pytorch_model.bin", safetensors).contains("rename it to model.safetensors"));
    assert_eq!(of("model.safetensors", safetensors), "");
    assert!(of("model.safetensors", b"PK\x03\x04...").contains("rename it to pytorch_model.bin"));
    assert_eq!(of("pytorch_model.bin", b"PK\x03\x04..."), "");
    assert_eq!(of("config.json", b"{\"a\": ,}"), "");
}
