//! Fine-tuning against transformers: thirty steps of every task.

use kiln_bert::{
    BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification,
};
use kiln_tasks::fine_tuning::FineTuningSettings;
use kiln_testing::{check_fine_tuning, fixtures_dir};

fn settings() -> FineTuningSettings {
    FineTuningSettings::default()
}

#[test]
fn a_classifier_learns_as_in_pytorch() {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let cases = ("sequence_classification", "trajectory_classify");
    check_fine_tuning::<BertForSequenceClassification>(&root, cases, &settings(), 1);
}

#[test]
fn a_tagger_learns_as_in_pytorch() {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let cases = ("token_classification", "trajectory_tag");
    check_fine_tuning::<BertForTokenClassification>(&root, cases, &settings(), 1);
}

/// The rows have different numbers of labels, so a mean of means would show.
#[test]
fn a_tagger_learns_alike_from_three_micro_batches_of_one_row() {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let cases = ("token_classification", "trajectory_tag");
    check_fine_tuning::<BertForTokenClassification>(&root, cases, &settings(), 3);
}

#[test]
fn spans_are_learned_as_in_pytorch() {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let cases = ("question_answering", "trajectory_qa");
    check_fine_tuning::<BertForQuestionAnswering>(&root, cases, &settings(), 1);
}
