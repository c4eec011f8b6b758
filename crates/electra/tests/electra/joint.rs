//! The joint step, with given samples, against PyTorch: both losses, every gradient, and thirty
//! steps of training; with shared embeddings, nothing shared and everything shared.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers may end the test"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::optim::GradientsParams;
use burn::tensor::Device;
use kiln_checkpoint::{ModelFile, gradient_tensors};
use kiln_electra::ElectraPair;
use kiln_electra::names::NAMES;
use kiln_learner::{Objective, RunFolder, TrainRequest, train};
use kiln_tasks::replaced_tokens::{ReplacedTokenBatch, corrupt};
use kiln_tasks::settings::Sharing;
use kiln_testing::{
    Bound, Fixture, Report, check_curves, devices, fixtures_dir, lock_generator, training_settings,
};

use crate::common::{Batches, fixture_objective, open_pair};

fn fixture(case: &str) -> Fixture {
    Fixture::open(&fixtures_dir("electra", env!("CARGO_MANIFEST_DIR")).join(case))
}

/// Gradients by the reference's names: the shared parameters are the discriminator's.
fn gradients(model: &ElectraPair, gradients: &GradientsParams) -> BTreeMap<String, Vec<f32>> {
    let mut found = BTreeMap::new();
    let discriminator = gradient_tensors(&model.discriminator, gradients, &NAMES).unwrap();
    let generator = gradient_tensors(&model.generator, gradients, &NAMES).unwrap();
    for (model, tensors) in [("discriminator", discriminator), ("generator", generator)] {
        for tensor in tensors {
            let name = tensor.name.trim_start_matches("grad.");
            // What a generator owns of its encoder stands without the encoder's prefix.
            let prefix = match name.split_once('.') {
                Some(("embeddings" | "embeddings_project" | "encoder", _)) => "electra.",
                _ => "",
            };
            found.insert(format!("grad.{model}.{prefix}{name}"), tensor.data);
        }
    }
    found
}

fn is_the_references(case: &str, sharing: Sharing) {
    let fixture = fixture(case);
    let mut report = Report::new(case);
    for (name, device) in devices() {
        let device = device.autodiff();
        let objective = fixture_objective(&fixture.folder, sharing);
        let model = open_pair(&objective, &fixture.folder, &device);
        let host = Batches::single(&fixture);
        let batch = objective.upload(&host, &device);

        let samples = batch.samples.clone().unwrap();
        let corrupted = corrupt(samples, &batch);
        let ids: Vec<i32> = corrupted.input_ids.try_into_vec_as().unwrap();
        assert_eq!(ids, fixture.output("corrupted_ids").ints(), "{name}");
        let replaced: Vec<i32> = corrupted.replaced.int().try_into_vec_as().unwrap();
        assert_eq!(replaced, fixture.output("replaced").ints(), "{name}");

        let output = objective.forward(&model, 0, &batch, None, &());
        let mut loss = None;
        let weights = objective.weights(&host);
        for ((term, sum), weight) in objective.terms().iter().zip(output.sums).zip(weights) {
            let mean = sum / weight;
            let value = mean.clone().inner().try_into_vec_as::<f32>().unwrap();
            let expected = fixture.output(term.name).floats();
            report.check(term.name, &name, &value, expected, Bound::Loss);
            let share = mean.mul_scalar(term.coefficient);
            loss = Some(match loss {
                None => share,
                Some(before) => before + share,
            });
        }
        let loss = loss.unwrap();
        let value = loss.clone().inner().try_into_vec_as::<f32>().unwrap();
        let expected = fixture.output("loss").floats();
        report.check("loss", &name, &value, expected, Bound::Loss);

        let grads = GradientsParams::from_grads(loss.backward(), &model);
        let found = gradients(&model, &grads);
        assert_eq!(found.len(), fixture.gradients.len(), "{case}");
        for (key, expected) in &fixture.gradients {
            let Some(actual) = found.get(key) else {
                panic!("{case}: no {key} among {:?}", found.keys());
            };
            report.check(key, &name, actual, expected.floats(), Bound::Gradient);
        }
    }
    report.finish();
}

#[test]
fn the_joint_step_with_shared_embeddings_is_pytorchs() {
    is_the_references("joint", Sharing::Embeddings);
}

#[test]
fn the_joint_step_with_nothing_shared_is_pytorchs() {
    is_the_references("joint_untied", Sharing::None);
}

#[test]
fn the_joint_step_with_everything_shared_is_pytorchs() {
    is_the_references("joint_all_tied", Sharing::All);
}

fn follows(case: &str, accumulate: usize) {
    let _guard = lock_generator();
    let fixture = fixture(case);
    let start = self::fixture("joint").folder;
    let mut report = Report::new(case);
    for (name, device) in devices() {
        let objective = fixture_objective(&start, Sharing::Embeddings);
        let model = open_pair(&objective, &start, &device.clone().autodiff());
        let rows = fixture.input("input_ids").shape[1];
        let batch_size = rows / accumulate;
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("run")).unwrap();
        let files = objective.files(None);
        let outcome = train(TrainRequest::new(
            objective,
            model,
            files,
            run.clone(),
            training_settings(&fixture, batch_size, accumulate),
            Arc::new(Batches::stacked(&fixture, batch_size)),
        ))
        .unwrap();
        let curves = [
            ("loss", "losses", Bound::Loss),
            ("generator_loss", "generator_losses", Bound::Loss),
            ("discriminator_loss", "discriminator_losses", Bound::Loss),
            ("learning_rate", "learning_rates", Bound::Loss),
            ("grad_norm", "grad_norms", Bound::Gradient),
        ];
        check_curves(&mut report, &name, &fixture, &run, &curves);
        for half in ["discriminator", "generator"] {
            let file = ModelFile::open(outcome.checkpoint.join(half)).unwrap();
            let prefix = format!("{half}.");
            for (parameter, expected) in &fixture.parameters {
                // A key bias has no gradient in exact arithmetic; what Adam makes of the noise that
                // is left is decided by the noise.
                let Some(parameter) = parameter.strip_prefix(&prefix) else {
                    continue;
                };
                if parameter.ends_with("key.bias") {
                    continue;
                }
                let actual = file.read(parameter).unwrap();
                let row = format!("{case} {half} {parameter}");
                report.check(&row, &name, &actual, expected.floats(), Bound::Output);
            }
        }
    }
    report.finish();
}

#[test]
fn thirty_joint_steps_of_adamw_are_pytorchs() {
    follows("trajectory_hf", 1);
}

#[test]
fn thirty_joint_steps_without_bias_correction_are_the_originals() {
    follows("trajectory_original", 1);
}

/// Rows have different numbers of predictions and of tokens, so a mean of means would show.
#[test]
fn three_micro_batches_of_one_row_follow_the_same_curve_as_one_of_three() {
    follows("trajectory_hf", 3);
}

/// The device's copy of a batch, for a look at one.
#[test]
fn what_stands_in_an_empty_slot_changes_nothing() {
    let fixture = fixture("joint");
    for (name, device) in devices() {
        let objective = fixture_objective(&fixture.folder, Sharing::Embeddings);
        let model = open_pair(&objective, &fixture.folder, &device);
        let read = |host| -> Vec<f32> {
            let batch = objective.upload(&host, &device);
            let output = objective.forward(&model, 0, &batch, None, &());
            let sums = output.sums.into_iter();
            sums.flat_map(|sum| sum.try_into_vec_as::<f32>().unwrap())
                .collect()
        };
        let host = Batches::single(&fixture);
        let expected = read(host.clone());
        let empty = |index: usize| host.floats["weights"].data[index] == 0.0;
        for other in [1, 7, 50] {
            let mut changed = host.clone();
            let samples = changed.ints.get_mut("samples").unwrap();
            for (index, id) in samples.data.iter_mut().enumerate() {
                if empty(index) {
                    *id = other;
                }
            }
            assert_eq!(read(changed), expected, "{name}");
        }
    }
}

fn upload(host: &kiln_text::HostBatch, device: &Device) -> ReplacedTokenBatch {
    ReplacedTokenBatch::upload(host, device)
}

#[test]
fn the_ids_before_masking_are_put_together_from_labels_and_positions() {
    let fixture = fixture("joint");
    for (name, device) in devices() {
        let batch = upload(&Batches::single(&fixture), &device);
        let original: Vec<i32> = batch.original_ids.try_into_vec_as().unwrap();
        assert_eq!(original, fixture.input("original_ids").ints(), "{name}");
    }
}
