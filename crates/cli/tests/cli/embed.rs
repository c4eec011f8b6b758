//! `kiln predict embed` through the command: vectors of a run's model, of a folder as
//! sentence-transformers writes it, and what is refused.

use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use serde_json::Value;

use crate::command::{kiln, kiln_with, write_corpus};

const CONFIG: &str = r#"{"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 32}"#;

const MODULES: &str = r#"[
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
]"#;

/// A folder with a run of two steps, `run`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_corpus(&folder.path().join("text.txt"));
    fs::write(folder.path().join("bert.json"), CONFIG).unwrap();
    kiln(
        folder.path(),
        "pretrain bert --corpus text.txt --config bert.json --vocab-size 150 --output run --steps 2 \
         --batch-size 4 --seq-len 32",
    )
    .ok();
    folder
}

/// The run's model as a folder of sentence-transformers, `model`.
fn sentence_folder(folder: &Path) {
    let (checkpoint, model) = (
        folder.join("run/checkpoints/step-00000002"),
        folder.join("model"),
    );
    fs::create_dir_all(model.join("1_Pooling")).unwrap();
    for name in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ] {
        fs::copy(checkpoint.join(name), model.join(name)).unwrap();
    }
    fs::write(model.join("modules.json"), MODULES).unwrap();
    fs::write(
        model.join("1_Pooling/config.json"),
        r#"{"word_embedding_dimension": 32, "pooling_mode_cls_token": true,
            "pooling_mode_mean_tokens": false}"#,
    )
    .unwrap();
}

fn vectors(stdout: &str) -> Vec<Vec<f32>> {
    let lines = stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn embed(folder: &Path, flags: &str, stdin: &str) -> Vec<Vec<f32>> {
    let command = format!("predict embed {flags}");
    let arguments: Vec<&str> = command.split_whitespace().collect();
    vectors(&kiln_with(folder, &arguments, stdin).ok())
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|value| value * value).sum::<f32>().sqrt()
}

fn assert_same(found: &[Vec<f32>], expected: &[Vec<f32>]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            // Other batches: some roundings of numbers of size 1.
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}

#[test]
fn a_run_gives_the_mean_and_a_folder_what_its_files_say() {
    let folder = folder();
    let folder = folder.path();
    let texts = "the potter\n\nthe river was cold today and the boat left\nthe potter\n";
    let means = embed(folder, "--model run", texts);
    assert_eq!(means.len(), 4);
    assert_eq!(means[0].len(), 32);
    assert_eq!(means[0], means[3]);
    assert_ne!(means[0], means[1]);

    // Each by itself, as an argument.
    for (text, expected) in texts.lines().zip(&means) {
        let arguments = [
            "predict",
            "embed",
            "--model",
            "run",
            "--pooling",
            "mean",
            text,
        ];
        let found = vectors(&kiln_with(folder, &arguments, "").ok());
        assert_same(&found, std::slice::from_ref(expected));
    }

    let several = embed(folder, "--model run --pooling mean,cls", texts);
    let first = embed(folder, "--model run --pooling cls", texts);
    let joined = means
        .iter()
        .zip(&first)
        .map(|(mean, first)| [&mean[..], first].concat());
    assert_same(&several, &joined.collect::<Vec<_>>());

    sentence_folder(folder);
    let normalized = embed(folder, "--model model", texts);
    for (vector, first) in normalized.iter().zip(&first) {
        assert!((length(vector) - 1.0).abs() < 1e-6);
        let scaled = first.iter().map(|value| value / length(first)).collect();
        assert_same(std::slice::from_ref(vector), &[scaled]);
    }
    assert_same(
        &embed(folder, "--model model --no-normalize", texts),
        &first,
    );
    assert_same(
        &embed(folder, "--model run --pooling cls --normalize", texts),
        &normalized,
    );

    // An encoder with a folder of its own.
    let inner = folder.join("model/0_Transformer");
    fs::create_dir(&inner).unwrap();
    for name in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ] {
        fs::rename(folder.join("model").join(name), inner.join(name)).unwrap();
    }
    let modules = MODULES.replace(r#""path": """#, r#""path": "0_Transformer""#);
    fs::write(folder.join("model/modules.json"), modules).unwrap();
    assert_eq!(embed(folder, "--model model", texts), normalized);
}

#[test]
fn no_vector_depends_on_the_texts_beside_it() {
    let texts = [
        "the potter",
        "",
        "The river was cold today, and the boat left the harbour before the sun had risen.",
        "A",
    ];
    for architecture in ["bert", "roberta", "electra", "deberta", "xlnet"] {
        let folder = crate::tasks::folder(architecture);
        let folder = folder.path();
        let flags = "--model first --pooling cls,max,mean,weightedmean,lasttoken";
        // One batch, in which all but one text are padded.
        let together = embed(folder, flags, &texts.join("\n"));
        assert_eq!(together.len(), texts.len(), "{architecture}");
        assert_eq!(together[0].len(), 5 * 32, "{architecture}");
        assert_ne!(together[0], together[3], "{architecture}");
        for (text, expected) in texts.iter().zip(&together) {
            let alone = embed(folder, flags, &format!("{text}\n"));
            // Hidden states are a few times as large as 1; what is compared is not.
            let largest = expected
                .iter()
                .fold(1.0_f32, |most, value| most.max(value.abs()));
            let scaled = |vector: &Vec<f32>| -> Vec<f32> {
                vector.iter().map(|value| value / largest).collect()
            };
            let alone: Vec<Vec<f32>> = alone.iter().map(scaled).collect();
            assert_same(&alone, &[scaled(expected)]);
        }
    }
}

#[test]
fn vectors_go_to_a_file_as_they_come() {
    let folder = folder();
    let folder = folder.path();
    // More than a window of 1,024.
    let texts: Vec<String> = (0..1_100)
        .map(|number| format!("the potter {number}"))
        .collect();
    let texts = texts.join("\n");
    let flags = "--model run --output vectors.safetensors";
    assert_eq!(embed(folder, flags, &texts), [[0.0; 0]; 0]);
    let bytes = fs::read(folder.join("vectors.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor("embeddings").unwrap();
    assert_eq!(tensor.shape(), [1_100, 32]);
    let numbers = tensor.data().as_chunks::<4>().0.iter();
    let numbers: Vec<f32> = numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let written: Vec<Vec<f32>> = numbers.chunks(32).map(<[f32]>::to_vec).collect();
    assert_eq!(written, embed(folder, "--model run", &texts));

    // Replaced as a whole, but no file of the model.
    embed(folder, flags, "the potter");
    let again = fs::read(folder.join("vectors.safetensors")).unwrap();
    assert!(again.len() < bytes.len());
    let own =
        "predict embed --model run --output run/checkpoints/step-00000002/model.safetensors x";
    let error = kiln(folder, own).error(2);
    assert!(
        error.contains("is a file of the model that is read"),
        "{error}"
    );
    let names = fs::read_dir(folder).unwrap();
    assert!(
        names
            .flatten()
            .all(|entry| !entry.file_name().to_string_lossy().contains("tmp"))
    );
}

#[test]
fn each_text_as_an_object_and_what_was_cut_is_counted() {
    let folder = folder();
    let folder = folder.path();
    sentence_folder(folder);
    fs::write(
        folder.join("model/sentence_bert_config.json"),
        r#"{"max_seq_length": 4, "do_lower_case": true}"#,
    )
    .unwrap();
    fs::write(
        folder.join("model/config_sentence_transformers.json"),
        r#"{"prompts": {"query": "the "}, "default_prompt_name": "query"}"#,
    )
    .unwrap();
    let arguments = ["predict", "embed", "--model", "model", "--json"];
    let texts = "a\na b c d e\nA\nTHE A";
    let done = kiln_with(folder, &arguments, texts);
    assert_eq!(
        done.stderr,
        "warning: 2 of 4 texts had more than 4 tokens, and were cut; the first is text 2\n"
    );
    let objects: Vec<Value> = done
        .ok()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects[1]["text"], "a b c d e");
    // The prompt counts: "the a" and two special tokens fit, "the the a" is one too many.
    assert_eq!(objects[0]["embedding"], objects[2]["embedding"]);
    assert_ne!(objects[0]["embedding"], objects[3]["embedding"]);
    assert_eq!(objects[0]["embedding"].as_array().unwrap().len(), 32);
}

#[test]
fn what_can_not_be_done_is_one_line() {
    let folder = folder();
    let folder = folder.path();
    sentence_folder(folder);
    let refused =
        |flags: &str, code: i32| kiln(folder, &format!("predict embed {flags}")).error(code);
    assert_eq!(
        refused("--model run", 2),
        "error: no text given; pass texts as arguments, or lines on stdin"
    );
    let error = refused("--model run --output v.safetensors", 2);
    assert!(error.contains("no text given") && !folder.join("v.safetensors").exists());
    assert!(refused("--model none x", 1).contains("no such folder"));
    let error = kiln(folder, "predict embed --model run --pooling average x");
    assert_eq!(error.code, 2);
    assert!(
        error.stderr.contains("there are cls, max, mean"),
        "{}",
        error.stderr
    );

    let dense = MODULES.replace("models.Normalize", "models.Dense");
    fs::write(folder.join("model/modules.json"), dense).unwrap();
    let error = refused("--model model x", 1);
    assert!(
        error.contains("sentence_transformers.models.Dense"),
        "{error}"
    );
    fs::write(folder.join("model/modules.json"), MODULES).unwrap();

    let other = r#"{"word_embedding_dimension": 384, "pooling_mode_mean_tokens": true}"#;
    fs::write(folder.join("model/1_Pooling/config.json"), other).unwrap();
    let error = refused("--model model x", 2);
    assert!(
        error.contains("hidden states of 384 numbers, the model's have 32"),
        "{error}"
    );
    fs::remove_file(folder.join("model/1_Pooling/config.json")).unwrap();

    let settings = folder.join("model/sentence_bert_config.json");
    fs::write(&settings, r#"{"max_seq_length": 2}"#).unwrap();
    let error = refused("--model model x", 2);
    assert!(
        error.contains("cut to 2 tokens, 2 of them special ones"),
        "{error}"
    );
}
