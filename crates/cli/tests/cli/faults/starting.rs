//! `--init-from`: every form of Hugging Face folder gives the same weights, and what is missing or
//! left over is named.
//!
//! The fixture is a BERT as torch saves it (`scripts/make_bin_fixture.py`); the other forms are made
//! from its tensors.

use std::fs;
use std::path::{Path, PathBuf};

use kiln_checkpoint::{ModelFile, NamedTensor, write_model};
use serde_json::Value;

use super::{SMALL, copy};
use crate::command::{Done, kiln, write_corpus};

/// Words of the corpus: with the special tokens fewer than the fixture's 64 entries.
const VOCABULARY: &str = "[PAD] [UNK] [CLS] [SEP] [MASK] the a and with of near before after old \
    great care fire wall morning came slowly potter kiln clay glaze vessel workshop furnace river \
    opened watched carried cooled painted measured .";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bert")
}

/// A folder with `text.txt`, and `torch` with the fixture and a vocabulary.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_corpus(&folder.path().join("text.txt"));
    let model = folder.path().join("torch");
    copy(&fixture(), &model);
    let words: String = VOCABULARY
        .split_whitespace()
        .map(|word| format!("{word}\n"))
        .collect();
    fs::write(model.join("vocab.txt"), words).unwrap();
    folder
}

/// The fixture's tensors.
fn tensors() -> Vec<NamedTensor> {
    let file = ModelFile::open(fixture()).unwrap();
    let tensor = |name: &str| NamedTensor {
        name: name.to_owned(),
        shape: file.info(name).unwrap().shape.clone(),
        data: file.read(name).unwrap(),
    };
    file.names().map(tensor).collect()
}

/// `torch` again as `name`, with these tensors in safetensors files.
fn write(folder: &Path, name: &str, tensors: &[NamedTensor], max_shard_bytes: Option<u64>) {
    let model = folder.join(name);
    copy(&folder.join("torch"), &model);
    fs::remove_file(model.join("pytorch_model.bin")).unwrap();
    write_model(&model, tensors, max_shard_bytes).unwrap();
}

/// Two steps from the weights in `model`, or from fresh ones, without dropout's noise.
fn train(folder: &Path, model: &str) -> Done {
    let source = match model {
        "fresh" => "--config torch/config.json --tokenizer torch".to_owned(),
        model => format!("--init-from {model}"),
    };
    let command = format!(
        "pretrain bert --corpus text.txt {source} --output run-{model} --steps 2 {SMALL} \
         --hidden-dropout 0 --attention-dropout 0"
    );
    kiln(folder, &command)
}

/// The first step's loss, with all its digits.
fn first_loss(folder: &Path, model: &str) -> String {
    let path = folder.join(format!("run-{model}/metrics.jsonl"));
    let metrics = fs::read_to_string(path).unwrap();
    let first: Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    assert_eq!(first["step"], 1);
    first["loss"].to_string()
}

fn renamed(tensors: &[NamedTensor], rename: impl Fn(&str) -> String) -> Vec<NamedTensor> {
    let rename = |tensor: &NamedTensor| NamedTensor {
        name: rename(&tensor.name),
        ..tensor.clone()
    };
    tensors.iter().map(rename).collect()
}

#[test]
fn every_form_of_the_same_weights_gives_the_same_first_loss() {
    let folder = folder();
    let folder = folder.path();
    let tensors = tensors();
    write(folder, "whole", &tensors, None);
    write(folder, "sharded", &tensors, Some(2_000));
    assert!(
        folder
            .join("sharded/model.safetensors.index.json")
            .is_file()
    );
    let legacy = renamed(&tensors, |name| {
        name.replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta")
    });
    assert_ne!(legacy, tensors);
    write(folder, "legacy", &legacy, None);
    let bare = renamed(&tensors, |name| {
        name.strip_prefix("bert.").unwrap_or(name).to_owned()
    });
    assert_ne!(bare, tensors);
    write(folder, "bare", &bare, None);
    // The tied copies of the word embeddings and the output bias alone, as transformers writes.
    let untied = tensors
        .iter()
        .filter(|tensor| !tensor.name.starts_with("cls.predictions.decoder."))
        .cloned()
        .collect::<Vec<_>>();
    assert_eq!(untied.len() + 2, tensors.len());
    write(folder, "untied", &untied, None);

    train(folder, "fresh").ok();
    let fresh = first_loss(folder, "fresh");
    let done = train(folder, "torch");
    assert!(!done.stderr.contains("warning"), "{done:?}");
    done.ok();
    let expected = first_loss(folder, "torch");
    assert_ne!(expected, fresh);
    for model in ["whole", "sharded", "legacy", "bare", "untied"] {
        let done = train(folder, model);
        assert!(!done.stderr.contains("warning"), "{model}: {done:?}");
        done.ok();
        assert_eq!(first_loss(folder, model), expected, "{model}");
    }
}

#[test]
fn missing_heads_are_named_and_start_fresh() {
    let folder = folder();
    let folder = folder.path();
    let encoder: Vec<NamedTensor> = tensors()
        .into_iter()
        .filter(|tensor| !tensor.name.starts_with("cls."))
        .collect();
    write(folder, "headless", &encoder, None);
    // The bare model's names, as `BertModel.save_pretrained` gives them, without a pooler.
    let encoder: Vec<NamedTensor> = encoder
        .into_iter()
        .filter(|tensor| !tensor.name.contains("pooler"))
        .collect();
    let bare = renamed(&encoder, |name| name.replacen("bert.", "", 1));
    write(folder, "poolerless", &bare, None);
    for (model, missing) in [
        (
            "headless",
            vec!["cls.predictions.bias", "cls.seq_relationship.weight"],
        ),
        (
            "poolerless",
            vec!["bert.pooler.dense.weight", "cls.seq_relationship.bias"],
        ),
    ] {
        let done = train(folder, model);
        let warning = done
            .stderr
            .lines()
            .find(|line| line.starts_with("warning: freshly initialised, not in "));
        let warning = warning.unwrap_or_else(|| panic!("{done:?}")).to_owned();
        assert!(warning.contains(model), "{warning}");
        for name in missing {
            assert!(warning.contains(name), "{name}: {warning}");
        }
        assert!(!warning.contains("encoder"), "{warning}");
        done.ok();
    }
}

#[test]
fn surplus_tensors_are_named_and_change_nothing() {
    let folder = folder();
    let folder = folder.path();
    let mut tensors = tensors();
    write(folder, "whole", &tensors, None);
    for (name, shape) in [
        ("classifier.weight", vec![3, 8]),
        ("qa_outputs.bias", vec![2]),
    ] {
        tensors.push(NamedTensor {
            name: name.to_owned(),
            data: vec![0.5; shape.iter().product()],
            shape,
        });
    }
    write(folder, "surplus", &tensors, None);
    let done = train(folder, "surplus");
    let warning = done
        .stderr
        .lines()
        .find(|line| line.starts_with("warning: not used from "));
    assert!(
        warning.is_some_and(|line| line.ends_with("surplus: classifier.weight, qa_outputs.bias")),
        "{done:?}"
    );
    done.ok();
    train(folder, "whole").ok();
    assert_eq!(first_loss(folder, "surplus"), first_loss(folder, "whole"));
}

#[test]
fn an_encoder_that_is_not_whole_is_refused_and_no_run_is_left() {
    let folder = folder();
    let folder = folder.path();
    let tensors = tensors();
    let lost = "bert.encoder.layer.1.output.dense.weight";
    let rest: Vec<NamedTensor> = tensors.iter().filter(|t| t.name != lost).cloned().collect();
    assert_eq!(rest.len() + 1, tensors.len());
    write(folder, "lossy", &rest, None);
    let line = train(folder, "lossy").late_error(1);
    assert!(
        line.contains(
            "lossy/model.safetensors: bert.encoder.layer.1.output.dense.weight is missing"
        ),
        "{line}"
    );

    let mut wrong = tensors.clone();
    let tensor = wrong.iter_mut().find(|tensor| tensor.name == lost).unwrap();
    tensor.shape.reverse();
    write(folder, "turned", &wrong, None);
    let line = train(folder, "turned").late_error(1);
    assert!(
        line.contains(&format!(
            "turned/model.safetensors: {lost} has shape [12, 8], [8, 12]"
        )),
        "{line}"
    );

    write(folder, "sharded", &tensors, Some(2_000));
    fs::remove_file(
        folder
            .join("sharded")
            .join(first_shard(&folder.join("sharded"))),
    )
    .unwrap();
    let line = train(folder, "sharded").late_error(1);
    assert!(
        line.contains("sharded/model.safetensors.index.json: names model-00001-of-"),
        "{line}"
    );

    let strangers = renamed(&tensors, |name| format!("other.{name}"));
    write(folder, "strange", &strangers, None);
    let line = train(folder, "strange").late_error(1);
    assert!(
        line.contains("strange/model.safetensors: its names begin with \"other.\""),
        "{line}"
    );

    copy(&folder.join("torch"), &folder.join("cut"));
    super::change(&folder.join("cut/pytorch_model.bin"), |bytes| {
        bytes.truncate(bytes.len() / 2);
    });
    let line = train(folder, "cut").late_error(1);
    assert!(line.contains("cut/pytorch_model.bin: "), "{line}");

    for model in ["lossy", "turned", "sharded", "strange", "cut"] {
        assert!(!folder.join(format!("run-{model}")).exists(), "{model}");
    }
}

fn first_shard(model: &Path) -> String {
    let mut names = super::names_in(model);
    names.retain(|name| name.starts_with("model-00001-of-"));
    names.pop().unwrap()
}
