//! Fine-tuning against transformers: thirty steps with rates that fall from layer to layer.

use kiln_tasks::fine_tuning::{FineTuningSettings, LayerDecay};
use kiln_testing::{check_fine_tuning, fixtures_dir};
use kiln_xlnet::{
    XlnetForMultipleChoice, XlnetForQuestionAnswering, XlnetForQuestionAnsweringSimple,
};

#[test]
fn spans_are_learned_as_in_pytorch_layer_by_layer() {
    let root = fixtures_dir("xlnet", env!("CARGO_MANIFEST_DIR"));
    let cases = ("question_answering", "trajectory_qa");
    let settings = FineTuningSettings {
        layer_decay: Some(LayerDecay::xlnet()),
        ..FineTuningSettings::default()
    };
    check_fine_tuning::<XlnetForQuestionAnsweringSimple>(&root, cases, &settings, 1);
}

#[test]
fn continuations_are_chosen_among_as_in_pytorch_layer_by_layer() {
    let root = fixtures_dir("xlnet", env!("CARGO_MANIFEST_DIR"));
    let cases = ("multiple_choice", "trajectory_choose");
    let settings = FineTuningSettings {
        layer_decay: Some(LayerDecay::xlnet()),
        ..FineTuningSettings::default()
    };
    check_fine_tuning::<XlnetForMultipleChoice>(&root, cases, &settings, 1);
}

#[test]
fn spans_with_a_beam_are_learned_as_in_pytorch_layer_by_layer() {
    let root = fixtures_dir("xlnet", env!("CARGO_MANIFEST_DIR"));
    let cases = ("beam_training", "trajectory_beam");
    for accumulate in [1, 3] {
        let settings = FineTuningSettings {
            layer_decay: Some(LayerDecay::xlnet()),
            ..FineTuningSettings::default()
        };
        check_fine_tuning::<XlnetForQuestionAnswering>(&root, cases, &settings, accumulate);
    }
}
