//! One step of replaced token detection with given samples against PyTorch: both losses and every
//! gradient, for each way of sharing words; and the names in the files of a pair.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers may end the test"
)]

use std::collections::BTreeMap;

use burn::optim::GradientsParams;
use kiln_checkpoint::{ModelFile, gradient_tensors};
use kiln_deberta::DebertaPair;
use kiln_deberta::names::NAMES;
use kiln_learner::Objective;
use kiln_tasks::replaced_tokens::corrupt;
use kiln_tasks::settings::Sharing;
use kiln_testing::{Bound, Report, devices};

use crate::objectives::{Batches, fixture, fixture_objective, open_pair};

/// Every way of sharing words, with its case.
const CASES: [(&str, Sharing); 3] = [
    ("joint_disentangled", Sharing::GradientDisentangled),
    ("joint_shared", Sharing::Embeddings),
    ("joint_none", Sharing::None),
];

/// Gradients by the reference's names: a shared table is the generator's, a difference of tables
/// stands in the place of the discriminator's.
fn gradients(model: &DebertaPair, gradients: &GradientsParams) -> BTreeMap<String, Vec<f32>> {
    let mut found = BTreeMap::new();
    let generator = gradient_tensors(&model.generator, gradients, &NAMES).unwrap();
    let discriminator = gradient_tensors(&model.discriminator, gradients, &NAMES).unwrap();
    for (model, tensors) in [("generator", generator), ("discriminator", discriminator)] {
        for tensor in tensors {
            let name = tensor.name.trim_start_matches("grad.");
            // What the discriminator owns stands without the encoder's prefix.
            let name = match name.split_once('.') {
                Some(("word_embeddings", _)) => format!("deberta.embeddings.{name}"),
                Some(("block", name)) => format!("deberta.embeddings.{name}"),
                Some(("encoder", _)) => format!("deberta.{name}"),
                _ => name.to_owned(),
            };
            found.insert(format!("grad.{model}.{name}"), tensor.data);
        }
    }
    found
}

fn is_the_references(case: &str, sharing: Sharing) {
    let fixture = fixture(case);
    let mut report = Report::new(case);
    for (name, device) in devices() {
        let device = device.autodiff();
        let objective = fixture_objective(&fixture.folder, sharing, false);
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
fn the_joint_step_with_a_difference_of_tables_is_pytorchs() {
    let [(case, sharing), _, _] = CASES;
    is_the_references(case, sharing);
}

#[test]
fn the_joint_step_with_one_table_is_pytorchs() {
    let [_, (case, sharing), _] = CASES;
    is_the_references(case, sharing);
}

#[test]
fn the_joint_step_with_nothing_shared_is_pytorchs() {
    let [_, _, (case, sharing)] = CASES;
    is_the_references(case, sharing);
}

/// In turns, both parts together have the terms of the joint step.
#[test]
fn the_parts_of_a_step_in_turns_have_the_losses_of_the_joint_step() {
    for (case, sharing) in CASES {
        let fixture = fixture(case);
        let mut report = Report::new(case);
        for (name, device) in devices() {
            let objective = fixture_objective(&fixture.folder, sharing, true);
            let model = open_pair(&objective, &fixture.folder, &device);
            let host = Batches::single(&fixture);
            let batch = objective.upload(&host, &device);
            let weights = objective.weights(&host);
            let mut scratch = None;
            for (part, term) in objective.terms().iter().enumerate() {
                assert_eq!(term.part, part);
                let output = objective.forward(&model, part, &batch, scratch, &());
                scratch = output.scratch;
                let [sum] = <[_; 1]>::try_from(output.sums).unwrap();
                let value = (sum / weights[part]).try_into_vec_as::<f32>().unwrap();
                let expected = fixture.output(term.name).floats();
                report.check(term.name, &name, &value, expected, Bound::Loss);
            }
        }
        report.finish();
    }
}

/// The names are those that transformers writes, without the original's `_weight`; both tables are
/// whole.
#[test]
fn both_folders_of_a_pair_hold_the_references_names_and_nothing_else() {
    let (device_name, device) = devices().remove(0);
    for (case, sharing) in CASES {
        let fixture = fixture(case);
        let objective = fixture_objective(&fixture.folder, sharing, true);
        let model = open_pair(&objective, &fixture.folder, &device);
        let folder = tempfile::tempdir().unwrap();
        objective.files(None).write(&model, folder.path()).unwrap();
        for (half, class) in [
            ("generator", "DebertaV2ForMaskedLM"),
            ("discriminator", "DebertaV2ForPreTraining"),
        ] {
            let path = folder.path().join(half);
            let [written, expected] =
                [&path, &fixture.folder.join(half)].map(|path| ModelFile::open(path).unwrap());
            let names = written.names().collect::<Vec<_>>();
            assert_eq!(names, expected.names().collect::<Vec<_>>(), "{case} {half}");
            for name in names {
                assert_eq!(
                    written.info(name).unwrap().shape,
                    expected.info(name).unwrap().shape,
                    "{case} {name}"
                );
                let [found, expected] = [&written, &expected].map(|file| file.read(name).unwrap());
                assert_eq!(found, expected, "{device_name} {case} {half} {name}");
            }
            let config: serde_json::Value =
                serde_json::from_slice(&std::fs::read(path.join("config.json")).unwrap()).unwrap();
            assert_eq!(config["architectures"][0], class);
            assert_eq!(config["model_type"], "deberta-v2");
            if half == "generator" {
                // Else transformers would look for its own head.
                assert_eq!(config["legacy"], false);
            }
        }
        let difference = folder.path().join("embedding_difference.safetensors");
        assert_eq!(
            difference.exists(),
            sharing == Sharing::GradientDisentangled
        );
        let entries = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(entries, 2 + usize::from(difference.exists()), "{case}");
    }
}
