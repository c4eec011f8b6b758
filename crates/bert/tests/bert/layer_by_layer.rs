//! Fine-tuning against transformers: thirty steps of every task with rates that fall from layer to layer.

use std::path::PathBuf;

use kiln_bert::{
    BertForMultipleChoice, BertForQuestionAnswering, BertForSequenceClassification,
    BertForTokenClassification,
};
use kiln_tasks::fine_tuning::{FineTuningSettings, LayerDecay};
use kiln_testing::{check_fine_tuning, fixtures_dir, layer_by_layer};

fn root() -> PathBuf {
    fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"))
}

/// Rates that fall from layer to layer, as published.
fn decayed() -> FineTuningSettings {
    layer_by_layer(LayerDecay::electra())
}

#[test]
fn a_classifier_learns_as_in_pytorch_layer_by_layer() {
    let cases = ("sequence_classification", "trajectory_classify_decayed");
    check_fine_tuning::<BertForSequenceClassification>(&root(), cases, &decayed(), 1);
}

#[test]
fn several_labels_are_learned_as_in_pytorch_layer_by_layer() {
    let cases = ("multi_label", "trajectory_multi_label");
    check_fine_tuning::<BertForSequenceClassification>(&root(), cases, &decayed(), 1);
}

#[test]
fn a_number_is_learned_as_in_pytorch_layer_by_layer() {
    let cases = ("regression", "trajectory_regress");
    check_fine_tuning::<BertForSequenceClassification>(&root(), cases, &decayed(), 1);
}

#[test]
fn several_numbers_are_learned_as_in_pytorch_layer_by_layer() {
    let cases = ("regression_several", "trajectory_regress_several");
    for accumulate in [1, 3] {
        check_fine_tuning::<BertForSequenceClassification>(&root(), cases, &decayed(), accumulate);
    }
}

#[test]
fn a_tagger_learns_as_in_pytorch_layer_by_layer() {
    let cases = ("token_classification", "trajectory_tag_decayed");
    check_fine_tuning::<BertForTokenClassification>(&root(), cases, &decayed(), 1);
}

#[test]
fn spans_are_learned_as_in_pytorch_layer_by_layer() {
    let cases = ("question_answering", "trajectory_qa_decayed");
    check_fine_tuning::<BertForQuestionAnswering>(&root(), cases, &decayed(), 1);
}

#[test]
fn continuations_are_chosen_among_as_in_pytorch_layer_by_layer() {
    let cases = ("multiple_choice", "trajectory_choose_decayed");
    check_fine_tuning::<BertForMultipleChoice>(&root(), cases, &decayed(), 1);
}
