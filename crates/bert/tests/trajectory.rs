//! Thirty optimizer steps through the learner against PyTorch: every loss, gradient norm and
//! learning rate on the way, and the parameters at the end.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers may end the test"
)]

use std::sync::Arc;

use kiln_bert::{BertConfig, BertForPreTraining, BertPretraining};
use kiln_checkpoint::{ModelFile, load_module, module_tensors};
use kiln_learner::{RunFolder, TrainRequest, train};
use kiln_nn::Init;
use kiln_testing::{
    Bound, Fixture, Report, check_curves, devices, fixtures_dir, lock_generator, training_settings,
};
use kiln_text::{BatchSource, HostBatch, TextError};

/// The reference's batches, one a step: labels of -100 are no predictions.
struct Batches {
    fixture: Fixture,
    batch_size: usize,
    seq_len: usize,
    slots: usize,
}

impl Batches {
    fn new(fixture: Fixture, batch_size: usize) -> Self {
        let [_, _, seq_len] = fixture.input("labels").shape[..] else {
            panic!("labels are [steps, batch, seq_len]")
        };
        let chosen = |row: &[i32]| row.iter().filter(|label| **label >= 0).count();
        let slots = fixture
            .input("labels")
            .ints()
            .chunks(seq_len)
            .map(chosen)
            .max()
            .unwrap();
        Self {
            fixture,
            batch_size,
            seq_len,
            slots,
        }
    }
}

impl BatchSource for Batches {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let (rows, seq_len) = (self.batch_size, self.seq_len);
        let start = index as usize * rows;
        let slice = |name: &str, width: usize| -> Vec<i32> {
            self.fixture.input(name).ints()[start * width..(start + rows) * width].to_vec()
        };
        let (mut positions, mut labels, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for row in slice("labels", seq_len).chunks(seq_len) {
            let chosen = row.iter().enumerate().filter(|(_, label)| **label >= 0);
            let mut slots: Vec<_> = chosen.map(|(at, label)| (at as i32, *label, 1.0)).collect();
            slots.resize(self.slots, (0, 0, 0.0));
            for (position, label, weight) in slots {
                positions.push(position);
                labels.push(label);
                weights.push(weight);
            }
        }
        let mut batch = HostBatch::default();
        for name in ["input_ids", "attention_mask", "token_type_ids"] {
            batch.insert_ints(name, slice(name, seq_len), &[rows, seq_len]);
        }
        batch.insert_ints("positions", positions, &[rows, self.slots]);
        batch.insert_ints("labels", labels, &[rows, self.slots]);
        batch.insert_floats("weights", weights, &[rows, self.slots]);
        batch.insert_ints(
            "next_sentence_label",
            slice("next_sentence_label", 1),
            &[rows],
        );
        batch.insert_floats("example_weight", vec![1.0; rows], &[rows]);
        Ok(batch)
    }
}

fn follows(case: &str, accumulate: usize) {
    let _guard = lock_generator();
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let start = root.join("pretraining");
    let mut report = Report::new(case);
    for (name, device) in devices() {
        let fixture = Fixture::open(&root.join(case));
        let config: BertConfig = serde_json::from_value(Fixture::open(&start).config).unwrap();
        let config = config.without_dropout();
        let objective = BertPretraining::new(config, true);
        let model = objective.new_model(&mut Init::zeros(&device.clone().autodiff()));
        let model: BertForPreTraining = objective.files(None).read(model, &start).unwrap();

        let rows = fixture.input("labels").shape[1];
        let batch_size = rows / accumulate;
        let settings = training_settings(&fixture, batch_size, accumulate);
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("run")).unwrap();
        let files = objective.files(None);
        let outcome = train(TrainRequest::new(
            objective,
            model,
            files,
            run.clone(),
            settings,
            Arc::new(Batches::new(fixture.clone(), batch_size)),
        ))
        .unwrap();

        let curves = [
            ("loss", "losses", Bound::Loss),
            ("learning_rate", "learning_rates", Bound::Loss),
            ("grad_norm", "grad_norms", Bound::Gradient),
        ];
        check_curves(&mut report, &name, &fixture, &run, &curves);
        let file = ModelFile::open(&outcome.checkpoint).unwrap();
        for (parameter, expected) in &fixture.parameters {
            // A key bias has no gradient in exact arithmetic; what Adam makes of the noise that
            // is left is decided by the noise.
            if parameter.ends_with("key.bias") {
                continue;
            }
            let actual = file.read(parameter).unwrap();
            let row = format!("{case} {parameter}");
            report.check(&row, &name, &actual, expected.floats(), Bound::Output);
        }
    }
    report.finish();
}

#[test]
fn thirty_steps_of_adamw_are_pytorchs() {
    follows("trajectory_hf", 1);
}

#[test]
fn thirty_steps_without_bias_correction_are_the_originals() {
    follows("trajectory_original", 1);
}

/// The rows have different numbers of predictions, so a mean of means would show.
#[test]
fn three_micro_batches_of_one_row_follow_the_same_curve_as_one_of_three() {
    follows("trajectory_hf", 3);
}

/// The names of both sides of a checkpoint are the reference's.
#[test]
fn a_checkpoint_holds_exactly_the_references_names() {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let (name, device) = devices().remove(0);
    let fixture = Fixture::open(&root.join("pretraining"));
    let config: BertConfig = serde_json::from_value(fixture.config.clone()).unwrap();
    let model = BertForPreTraining::new(&config, &mut Init::zeros(&device));
    let file = ModelFile::open(&fixture.folder).unwrap();
    let names = &kiln_bert::names::NAMES;
    let (model, _) = load_module(model, names, &file, &kiln_bert::names::LOAD_OPTIONS).unwrap();
    let mut written: Vec<String> = module_tensors(&model, names)
        .unwrap()
        .into_iter()
        .map(|tensor| tensor.name)
        .collect();
    written.sort();
    let expected: Vec<String> = fixture.model().into_keys().collect();
    assert_eq!(written, expected, "{name}");
}
