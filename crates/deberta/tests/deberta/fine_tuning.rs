//! Fine-tuning against transformers: thirty steps of a classifier with several labels.

use kiln_deberta::{DebertaForMultipleChoice, DebertaForSequenceClassification};
use kiln_tasks::fine_tuning::{FineTuningSettings, LayerDecay};
use kiln_testing::{check_fine_tuning, fixtures_dir};

#[test]
fn several_labels_are_learned_as_in_pytorch() {
    let root = fixtures_dir("deberta", env!("CARGO_MANIFEST_DIR"));
    let cases = ("multi_label", "trajectory_multi_label");
    let settings = FineTuningSettings::default();
    check_fine_tuning::<DebertaForSequenceClassification>(&root, cases, &settings, 1);
}

#[test]
fn continuations_are_chosen_among_as_in_pytorch_layer_by_layer() {
    let root = fixtures_dir("deberta", env!("CARGO_MANIFEST_DIR"));
    let cases = ("multiple_choice", "trajectory_choose");
    let settings = FineTuningSettings {
        layer_decay: Some(LayerDecay::electra()),
        ..FineTuningSettings::default()
    };
    check_fine_tuning::<DebertaForMultipleChoice>(&root, cases, &settings, 1);
}
