//! Fine-tuning against transformers: thirty steps of every task with rates that fall towards the embeddings.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::path::PathBuf;
use std::sync::Mutex;

use kiln_checkpoint::{Names, module_tensors};
use kiln_electra::{
    ElectraConfig, ElectraForMultipleChoice, ElectraForQuestionAnswering,
    ElectraForSequenceClassification, ElectraForTokenClassification, ElectraPretraining,
    PairConfig,
};
use kiln_learner::Observer;
use kiln_nn::Init;
use kiln_tasks::fine_tuning::{FineTuning, FineTuningSettings, LayerDecay};
use kiln_tasks::settings::{DetectionSettings, Sharing};
use kiln_testing::{check_fine_tuning, devices, fixtures_dir, layer_by_layer};

fn root() -> PathBuf {
    fixtures_dir("electra", env!("CARGO_MANIFEST_DIR"))
}

/// Rates that fall from layer to layer, as published.
fn decayed() -> FineTuningSettings {
    layer_by_layer(LayerDecay::electra())
}

#[test]
fn a_classifier_learns_as_in_pytorch_layer_by_layer() {
    let cases = ("sequence_classification", "trajectory_classify");
    check_fine_tuning::<ElectraForSequenceClassification>(&root(), cases, &decayed(), 1);
}

#[test]
fn several_labels_are_learned_as_in_pytorch_layer_by_layer() {
    let cases = ("multi_label", "trajectory_multi_label");
    check_fine_tuning::<ElectraForSequenceClassification>(&root(), cases, &decayed(), 1);
}

#[test]
fn a_number_is_learned_as_in_pytorch_layer_by_layer() {
    let cases = ("regression", "trajectory_regress");
    check_fine_tuning::<ElectraForSequenceClassification>(&root(), cases, &decayed(), 1);
}

#[test]
fn several_numbers_are_learned_as_in_pytorch_layer_by_layer() {
    let cases = ("regression_several", "trajectory_regress_several");
    check_fine_tuning::<ElectraForSequenceClassification>(&root(), cases, &decayed(), 1);
}

#[test]
fn a_tagger_learns_as_in_pytorch_layer_by_layer() {
    let cases = ("token_classification", "trajectory_tag");
    check_fine_tuning::<ElectraForTokenClassification>(&root(), cases, &decayed(), 1);
}

#[test]
fn spans_are_learned_as_in_pytorch_layer_by_layer() {
    let cases = ("question_answering", "trajectory_qa");
    check_fine_tuning::<ElectraForQuestionAnswering>(&root(), cases, &decayed(), 1);
}

#[test]
fn continuations_are_chosen_among_as_in_pytorch_layer_by_layer() {
    let cases = ("multiple_choice", "trajectory_choose");
    check_fine_tuning::<ElectraForMultipleChoice>(&root(), cases, &decayed(), 1);
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Observer for Heard {
    fn warning(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

#[test]
fn a_pairs_discriminator_is_started_from_and_a_fresh_head_is_named() {
    let (name, device) = devices().remove(0);
    let small = ElectraConfig {
        vocab_size: 11,
        embedding_size: Some(6),
        hidden_size: 4,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        intermediate_size: 8,
        max_position_embeddings: 9,
        ..ElectraConfig::default()
    };
    let pair = PairConfig {
        discriminator: small.clone(),
        generator: Some(small.clone()),
        sharing: Sharing::Embeddings,
    };
    let pretraining = ElectraPretraining::new(pair, DetectionSettings::electra());
    let pair = pretraining.new_model(&mut Init::new(3, 0.2, &device));
    let folder = tempfile::tempdir().unwrap();
    pretraining.files(None).write(&pair, folder.path()).unwrap();

    let settings = FineTuningSettings::default();
    let objective = FineTuning::<ElectraForSequenceClassification>::new(small, settings).unwrap();
    let heard = Heard::default();
    let init = &mut Init::new(4, 0.2, &device);
    let model = objective.start(folder.path(), true, init, &heard).unwrap();
    let tensors = |electra| module_tensors(electra, &Names::SAME).unwrap();
    let expected = tensors(&pair.discriminator.electra);
    assert_eq!(tensors(&model.base_model), expected, "{name}");
    let heard = heard.0.into_inner().unwrap();
    let is_named = heard
        .iter()
        .any(|line| line.contains("classifier.out_proj.weight"));
    assert!(is_named, "{name}: {heard:?}");
}
