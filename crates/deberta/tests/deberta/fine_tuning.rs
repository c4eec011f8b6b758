//! Fine-tuning against transformers: thirty steps of a classifier with several labels.

use kiln_deberta::{DebertaForMultipleChoice, DebertaForSequenceClassification};
use kiln_nn::Init;
use kiln_tasks::fine_tuning::{FineTuningSettings, LayerDecay};
use kiln_testing::{check_fine_tuning, devices, fixtures_dir};

use crate::common::v1;

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
