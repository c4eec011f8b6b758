//! Parameters that stay as they are, to the last byte.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use kiln_bert::{BertConfig, BertForSequenceClassification};
use kiln_checkpoint::ModelFile;
use kiln_learner::{
    OptimizerSettings, Precision, RunFolder, TrainRequest, TrainingSettings, train,
};
use kiln_nn::Init;
use kiln_tasks::fine_tuning::{FineTuning, FineTuningSettings};
use kiln_testing::{devices, lock_generator};
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

/// The names of what differs after three steps, and of what the optimizer keeps numbers for.
fn changed(
    folder: &Path,
    devices: &[Device],
    settings: FineTuningSettings,
    precision: Precision,
) -> (Vec<String>, Vec<String>) {
    let objective = FineTuning::<BertForSequenceClassification>::new(config(), settings).unwrap();
    let init = &mut Init::new(5, 0.2, &devices[0].clone().autodiff());
    let model = BertForSequenceClassification::new(&config(), init);
    let files = objective.files(None);
    let start = folder.join("start");
    std::fs::create_dir(&start).unwrap();
    files.write(&model, &start).unwrap();
    let training = TrainingSettings {
        steps: 3,
        warmup: 0,
        batch_size: 2,
        precision,
        optimizer: OptimizerSettings {
            weight_decay: 0.5,
            learning_rate: 0.01,
            ..OptimizerSettings::default()
        },
        ..TrainingSettings::default()
    };
    let run = RunFolder::create(&folder.join("run")).unwrap();
    let outcome = train(TrainRequest {
        devices: devices.to_vec(),
        ..TrainRequest::new(objective, model, files, run, training, Arc::new(Rows))
    })
    .unwrap();
    let before = ModelFile::open(&start).unwrap();
    let after = ModelFile::open(&outcome.checkpoint).unwrap();
    let bits = |file: &ModelFile, name: &str| -> Vec<u32> {
        file.read(name)
            .unwrap()
            .iter()
            .map(|value| value.to_bits())
            .collect()
    };
    let moved = before
        .names()
        .filter(|name| bits(&before, name) != bits(&after, name));
    let moved = moved.map(str::to_owned).collect();
    let kept = outcome.checkpoint.join("training/model.safetensors");
    let kept = ModelFile::open(kept).unwrap();
    (moved, kept.names().map(str::to_owned).collect())
}

#[test]
fn frozen_parameters_stay_to_the_last_byte_and_the_others_learn() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        for (precision, devices) in [
            (Precision::Float32, vec![device.clone()]),
            (Precision::Float32, vec![device.clone(); 2]),
            (Precision::BFloat16, vec![device.clone()]),
        ] {
            if !precision.is_supported(&device) {
                continue;
            }
            let folder = tempfile::tempdir().unwrap();
            let settings = FineTuningSettings {
                freeze_embeddings: true,
                freeze_layers: 2,
                ..FineTuningSettings::default()
            };
            let (moved, kept) = changed(folder.path(), &devices, settings, precision);
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

#[test]
fn without_a_word_of_freezing_everything_learns() {
    let _guard = lock_generator();
    let (_, device) = devices().remove(0);
    let folder = tempfile::tempdir().unwrap();
    let settings = FineTuningSettings::default();
    let (moved, _) = changed(folder.path(), &[device], settings, Precision::Float32);
    for part in [
        "word_embeddings",
        "layer.0.output.dense.weight",
        "layer.1.output.dense.weight",
    ] {
        assert!(moved.iter().any(|path| path.contains(part)), "{part}");
    }
}
