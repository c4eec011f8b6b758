//! From raw text to a filled mask, through every command.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::command::{TINY_CONFIG, kiln, kiln_with, read_json, write_corpus};

const STEPS: &str = "--steps 6 --batch-size 4 --seq-len 32 --log-every 2 --lr 1e-3";

#[test]
fn raw_text_becomes_a_model_that_fills_masks() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_corpus(&folder.join("text.txt"));
    fs::write(folder.join("tiny.json"), TINY_CONFIG).unwrap();

    let trained = kiln(
        folder,
        "tokenizer train --arch bert --corpus text.txt --vocab-size 150 --output tok --json",
    )
    .json();
    let vocab_size = trained["vocab_size"].as_u64().unwrap();
    assert!(vocab_size > 50 && vocab_size <= 150, "{trained}");

    let prepared = kiln(
        folder,
        "prepare --tokenizer tok --corpus text.txt --output shards --json",
    )
    .json();
    assert_eq!(prepared["documents"], 40);
    assert_eq!(prepared["sentences"], 240);

    let done = kiln(
        folder,
        &format!(
            "pretrain bert --data shards --tokenizer tok --config tiny.json --output run {STEPS}"
        ),
    );
    let stderr = done.stderr.clone();
    let stdout = done.ok();
    assert!(
        stderr.contains("step 2/6  loss ") && stderr.contains(" tokens/s "),
        "{stderr}"
    );
    assert!(
        !stdout.contains("step 2/6"),
        "progress belongs on stderr: {stdout}"
    );
    for expected in [
        "(done, 6 of 6 steps)",
        "word frequencies alone",
        "mlm_perplexity",
        "report",
    ] {
        assert!(stdout.contains(expected), "{expected}: {stdout}");
    }
    assert!(
        stdout.contains("[MASK]") && stdout.contains("kiln predict fill-mask"),
        "{stdout}"
    );

    let settings = read_json(&folder.join("run/config.json"));
    assert_eq!(settings["architecture"], "bert");
    assert_eq!(settings["devices"][0], "flex");
    assert_eq!(settings["model"]["vocab_size"].as_u64(), Some(vocab_size));
    assert_eq!(settings["data"]["corpus"].as_str().unwrap().len(), 64);
    let checkpoint = folder.join("run/checkpoints/step-00000006");
    for file in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ] {
        assert!(checkpoint.join(file).is_file(), "{file}");
    }
    let metrics = fs::read_to_string(folder.join("run/metrics.jsonl")).unwrap();
    assert_eq!(
        metrics
            .lines()
            .filter(|line| line.contains("\"train\""))
            .count(),
        6
    );
    assert!(folder.join("run/report.html").is_file());

    let resumed = kiln(folder, "resume run").ok();
    assert!(
        resumed.contains("nothing to do, all 6 steps are done"),
        "{resumed}"
    );
    let again = kiln(folder, "report run").ok();
    assert!(again.trim().ends_with("report.html"), "{again}");

    // A run's folder stands for its newest checkpoint; texts come from arguments or stdin.
    let arguments = [
        "predict",
        "fill-mask",
        "--model",
        "run",
        "--top-k",
        "3",
        "--json",
        "the [MASK] and [MASK]",
    ];
    let filled = kiln_with(folder, &arguments, "").json();
    let masks = filled["masks"].as_array().unwrap();
    assert_eq!(masks.len(), 2);
    for mask in masks {
        let scores: Vec<f64> = mask["candidates"]
            .as_array()
            .unwrap()
            .iter()
            .map(|candidate| candidate["score"].as_f64().unwrap())
            .collect();
        assert_eq!(scores.len(), 3);
        assert!(
            scores.is_sorted_by(|a, b| a >= b) && scores[0] <= 1.0,
            "{scores:?}"
        );
    }
    let lines = kiln_with(
        folder,
        &["predict", "fill-mask", "--model", "run"],
        "the [MASK] cooled\n\nthe clay [MASK]\n",
    )
    .ok();
    assert_eq!(lines.matches("mask 1").count(), 2, "{lines}");
    let none = kiln_with(
        folder,
        &["predict", "fill-mask", "--model", "run", "no mask"],
        "",
    );
    assert!(none.error(2).contains("no mask in this text"));

    forward(folder, vocab_size);
}

/// Inputs in, the outputs and gradients that the contract names out.
fn forward(folder: &Path, vocab_size: u64) {
    let le = |values: &[i64]| {
        values
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let ids = le(&[2, 7, 8, 4, 9, 3, 2, 10, 4, 11, 3, 0]);
    let mask = le(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]);
    let labels = le(&[
        -100, -100, -100, 6, -100, -100, -100, -100, 7, -100, -100, -100,
    ]);
    let next = le(&[0, 1]);
    let view = |shape: &[usize], bytes| TensorView::new(Dtype::I64, shape.to_vec(), bytes).unwrap();
    let inputs = BTreeMap::from([
        ("input_ids", view(&[2, 6], &ids)),
        ("attention_mask", view(&[2, 6], &mask)),
        ("labels", view(&[2, 6], &labels)),
        ("next_sentence_label", view(&[2], &next)),
    ]);
    fs::write(
        folder.join("x.safetensors"),
        safetensors::serialize(inputs, None).unwrap(),
    )
    .unwrap();

    kiln(
        folder,
        "forward --model run --inputs x.safetensors --outputs y.safetensors --grad",
    )
    .ok();
    let bytes = fs::read(folder.join("y.safetensors")).unwrap();
    let outputs = SafeTensors::deserialize(&bytes).unwrap();
    let shape = |name: &str| outputs.tensor(name).unwrap().shape().to_vec();
    assert_eq!(shape("prediction_logits"), [2, 6, vocab_size as usize]);
    assert_eq!(shape("seq_relationship_logits"), [2, 2]);
    assert_eq!(outputs.tensor("loss").unwrap().dtype(), Dtype::F32);
    assert_eq!(
        shape("grad.bert.embeddings.word_embeddings.weight"),
        [vocab_size as usize, 32]
    );
    let line = kiln(
        folder,
        "forward --model run --inputs tiny.json --outputs z.safetensors",
    );
    assert!(line.error(1).contains("tiny.json: not a safetensors file"));
    assert!(!folder.join("z.safetensors").exists());
}

#[test]
fn a_run_from_text_trains_its_own_tokenizer_and_uses_the_cache_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_corpus(&folder.join("text.txt"));
    fs::write(folder.join("tiny.json"), TINY_CONFIG).unwrap();
    let pretrain = |output: &str, more: &str| {
        kiln(
            folder,
            &format!(
                "pretrain bert --corpus text.txt --config tiny.json --vocab-size 150 \
                 --output {output} --json {STEPS} {more}"
            ),
        )
        .json()
    };
    let first = pretrain("a", "");
    let second = pretrain(
        "b",
        "--no-next-sentence --hidden-dropout 0 --attention-dropout 0",
    );
    assert_eq!(first["stop"], "done");
    assert!(
        first["evaluation"]["mlm_loss"].as_f64().unwrap() > 0.0,
        "{first}"
    );
    assert_eq!(first["unigram_entropy"], second["unigram_entropy"]);
    let cache = fs::read_dir(folder.join("cache/kiln/corpora")).unwrap();
    let corpora = cache.filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(corpora.count(), 1);
    assert!(folder.join("a/tokenizer/vocab.txt").is_file());
    let settings = read_json(&folder.join("b/config.json"));
    assert_eq!(settings["objective"]["next_sentence"], false);
    assert_eq!(settings["model"]["hidden_dropout_prob"], 0.0);

    // The same again from the first run's weights, tokenizer and config.
    let line = kiln(
        folder,
        &format!(
            "pretrain bert --corpus text.txt --init-from a/checkpoints/step-00000006 --output c \
             --json {STEPS}"
        ),
    )
    .json();
    assert_eq!(line["step"], 6);
}

#[test]
fn the_listing_of_backends_computes_on_flex() {
    let folder = tempfile::tempdir().unwrap();
    let listing = kiln(folder.path(), "backends --json --backend flex").json();
    assert_eq!(listing["devices"][0]["device"], "flex");
    assert!(listing["devices"][0]["error"].is_null(), "{listing}");
    let table = kiln(folder.path(), "backends --backend flex").ok();
    assert!(table.contains("answers"), "{table}");
}
