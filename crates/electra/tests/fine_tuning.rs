//! Fine-tuning against transformers: thirty steps with rates that fall towards the embeddings.

use kiln_electra::ElectraForSequenceClassification;
use kiln_tasks::fine_tuning::{FineTuningSettings, LayerDecay};
use kiln_testing::{check_fine_tuning, fixtures_dir};

#[test]
fn a_classifier_learns_as_in_pytorch_layer_by_layer() {
    let root = fixtures_dir("electra", env!("CARGO_MANIFEST_DIR"));
    let cases = ("sequence_classification", "trajectory_classify");
    let settings = FineTuningSettings {
        layer_decay: Some(LayerDecay::electra()),
        ..FineTuningSettings::default()
    };
    check_fine_tuning::<ElectraForSequenceClassification>(&root, cases, &settings, 1);
}
