//! What happens after training, with a model that nothing can be done with.

use burn::tensor::Device;
use kiln_learner::LearnError;
use kiln_learner::architecture::{ForwardRequest, MaskFilling, Output};
use kiln_learner::memory::Footprint;
use kiln_learner::run::ObjectiveSettings;
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
        kiln_text::corpus::Inputs::find(&[folder.join("text.txt")], Default::default()).unwrap();
    kiln_text::corpus::prepare(
        &inputs,
        &tokenizer,
        &folder.join("shards"),
        &Default::default(),
        &mut |_| {},
    )
    .unwrap();
    let mut settings = crate::report::tests::settings(1);
    settings.data.shards = folder.join("shards");
    settings.data.tokenizer = folder.join("tokenizer");
    settings
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
    let job = Job {
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
    let ending = conclude(&job, outcome, None).to_json();
    assert_eq!(ending["samples"], Value::Array(Vec::new()));
    assert_eq!(ending["report"], Value::Null);
    assert_eq!(ending["stop"], "done");
    assert_eq!(ending["checkpoint"], checkpoint.display().to_string());
    assert!(checkpoint.is_dir());
}
