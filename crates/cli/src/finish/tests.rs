//! What happens after training, with a model that nothing can be done with.

use burn::tensor::Device;
use kiln_learner::{LearnError, RunFolder};
use kiln_tasks::architecture::{Architecture, ForwardRequest, MaskFilling, Output};
use kiln_tasks::embedding::{EmbedRequest, TextEmbedder};
use kiln_tasks::labelled::TunedFamily;
use kiln_tasks::memory::Footprint;
use kiln_tasks::settings::ObjectiveSettings;
use kiln_text::tokenizer::{WordPieceSettings, train_word_piece_on_texts};
use serde_json::Value;

use super::*;

/// Panics whenever its model is used.
struct Panicking;

impl Architecture for Panicking {
    fn name(&self) -> &'static str {
        "panicking"
    }

    fn presets(&self) -> Vec<&'static str> {
        Vec::new()
    }

    fn preset(&self, _: &str, _: usize, _: usize) -> Result<Value, LearnError> {
        Ok(Value::Null)
    }

    fn tuned(&self) -> &'static dyn TunedFamily {
        unreachable!("never asked")
    }

    fn objective(&self, _: Option<&str>, _: Option<&str>, _: usize) -> ObjectiveSettings {
        unreachable!("never asked")
    }

    fn check(&self, _: &RunSettings) -> Result<(), LearnError> {
        Ok(())
    }

    fn footprint(&self, _: &RunSettings) -> Result<Footprint, LearnError> {
        unreachable!("never asked")
    }

    fn pretrain(&self, _: &RunSettings, _: RunContext) -> Result<TrainOutcome, LearnError> {
        unreachable!("never asked")
    }

    fn fill_mask(&self, _: &FillMaskRequest) -> Result<Vec<Vec<MaskFilling>>, LearnError> {
        panic!("no such length")
    }

    fn embedder(&self, _: &EmbedRequest) -> Result<Box<dyn TextEmbedder>, LearnError> {
        unreachable!("never asked")
    }

    fn forward(&self, _: &ForwardRequest) -> Result<Vec<Output>, LearnError> {
        unreachable!("never asked")
    }
}

/// A run whose corpus has a sentence to show.
fn settings(folder: &std::path::Path) -> RunSettings {
    let text = "the potter opened the kiln and the pots were red and cold today.\n".repeat(5);
    std::fs::write(folder.join("text.txt"), &text).unwrap();
    let settings = WordPieceSettings {
        min_frequency: 1,
        ..WordPieceSettings::default()
    };
    let tokenizer = train_word_piece_on_texts([text.as_str()], &settings).unwrap();
    tokenizer.save(&folder.join("tokenizer")).unwrap();
    let inputs =
        kiln_text::reading::Inputs::find(&[folder.join("text.txt")], Default::default()).unwrap();
    kiln_text::corpus::prepare(
        &inputs,
        &tokenizer,
        &folder.join("shards"),
        &Default::default(),
        &mut |_| {},
    )
    .unwrap();
    serde_json::from_value(serde_json::json!({
        "versions": {"kiln": "0.1.0", "burn": "0.22.1"},
        "architecture": "bert",
        "model": {"model_type": "bert", "hidden_size": 128, "num_hidden_layers": 2,
                  "num_attention_heads": 2, "vocab_size": 8000, "hidden_act": "gelu"},
        "init_from": null,
        "objective": {"next_sentence": true, "examples": "pairs", "mask_rate": 0.15, "mask_share": 0.8,
                      "random_share": 0.1, "whole_word": false, "max_predictions": 20,
                      "short_seq_prob": 0.1},
        "data": {"shards": folder.join("shards"), "corpus": "", "eval_shards": null,
                 "eval_corpus": null, "held_out": 0.05, "eval_batches": 20,
                 "tokenizer": folder.join("tokenizer"), "tokenizer_identity": "77aa", "seq_len": 128},
        "training": {"steps": 1, "batch_size": 16, "accumulate": 1, "seed": 1,
                     "optimizer": {"learning_rate": 1e-4, "betas": [0.9, 0.999], "epsilon": 1e-6,
                                   "weight_decay": 0.01, "bias_correction": true, "clip_norm": 1.0},
                     "schedule": "linear", "warmup": 10, "eval_every": 0, "save_every": 0,
                     "keep_last": 3, "keep_best": 1, "log_every": 10, "early_stop": null,
                     "max_bad_steps": 5, "data_threads": 1, "data_ahead": 8},
        "devices": ["flex:0"],
    }))
    .unwrap()
}

#[test]
fn a_rate_after_one_that_diverged_is_a_tenth_and_never_high() {
    let rates = [3e-4, 1e-2, 1e12, 0.0].map(|rate| format!("{:e}", lower_rate(rate)));
    assert_eq!(rates, ["3e-5", "1e-4", "1e-4", "0e0"]);
}

#[test]
fn a_panic_in_the_samples_or_the_report_leaves_the_run_and_its_summary() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let run = RunFolder::create(&folder.path().join("run")).unwrap();
    let checkpoint = run.checkpoint(1);
    std::fs::create_dir_all(&checkpoint).unwrap();
    let ready = ReadyRun {
        architecture: &Panicking,
        run: &run,
        settings: &settings,
        devices: vec![Device::default()],
        dashboard: false,
        json: true,
        console: Console::new(),
        resumption: None,
    };
    assert_eq!(samples::draw(&settings, 1).unwrap().len(), 1);
    let outcome = TrainOutcome {
        step: 1,
        stop: Stop::Done,
        checkpoint: checkpoint.clone(),
        best_checkpoint: None,
        bad_steps: 0,
    };
    // There are no metrics, so no report either.
    let ending = conclude(&ready, outcome, None).to_json();
    assert_eq!(ending["samples"], Value::Array(Vec::new()));
    assert_eq!(ending["report"], Value::Null);
    assert_eq!(ending["stop"], "done");
    assert_eq!(ending["checkpoint"], checkpoint.display().to_string());
    assert!(checkpoint.is_dir());
}
