//! Every reference case on every device: outputs, losses, gradients, and thirty training steps.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use kiln_nn::Init;
use kiln_roberta::{RobertaConfig, RobertaPretraining};
use kiln_tasks::Family;
use kiln_tasks::forward::forward;
use kiln_testing::{
    Fixture, Report, check_parity, check_trajectory, devices, fixtures_dir, lock_generator,
};

const MANIFEST_DIR: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn outputs_losses_and_gradients_are_the_references() {
    check_parity("roberta", MANIFEST_DIR, forward::<RobertaConfig>);
}

fn follows(accumulate: usize) {
    let _guard = lock_generator();
    let root = fixtures_dir("roberta", MANIFEST_DIR);
    let (start, fixture) = (
        root.join("masked_lm"),
        Fixture::open(&root.join("trajectory")),
    );
    let mut report = Report::new("roberta trajectory");
    for (name, device) in devices() {
        let config = RobertaConfig::open(&start).unwrap().for_inference();
        let objective = RobertaPretraining::new(config, ());
        let model = objective.new_model(&mut Init::zeros(&device.clone().autodiff()));
        let model = objective.files(None).read(model, &start).unwrap();
        let files = objective.files(None);
        let trained = (objective, model, files);
        check_trajectory(&mut report, &name, &fixture, accumulate, trained);
    }
    report.finish();
}

#[test]
fn thirty_steps_of_adamw_are_pytorchs() {
    follows(1);
}

/// The rows have different numbers of predictions, so a mean of means would show.
#[test]
fn three_micro_batches_of_one_row_follow_the_same_curve_as_one_of_three() {
    follows(3);
}
