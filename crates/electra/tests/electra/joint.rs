//! The joint step, with given samples, against PyTorch: both losses, every gradient, and thirty
//! steps of training; with shared embeddings, nothing shared and everything shared.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::optim::GradientsParams;
use burn::tensor::Device;
use kiln_checkpoint::{ModelFile, gradient_tensors};
use kiln_electra::ElectraPair;
use kiln_electra::names::NAMES;
use kiln_learner::{Objective, RunFolder, TrainRequest, train};
use kiln_tasks::replaced_tokens::ReplacedTokenBatch;
use kiln_tasks::settings::Sharing;
use kiln_testing::{
    Bound, Fixture, Report, SampledBatches, check_curves, check_joint_step, devices, fixtures_dir,
    lock_generator, open_pair, training_settings,
};

use crate::common::fixture_objective;

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
    let objective = fixture_objective(&fixture.folder, sharing);
    check_joint_step(&fixture, &objective, gradients);
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
            Arc::new(SampledBatches::stacked(&fixture, batch_size)),
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
        let host = SampledBatches::single(&fixture);
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
        let batch = upload(&SampledBatches::single(&fixture), &device);
        let original: Vec<i32> = batch.original_ids.try_into_vec_as().unwrap();
        assert_eq!(original, fixture.input("original_ids").ints(), "{name}");
    }
}
