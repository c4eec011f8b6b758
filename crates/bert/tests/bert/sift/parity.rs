//! The reference's numbers, on every device.

use std::sync::Arc;

use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use kiln_bert::names::NAMES;
use kiln_checkpoint::{ModelFile, gradient_tensors};
use kiln_learner::{RunFolder, TrainRequest, train};
use kiln_nn::loss::cross_entropy_sum;
use kiln_tasks::fine_tuning::{FineTuning, FineTuningSettings};
use kiln_tasks::sift::AscentLoss;
use kiln_testing::{
    Bound, Fixture, Report, check_curves, devices, lock_generator, training_settings,
};
use kiln_text::{BatchSource, HostBatch, TextError};

use crate::sift::passes::{Batch, case, classifier, config, settings};

#[test]
fn losses_perturbations_and_gradients_are_the_references() {
    let fixture = Fixture::open(&case("sift"));
    let mut report = Report::new("bert sift");
    for (name, device) in devices() {
        let device = device.autodiff();
        let model = classifier(&device);
        let batch = Batch::of(&fixture, &device);
        let logits_of = batch.logits_of();
        let clean = batch.clean(&model);
        let mut check = |row: &str, actual: Vec<f32>, bound| {
            let expected = fixture.output(row).floats();
            report.check(&format!("sift {row}"), &name, &actual, expected, bound);
        };
        let floats = |tensor: Tensor<1>| tensor.inner().try_into_vec_as::<f32>().unwrap();
        check(
            "logits",
            floats(clean.logits.clone().flatten(0, 1)),
            Bound::Output,
        );

        let climb = |loss| clean.climb(&settings(loss), batch.delta.clone(), &model, &logits_of);
        let delta = climb(AscentLoss::SymmetricKl);
        check(
            "delta_1",
            floats(delta.clone().flatten(0, 2)),
            Bound::Output,
        );
        // The same gradient, see `AscentLoss::SymmetricKl`.
        check(
            "delta_1",
            floats(climb(AscentLoss::Kl).flatten(0, 2)),
            Bound::Output,
        );
        check(
            "delta_1.mse",
            floats(climb(AscentLoss::Mse).flatten(0, 2)),
            Bound::Output,
        );

        let [rows] = batch.labels.dims();
        let logits = clean.logits.clone();
        let task = cross_entropy_sum(logits, batch.labels, batch.weights) / rows as f64;
        let sift = clean.perturbed_sum(delta, &model, &logits_of) / rows as f64;
        let loss = task.clone() + sift.clone() * settings(AscentLoss::SymmetricKl).weight;
        for (row, value) in [
            ("task_loss", task),
            ("sift_loss", sift),
            ("loss", loss.clone()),
        ] {
            check(row, floats(value), Bound::Loss);
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let gradients = gradient_tensors(&model, &gradients, &NAMES).unwrap();
        assert_eq!(gradients.len(), fixture.gradients.len());
        for gradient in gradients {
            let expected = fixture.gradients[&gradient.name].floats();
            let row = format!("sift {}", gradient.name);
            report.check(&row, &name, &gradient.data, expected, Bound::Gradient);
        }
    }
    report.finish();
}

/// The reference's batches, one a step.
struct Batches(Fixture);

impl BatchSource for Batches {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let [steps, rows, seq_len] = self.0.input("input_ids").shape[..] else {
            panic!("input_ids are [steps, batch, seq_len]")
        };
        let [.., hidden_size] = self.0.input("delta_0").shape[..] else {
            panic!("delta_0 is [steps, batch, seq_len, hidden_size]")
        };
        // Batches are built ahead, beyond the last step too.
        let step = index as usize % steps;
        let of_step = |size: usize| step * size..(step + 1) * size;
        let mut batch = HostBatch::default();
        for (name, shape) in [
            ("input_ids", &[rows, seq_len][..]),
            ("attention_mask", &[rows, seq_len]),
            ("token_type_ids", &[rows, seq_len]),
            ("labels", &[rows]),
        ] {
            let size = shape.iter().product();
            let data = self.0.input(name).ints()[of_step(size)].to_vec();
            batch.insert_ints(name, data, shape);
        }
        let shape = [rows, seq_len, hidden_size];
        let data = self.0.input("delta_0").floats()[of_step(shape.iter().product())].to_vec();
        batch.insert_floats("delta_0", data, &shape);
        batch.insert_floats("example_weight", vec![1.0; rows], &[rows]);
        Ok(batch)
    }
}

#[test]
fn thirty_steps_are_pytorchs() {
    let _guard = lock_generator();
    let fixture = Fixture::open(&case("sift_trajectory"));
    let mut report = Report::new("bert sift_trajectory");
    for (name, device) in devices() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("run")).unwrap();
        let rows = fixture.input("labels").shape[1];
        let settings = FineTuningSettings {
            sift: Some(settings(AscentLoss::SymmetricKl)),
            ..FineTuningSettings::default()
        };
        let objective = FineTuning::new(config(), settings).unwrap();
        let files = objective.files(None);
        let outcome = train(TrainRequest::new(
            objective,
            classifier(&device.clone().autodiff()),
            files,
            run.clone(),
            training_settings(&fixture, rows, 1),
            Arc::new(Batches(fixture.clone())),
        ))
        .unwrap();

        let curves = [
            ("loss", "losses", Bound::Loss),
            ("task_loss", "task_losses", Bound::Loss),
            ("sift_loss", "sift_losses", Bound::Loss),
            ("learning_rate", "learning_rates", Bound::Loss),
            ("grad_norm", "grad_norms", Bound::Gradient),
        ];
        check_curves(&mut report, &name, &fixture, &run, &curves);
        let file = ModelFile::open(&outcome.checkpoint).unwrap();
        for (parameter, expected) in &fixture.parameters {
            // Noise alone, as in the trajectories of pretraining.
            if parameter.ends_with("key.bias") {
                continue;
            }
            let actual = file.read(parameter).unwrap();
            let row = format!("sift_trajectory {parameter}");
            report.check(&row, &name, &actual, expected.floats(), Bound::Output);
        }
    }
    report.finish();
}
