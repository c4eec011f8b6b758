//! One step of replaced token detection with given samples against PyTorch: both losses and every
//! gradient, for each way of sharing words; and the names in the files of a pair.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::collections::BTreeMap;

use burn::optim::GradientsParams;
use kiln_checkpoint::{ModelFile, gradient_tensors};
use kiln_deberta::DebertaPair;
use kiln_deberta::names::NAMES;
use kiln_learner::Objective;
use kiln_tasks::settings::Sharing;
use kiln_testing::{Bound, Report, SampledBatches, check_joint_step, devices, open_pair};

use crate::objectives::{fixture, fixture_objective};

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
    let objective = fixture_objective(&fixture.folder, sharing, false);
    check_joint_step(&fixture, &objective, gradients);
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
            let host = SampledBatches::single(&fixture);
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
