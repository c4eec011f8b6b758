//! Parameters that stay as they are, to the last byte.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use burn::tensor::Device;
use kiln_bert::{BertConfig, BertForSequenceClassification};
use kiln_checkpoint::ModelFile;
use kiln_learner::{Objective, Precision};
use kiln_nn::Init;
use kiln_tasks::fine_tuning::{
    FineTuning, FineTuningSettings, HeadKind, TunedModel, TunedObjective,
};
use kiln_testing::{Trained, devices, lock_generator, moved, three_steps, ways};
use kiln_text::{BatchSource, HostBatch, TextError};

/// Two rows of a few words each, other ones in each batch.
struct Rows;

impl BatchSource for Rows {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let ids = (0..10).map(|i| (index as i32 * 7 + i * 3) % 11).collect();
        let mut batch = HostBatch::default();
        batch.insert_ints("input_ids", ids, &[2, 5]);
        batch.insert_ints("attention_mask", vec![1; 10], &[2, 5]);
        batch.insert_ints("labels", vec![0, (index % 2) as i32], &[2]);
        Ok(batch)
    }
}

fn config() -> BertConfig {
    BertConfig {
        vocab_size: 11,
        hidden_size: 6,
        num_hidden_layers: 3,
        num_attention_heads: 2,
        intermediate_size: 7,
        max_position_embeddings: 5,
        ..BertConfig::default()
    }
}

/// A classifier in which these settings hold, by itself and as the command line trains it.
fn by_itself(
    settings: &FineTuningSettings,
    device: &Device,
) -> Trained<FineTuning<BertForSequenceClassification>> {
    let objective = FineTuning::new(config(), settings.clone()).unwrap();
    let files = objective.files(None);
    (objective, classifier(device), files)
}

fn of_any_head(
    settings: &FineTuningSettings,
    device: &Device,
) -> Trained<TunedObjective<BertConfig>> {
    let kind = HeadKind::Sequence;
    let objective = TunedObjective::new(kind, config(), settings.clone()).unwrap();
    let files = objective.files(config(), None);
    (objective, TunedModel::Sequence(classifier(device)), files)
}

fn classifier(device: &Device) -> BertForSequenceClassification {
    let init = &mut Init::new(5, 0.2, &device.clone().autodiff());
    BertForSequenceClassification::new(&config(), init)
}

/// The names of what differs after three steps, and of what the optimizer keeps numbers for.
fn changed<O: Objective>(
    way: &(Precision, Vec<Device>),
    trained: Trained<O>,
) -> (Vec<String>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let start = folder.path().join("start");
    std::fs::create_dir(&start).unwrap();
    let (_, model, files) = &trained;
    files.write(model, &start).unwrap();
    let checkpoint = three_steps(folder.path(), trained, Rows, way);
    let kept = checkpoint.join("training/model.safetensors");
    let kept = ModelFile::open(kept).unwrap();
    (
        moved(&start, &checkpoint),
        kept.names().map(str::to_owned).collect(),
    )
}

#[test]
fn frozen_parameters_stay_to_the_last_byte_and_the_others_learn() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        for way in ways(&device) {
            let precision = way.0;
            let settings = FineTuningSettings {
                freeze_embeddings: true,
                freeze_layers: 2,
                ..FineTuningSettings::default()
            };
            for (moved, kept) in [
                changed(&way, by_itself(&settings, &device)),
                changed(&way, of_any_head(&settings, &device)),
            ] {
                let is_frozen = |path: &&String| {
                    ["embeddings", "layer.0.", "layer.1."]
                        .iter()
                        .any(|part| path.contains(part))
                };
                let at_fault: Vec<&String> = moved.iter().chain(&kept).filter(is_frozen).collect();
                assert!(at_fault.is_empty(), "{name} {precision:?}: {at_fault:?}");
                // The layer above and the head; a key's bias moves by its decay's rounding or not at all.
                for part in [
                    "layer.2.output.dense.weight",
                    "pooler.dense.weight",
                    "classifier.bias",
                ] {
                    let moves = moved.iter().any(|path| path.contains(part));
                    assert!(moves, "{name} {precision:?}: {part}");
                }
            }
        }
    }
}

#[test]
fn without_a_word_of_freezing_everything_learns() {
    let _guard = lock_generator();
    let (_, device) = devices().remove(0);
    let trained = by_itself(&FineTuningSettings::default(), &device);
    let (moved, _) = changed(&(Precision::Float32, vec![device]), trained);
    for part in [
        "word_embeddings",
        "layer.0.output.dense.weight",
        "layer.1.output.dense.weight",
    ] {
        assert!(moved.iter().any(|path| path.contains(part)), "{part}");
    }
}
