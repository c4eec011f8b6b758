//! Fine-tuning against transformers: thirty steps.

use kiln_roberta::{RobertaForMultipleChoice, RobertaForSequenceClassification};
use kiln_tasks::fine_tuning::FineTuningSettings;
use kiln_testing::{check_fine_tuning, fixtures_dir};

#[test]
fn a_classifier_learns_as_in_pytorch() {
    let root = fixtures_dir("roberta", env!("CARGO_MANIFEST_DIR"));
    let cases = ("sequence_classification", "trajectory_classify");
    let settings = FineTuningSettings::default();
    check_fine_tuning::<RobertaForSequenceClassification>(&root, cases, &settings, 1);
}

#[test]
fn continuations_are_chosen_among_as_in_pytorch() {
    let root = fixtures_dir("roberta", env!("CARGO_MANIFEST_DIR"));
    let cases = ("multiple_choice", "trajectory_choose");
    let settings = FineTuningSettings::default();
    check_fine_tuning::<RobertaForMultipleChoice>(&root, cases, &settings, 1);
}
