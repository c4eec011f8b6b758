//! Fine-tuning against transformers: thirty steps with one rate, and of every task with rates that fall
//! from layer to layer.

use std::path::PathBuf;

use kiln_deberta::{
    DebertaForMultipleChoice, DebertaForQuestionAnswering, DebertaForSequenceClassification,
    DebertaForTokenClassification,
};
use kiln_nn::Init;
use kiln_tasks::fine_tuning::{FineTuningSettings, LayerDecay};
use kiln_testing::{check_fine_tuning, devices, fixtures_dir, layer_by_layer};

use crate::common::v1;

fn root() -> PathBuf {
    fixtures_dir("deberta", env!("CARGO_MANIFEST_DIR"))
}

/// Rates that fall from layer to layer, as published.
fn decayed() -> FineTuningSettings {
    layer_by_layer(LayerDecay::electra())
}

#[test]
fn several_labels_are_learned_as_in_pytorch() {
    let cases = ("multi_label", "trajectory_multi_label");
    let settings = FineTuningSettings::default();
    check_fine_tuning::<DebertaForSequenceClassification>(&root(), cases, &settings, 1);
}

#[test]
fn a_classifier_learns_as_in_pytorch_layer_by_layer() {
    let cases = ("sequence_classification", "trajectory_classify");
    check_fine_tuning::<DebertaForSequenceClassification>(&root(), cases, &decayed(), 1);
}

#[test]
fn several_labels_are_learned_as_in_pytorch_layer_by_layer() {
    let cases = ("multi_label", "trajectory_multi_label_decayed");
    check_fine_tuning::<DebertaForSequenceClassification>(&root(), cases, &decayed(), 1);
}

#[test]
fn a_number_is_learned_as_in_pytorch_layer_by_layer() {
    let cases = ("regression", "trajectory_regress");
    check_fine_tuning::<DebertaForSequenceClassification>(&root(), cases, &decayed(), 1);
}

#[test]
fn several_numbers_are_learned_as_in_pytorch_layer_by_layer() {
    let cases = ("regression_several", "trajectory_regress_several");
    check_fine_tuning::<DebertaForSequenceClassification>(&root(), cases, &decayed(), 1);
}

#[test]
fn a_tagger_learns_as_in_pytorch_layer_by_layer() {
    let cases = ("token_classification", "trajectory_tag");
    check_fine_tuning::<DebertaForTokenClassification>(&root(), cases, &decayed(), 1);
}

#[test]
fn spans_are_learned_as_in_pytorch_layer_by_layer() {
    let cases = ("question_answering", "trajectory_qa");
    check_fine_tuning::<DebertaForQuestionAnswering>(&root(), cases, &decayed(), 1);
}

#[test]
fn continuations_are_chosen_among_as_in_pytorch_layer_by_layer() {
    let cases = ("multiple_choice", "trajectory_choose");
    check_fine_tuning::<DebertaForMultipleChoice>(&root(), cases, &decayed(), 1);
}

#[test]
fn a_first_version_learns_as_in_pytorch_layer_by_layer() {
    let cases = ("v1_sequence_classification", "trajectory_classify_v1");
    check_fine_tuning::<DebertaForSequenceClassification>(&root(), cases, &decayed(), 1);
}

/// Hugging Face has such a class for v2 and v3 alone.
#[test]
fn a_first_version_chooses_among_no_continuations() {
    let config = v1();
    let (_, device) = devices().remove(0);
    let error = DebertaForMultipleChoice::new(&config, &mut Init::zeros(&device)).err();
    let error = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(
        error.contains("only v2 and v3 choose among continuations"),
        "{error}"
    );
}
