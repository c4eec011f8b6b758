//! SiFT on XLNet, whose layers read the words' vectors as they are: losses, perturbations and gradients of
//! one pass are the reference's, and the scale of the vectors is that of their disturbance.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use kiln_checkpoint::gradient_tensors;
use kiln_learner::{NoObserver, Objective};
use kiln_nn::Init;
use kiln_tasks::class::Class;
use kiln_tasks::fine_tuning::{FineTuning, FineTuningSettings};
use kiln_tasks::heads::TrainedHead;
use kiln_tasks::sift::{AscentLoss, CleanPass, Disturbed, SiftSettings};
use kiln_tasks::{Encoder, Family};
use kiln_testing::{Bound, Fixture, Report, devices, fixtures_dir};
use kiln_text::HostBatch;
use kiln_xlnet::names::NAMES;
use kiln_xlnet::{XlnetConfig, XlnetForSequenceClassification};

/// The reference's settings: steps far above the published ones, so that their direction shows.
fn settings(ascent_loss: AscentLoss) -> SiftSettings {
    SiftSettings {
        weight: 5.0,
        step_size: 0.1,
        init_perturbation: 0.1,
        ascent_loss,
    }
}

type Classifier = XlnetForSequenceClassification;

/// The objective and the model that the case starts from, without dropout.
fn start(device: &Device) -> (FineTuning<Classifier>, Classifier) {
    let folder = fixtures_dir("xlnet", env!("CARGO_MANIFEST_DIR")).join("sequence_classification");
    let config = XlnetConfig::open(&folder).unwrap().for_inference();
    let settings = FineTuningSettings {
        sift: Some(settings(AscentLoss::SymmetricKl)),
        ..FineTuningSettings::default()
    };
    let objective = FineTuning::<Classifier>::new(config, settings).unwrap();
    let mut init = Init::zeros(device);
    let model = objective.start(&folder, true, &mut init, &NoObserver);
    (objective, model.unwrap())
}

/// The case's batch.
fn host_batch(fixture: &Fixture) -> HostBatch {
    let mut batch = HostBatch::default();
    for name in ["input_ids", "attention_mask", "token_type_ids", "labels"] {
        let tensor = fixture.input(name);
        batch.insert_ints(name, tensor.ints().to_vec(), &tensor.shape);
    }
    let delta = fixture.input("delta_0");
    batch.insert_floats("delta_0", delta.floats().to_vec(), &delta.shape);
    let rows = fixture.input("labels").shape[0];
    batch.insert_floats("example_weight", vec![1.0; rows], &[rows]);
    batch
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.inner().try_into_vec_as().unwrap()
}

#[test]
fn losses_perturbations_and_gradients_are_the_references() {
    let folder = fixtures_dir("xlnet", env!("CARGO_MANIFEST_DIR"));
    let fixture = Fixture::open(&folder.join("sift"));
    let host = host_batch(&fixture);
    let rows = fixture.input("labels").shape[0] as f64;
    let mut report = Report::new("xlnet sift");
    for (name, device) in devices() {
        let device = device.autodiff();
        let (objective, model) = start(&device);
        let batch = objective.upload(&host, &device);
        let logits_of = |model: &Classifier, sum| {
            let outputs = model.outputs_from(sum, batch.inputs.clone());
            outputs.head.rows(&batch.targets)
        };
        let read = Disturbed::in_its_scale(model.encoder().sum(&batch.inputs));
        let clean = CleanPass {
            logits: logits_of(&model, read.embedded.clone()),
            read,
            row_weights: Tensor::ones([rows as usize], &device),
        };
        let mut check = |row: &str, actual: Vec<f32>, bound| {
            let expected = fixture.output(row).floats();
            report.check(row, &name, &actual, expected, bound);
        };
        check("logits", floats(clean.logits.clone()), Bound::Output);
        let climb = |loss| {
            let start = batch.delta.clone().unwrap();
            floats(clean.climb(&settings(loss), start, &model, logits_of))
        };
        check("delta_1", climb(AscentLoss::SymmetricKl), Bound::Output);
        check("delta_1.mse", climb(AscentLoss::Mse), Bound::Output);

        // What is trained: the objective's own sums.
        let sums = objective.forward(&model, 0, &batch, (), &()).sums;
        let [task, sift] = sums.try_into().unwrap();
        let (task, sift): (Tensor<1>, Tensor<1>) = (task / rows, sift / rows);
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
        assert!(!gradients.is_empty());
        for gradient in gradients {
            let expected = fixture.gradients[&gradient.name].floats();
            report.check(
                &gradient.name,
                &name,
                &gradient.data,
                expected,
                Bound::Gradient,
            );
        }
    }
    report.finish();
}

/// The same perturbation of vectors ten times as long is ten times as long: relative to them nothing changes.
#[test]
fn a_disturbance_is_as_large_as_the_vectors_it_is_added_to() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let values: Vec<f32> = (0..24).map(|number| (number as f32).sin()).collect();
        let sum = Tensor::<1>::from_floats(&values[..], &device).reshape([1, 4, 6]);
        let scale = |sum| floats(Disturbed::in_its_scale(sum).scale.unwrap());
        let (plain, longer) = (scale(sum.clone()), scale(sum * 10.0));
        for (plain, longer) in plain.iter().zip(longer) {
            // The deviation's epsilon, 1e-7 beside a variance of half, and some roundings.
            let gap = (longer - 10.0 * plain).abs() / longer;
            assert!(gap < 1e-6, "{name}: {plain} and {longer}");
        }
    }
}
