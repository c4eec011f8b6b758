//! Tables that are tied or are not, names behind wrappers, weights in several files.

use std::fs;

use serde_json::json;

use super::{Model, Tensors};
use crate::command::{kiln, kiln_with, read_json, write_corpus};

/// Cases with a language model's head: architecture, case, the word table and its other name.
const HEADS: [(&str, &str, &str, &str); 6] = [
    ("bert", "masked_lm", BERT_WORDS, DECODER),
    ("bert", "pretraining", BERT_WORDS, DECODER),
    (
        "electra",
        "generator",
        "electra.embeddings.word_embeddings.weight",
        "generator_lm_head.weight",
    ),
    ("deberta", "masked_lm", DEBERTA_WORDS, DECODER),
    ("deberta", "v1_masked_lm", DEBERTA_WORDS, DECODER),
    (
        "xlnet",
        "language_model",
        "transformer.word_embedding.weight",
        "lm_loss.weight",
    ),
];

const BERT_WORDS: &str = "bert.embeddings.word_embeddings.weight";
const DEBERTA_WORDS: &str = "deberta.embeddings.word_embeddings.weight";
const DECODER: &str = "cls.predictions.decoder.weight";

#[test]
fn a_tied_table_under_the_heads_name_alone_is_the_same_model_with_and_without_its_head() {
    for (architecture, case, words, copy) in HEADS {
        let model = Model::of(architecture, case);
        let expected = model.outputs(&["--grad"]);
        let rename = |name: &str| match name {
            "cls.predictions.bias" => "cls.predictions.decoder.bias".to_owned(),
            name if name == words => copy.to_owned(),
            name => name.to_owned(),
        };
        model.rename(rename);
        assert!(!model.weights().contains_key(words), "{case}");
        assert_eq!(model.outputs(&["--grad"]), expected, "{case}");
        model.without_labels();
        let whole = Model::of(architecture, case);
        whole.without_labels();
        let embed = ["--task", "embed"];
        assert_eq!(model.outputs(&embed), whole.outputs(&embed), "{case}");
    }
}

#[test]
fn a_config_that_does_not_tie_makes_no_difference_to_a_model_without_the_head() {
    for (architecture, case, ..) in HEADS {
        let model = Model::of(architecture, case);
        model.without_labels();
        let expected = model.outputs(&["--task", "embed"]);
        model.change_config(&json!({"tie_word_embeddings": false}));
        assert_eq!(model.outputs(&["--task", "embed"]), expected, "{case}");
        // A copy that nobody reads may be anything.
        model.change_config(&json!({"tie_word_embeddings": true}));
        model.change_weights(|tensors| {
            let mut any = tensors.values().next().unwrap().clone();
            any.bytes[0] ^= 1;
            tensors.insert(DECODER.to_owned(), any);
        });
        assert_eq!(model.outputs(&["--task", "embed"]), expected, "{case}");
    }
}

/// Cases whose head has a matrix of its own; their numbers are held against transformers elsewhere.
const UNTIED: [(&str, &str, &str); 4] = [
    ("bert", "masked_lm_untied", DECODER),
    ("electra", "generator_untied", "generator_lm_head.weight"),
    ("deberta", "masked_lm_untied", DECODER),
    ("xlnet", "language_model_untied", "lm_loss.weight"),
];

#[test]
fn copies_that_differ_are_both_kept_whatever_the_config_says() {
    for (architecture, case, copy) in UNTIED {
        let model = Model::of(architecture, case);
        let expected = model.outputs(&["--grad"]);
        assert!(expected.contains_key(&format!("grad.{copy}")), "{case}");
        model.remove_fields(&["tie_word_embeddings"]);
        assert_eq!(model.outputs(&["--grad"]), expected, "{case}");
        // Without the head's own matrix there is no such model.
        model.change_config(&json!({"tie_word_embeddings": false}));
        model.change_weights(|tensors| drop(tensors.remove(copy)));
        let line = model.refusal();
        assert!(line.contains("1 parameter is not in the file"), "{line}");
        assert!(line.contains(copy), "{line}");
    }
}

/// As in transformers: without the head's own bias there are zeros, and the one beside it is nobody's.
#[test]
fn a_head_that_does_not_tie_opens_without_its_biases_and_says_so() {
    let own = "cls.predictions.decoder.bias";
    for architecture in ["bert", "deberta"] {
        let model = Model::of(architecture, "masked_lm_untied");
        let expected = model.outputs(&[]);
        model.change_weights(|tensors| drop(tensors.remove("cls.predictions.bias")));
        let done = model.run(&[]);
        let note = "warning: zeros, since tie_word_embeddings is false";
        assert!(done.stderr.starts_with(note), "{}", done.stderr);
        assert!(done.stderr.contains(": cls.predictions.bias\n"));
        done.ok();
        assert_eq!(super::read(&model.path("y.safetensors")), expected);

        let zeros = Model::of(architecture, "masked_lm_untied");
        zeros.change_weights(|tensors| tensors.get_mut(own).unwrap().bytes.fill(0));
        let expected = zeros.outputs(&[]);
        model.change_weights(|tensors| drop(tensors.remove(own)));
        assert_eq!(model.outputs(&[]), expected, "{architecture}");
        // A model whose head ties lacks the bias for good.
        model.change_config(&json!({"tie_word_embeddings": true}));
        model.change_weights(|tensors| drop(tensors.remove(DECODER)));
        let line = model.refusal();
        assert!(line.contains("cls.predictions.bias"), "{line}");
    }
}

/// The model that a run wrote, trained on from an untied one.
#[test]
fn an_untied_model_is_trained_on_untied_and_says_so() {
    for (architecture, fields, copies) in [
        ("bert", "", &[DECODER, "cls.predictions.decoder.bias"][..]),
        ("xlnet", r#", "mem_len": 0"#, &["lm_loss.weight"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write_corpus(&folder.join("text.txt"));
        let config = match architecture {
            "bert" => {
                crate::command::TINY_CONFIG.replacen('{', r#"{"tie_word_embeddings": false, "#, 1)
            }
            _ => format!(
                r#"{{"model_type": "xlnet", "d_model": 32, "n_layer": 1, "n_head": 2, "d_inner": 64,
                    "tie_word_embeddings": false{fields}}}"#
            ),
        };
        fs::write(folder.join("c.json"), config).unwrap();
        kiln(
            folder,
            &format!(
                "tokenizer train --arch {architecture} --corpus text.txt --vocab-size 120 --output tok"
            ),
        )
        .ok();
        let small =
            "--corpus text.txt --steps 2 --batch-size 4 --seq-len 32 --eval-every 0 --lr 1e-3";
        let first =
            format!("pretrain {architecture} --tokenizer tok --config c.json --output a {small}");
        kiln(folder, &first).ok();
        let again = format!("pretrain {architecture} --init-from a --output b {small}");
        let done = kiln(folder, &again);
        assert!(!done.stderr.contains("freshly"), "{}", done.stderr);
        done.ok();

        let step = |run: &str| folder.join(run).join("checkpoints/step-00000002");
        let (a, b) = (
            super::read(&step("a").join("model.safetensors")),
            super::read(&step("b").join("model.safetensors")),
        );
        assert_eq!(
            a.keys().collect::<Vec<_>>(),
            b.keys().collect::<Vec<_>>(),
            "{architecture}"
        );
        for copy in copies {
            assert_ne!(a[*copy], b[*copy], "{architecture}: {copy} is trained");
        }
        let config = read_json(&step("b").join("config.json"));
        assert_eq!(config["tie_word_embeddings"], false);
        let mask = if architecture == "bert" {
            "[MASK]"
        } else {
            "<mask>"
        };
        let text = format!("the potter {mask} the kiln.");
        kiln_with(folder, &["predict", "fill-mask", "--model", "b", &text], "").ok();

        // A config that ties can't go on from it, and the remedy is the one that is printed.
        let path = step("a").join("config.json");
        let tied = fs::read_to_string(&path).unwrap();
        fs::write(
            &path,
            tied.replace(
                "\"tie_word_embeddings\": false",
                "\"tie_word_embeddings\": true",
            ),
        )
        .unwrap();
        let from = format!(
            "pretrain {architecture} --init-from a/checkpoints/step-00000002 --output c {small}"
        );
        let line = kiln(folder, &from).late_error(1);
        assert!(line.contains("set tie_word_embeddings to false"), "{line}");
    }
}

#[test]
fn a_run_starts_from_a_table_under_the_heads_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_corpus(&folder.join("text.txt"));
    fs::write(folder.join("c.json"), crate::command::TINY_CONFIG).unwrap();
    kiln(
        folder,
        "tokenizer train --arch bert --corpus text.txt --vocab-size 120 --output tok",
    )
    .ok();
    let small = "--corpus text.txt --steps 1 --batch-size 4 --seq-len 32 --eval-every 0 --lr 1e-9";
    kiln(
        folder,
        &format!("pretrain bert --tokenizer tok --config c.json --output a {small}"),
    )
    .ok();
    let weights = folder.join("a/checkpoints/step-00000001/model.safetensors");
    let mut tensors = super::read(&weights);
    let words = tensors.remove(BERT_WORDS).unwrap();
    tensors.insert(DECODER.to_owned(), words.clone());
    super::write(&weights, &tensors);
    let done = kiln(
        folder,
        &format!("pretrain bert --init-from a --output b {small}"),
    );
    assert!(!done.stderr.contains("freshly"), "{}", done.stderr);
    done.ok();
    let text = "the potter [MASK] the kiln.";
    kiln_with(folder, &["predict", "fill-mask", "--model", "a", text], "").ok();
    let b = super::read(&folder.join("b/checkpoints/step-00000001/model.safetensors"));
    // A step as small as this one moves no number by more than a rounding or two.
    let values = |bytes: &[u8]| {
        let chunks = bytes.chunks_exact(4);
        chunks
            .map(|chunk| f32::from_le_bytes(chunk.try_into().unwrap()))
            .collect::<Vec<_>>()
    };
    for (a, b) in values(&words.bytes)
        .iter()
        .zip(values(&b[BERT_WORDS].bytes))
    {
        assert!((a - b).abs() < 1e-7, "{a} {b}");
    }
}

#[test]
fn names_behind_a_wrapper_are_the_models() {
    for (architecture, case) in [
        ("bert", "pretraining"),
        ("bert", "encoder"),
        ("electra", "discriminator"),
        ("deberta", "v3"),
        ("xlnet", "language_model"),
    ] {
        let model = Model::of(architecture, case);
        let expected = model.outputs(&[]);
        for wrapper in ["module.", "_orig_mod.", "model.", "0.auto_model."] {
            let model = Model::of(architecture, case);
            model.rename(|name| format!("{wrapper}{name}"));
            assert_eq!(model.outputs(&[]), expected, "{case} {wrapper}");
        }
    }
    let model = Model::of("bert", "pretraining");
    let expected = model.outputs(&[]);
    model.rename(|name| format!("bert.{name}"));
    assert_eq!(model.outputs(&[]), expected);
    // One that nobody knows is named.
    for wrapper in ["student.", "x.roberta."] {
        let model = Model::of("bert", "pretraining");
        model.rename(|name| format!("{wrapper}{name}"));
        let line = model.refusal();
        assert!(
            line.contains(&format!("its names begin with \"{wrapper}\"")),
            "{line}"
        );
    }
}

/// Puts the tensors into two files, with an index that says so.
fn shard(model: &Model, promised: &[(&str, &str)]) {
    let all = model.weights();
    let halves = all.iter().enumerate();
    let (first, second): (Vec<_>, Vec<_>) = halves.partition(|(at, _)| at % 2 == 0);
    let mut map = serde_json::Map::new();
    for (number, half) in [(1, first), (2, second)] {
        let file = format!("model-0000{number}-of-00002.safetensors");
        let half = half
            .into_iter()
            .map(|(_, (name, stored))| (name.clone(), stored.clone()));
        let half: Tensors = half.collect();
        for name in half.keys() {
            map.insert(name.clone(), file.clone().into());
        }
        super::write(&model.path(&format!("model/{file}")), &half);
    }
    for (name, file) in promised {
        map.insert((*name).to_owned(), (*file).into());
    }
    let index = format!(
        r#"{{"metadata": {{"loss": NaN}}, "weight_map": {}}}"#,
        json!(map)
    );
    fs::write(model.path("model/model.safetensors.index.json"), index).unwrap();
    fs::remove_file(model.path("model/model.safetensors")).unwrap();
}

#[test]
fn an_index_may_be_wrong_about_tensors_that_nobody_needs() {
    let model = Model::of("bert", "pretraining");
    let expected = model.outputs(&[]);
    let second = "model-00002-of-00002.safetensors";
    shard(
        &model,
        &[
            ("cls.predictions.decoder.weight", second),
            ("bert.embeddings.position_ids", second),
            // In the other file than the index says.
            ("bert.embeddings.LayerNorm.bias", second),
        ],
    );
    assert_eq!(model.outputs(&[]), expected);

    // One that is needed is missed by its name, behind a wrapper as well.
    let wrapped = Model::of("bert", "pretraining");
    wrapped.rename(|name| format!("module.{name}"));
    shard(&wrapped, &[]);
    let path = wrapped.path("model").join(second);
    let mut tensors = super::read(&path);
    let name = tensors
        .keys()
        .find(|name| name.contains("seq_relationship"));
    let name = name.unwrap().clone();
    tensors.remove(&name);
    super::write(&path, &tensors);
    let line = wrapped.refusal();
    let bare = name.trim_start_matches("module.");
    assert!(
        line.contains(&format!(
            "says that {second} holds {bare}, which it does not"
        )),
        "{line}"
    );

    let path = model.path("model").join(second);
    let mut tensors = super::read(&path);
    let name = tensors.keys().find(|name| name.ends_with("dense.weight"));
    let name = name.unwrap().clone();
    tensors.remove(&name);
    super::write(&path, &tensors);
    let line = model.refusal();
    assert!(
        line.contains(&format!(
            "says that {second} holds {name}, which it does not"
        )),
        "{line}"
    );

    fs::remove_file(path).unwrap();
    let line = model.refusal();
    assert!(
        line.contains(&format!("names {second}, which is not in the same folder")),
        "{line}"
    );
}

#[test]
fn a_tensor_in_two_files_has_to_be_the_same_in_both() {
    let model = Model::of("bert", "pretraining");
    let expected = model.outputs(&[]);
    shard(&model, &[]);
    let paths = [1, 2].map(|n| model.path(&format!("model/model-0000{n}-of-00002.safetensors")));
    let (mut first, second) = (super::read(&paths[0]), super::read(&paths[1]));
    let (name, stored) = second.iter().next().unwrap();
    first.insert(name.clone(), stored.clone());
    super::write(&paths[0], &first);
    assert_eq!(model.outputs(&[]), expected);
    first.get_mut(name).unwrap().bytes[0] ^= 1;
    super::write(&paths[0], &first);
    let line = model.refusal();
    assert!(
        line.contains(&format!(
            "{name} is in two of the files it names, and differs"
        )),
        "{line}"
    );
}
