//! What a few quick steps move of a model, to the last byte.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use kiln_checkpoint::ModelFile;
use kiln_learner::{
    ModelFiles, Objective, OptimizerSettings, Precision, RunFolder, TrainRequest, TrainingSettings,
    train,
};
use kiln_text::BatchSource;

use crate::trajectory::must;

/// An objective with a model, and how the model is written.
pub type Trained<O> = (
    O,
    <O as Objective>::Model,
    ModelFiles<<O as Objective>::Model>,
);

/// The ways a run can be made on a device: by itself, in two replicas, and in bfloat16 where there is that.
pub fn ways(device: &Device) -> Vec<(Precision, Vec<Device>)> {
    let ways = [
        (Precision::Float32, vec![device.clone()]),
        (Precision::Float32, vec![device.clone(); 2]),
        (Precision::BFloat16, vec![device.clone()]),
    ];
    let supported = ways.into_iter();
    supported
        .filter(|(precision, _)| precision.is_supported(device))
        .collect()
}

/// Trains three steps in `folder`, at a rate and with a decay that move all that learns, and gives the
/// checkpoint.
///
/// # Panics
/// If they can't be made.
pub fn three_steps<O: Objective>(
    folder: &Path,
    (objective, model, files): Trained<O>,
    source: impl BatchSource + 'static,
    (precision, devices): &(Precision, Vec<Device>),
) -> PathBuf {
    let training = TrainingSettings {
        steps: 3,
        warmup: 0,
        batch_size: must(source.batch(0)).ints["input_ids"].shape[0],
        precision: *precision,
        optimizer: OptimizerSettings {
            weight_decay: 0.5,
            learning_rate: 0.01,
            ..OptimizerSettings::default()
        },
        ..TrainingSettings::default()
    };
    let run = must(RunFolder::create(&folder.join("run")));
    let outcome = must(train(TrainRequest {
        devices: devices.clone(),
        ..TrainRequest::new(objective, model, files, run, training, Arc::new(source))
    }));
    outcome.checkpoint
}

/// The names of the parameters whose bits differ between two folders of a model.
///
/// # Panics
/// If one can't be read.
pub fn moved(before: &Path, after: &Path) -> Vec<String> {
    let [before, after] = [before, after].map(|folder| must(ModelFile::open(folder)));
    let bits = |file: &ModelFile, name: &str| -> Vec<u32> {
        let values = must(file.read(name));
        values.iter().map(|value| value.to_bits()).collect()
    };
    let names = before.names();
    names
        .filter(|name| bits(&before, name) != bits(&after, name))
        .map(str::to_owned)
        .collect()
}
