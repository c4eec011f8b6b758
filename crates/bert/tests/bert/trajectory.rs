//! Thirty optimizer steps through the learner against PyTorch: every loss, gradient norm and
//! learning rate on the way, and the parameters at the end.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use kiln_bert::{BertConfig, BertForPreTraining, BertPretraining};
use kiln_checkpoint::{ModelFile, load_module, module_tensors};
use kiln_nn::Init;
use kiln_testing::{Fixture, Report, check_trajectory, devices, fixtures_dir, lock_generator};

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

        let files = objective.files(None);
        let trained = (objective, model, files);
        check_trajectory(&mut report, &name, &fixture, accumulate, trained);
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
