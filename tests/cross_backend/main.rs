//! The same weights and batches on every backend of this build: outputs, losses, gradients and ten
//! training steps, each within the bounds of `kiln-testing`. Prints the table of differences:
//!
//! ```text
//! cargo test --test cross_backend --features flex,ndarray,tch,wgpu -- --nocapture
//! ```
//!
//! The first device is the yardstick for the others. Dropout is off: the backends' random numbers
//! differ. Adding an architecture is one more `Subject` in `subjects.rs`, and its two tests here.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

mod subjects;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::optim::GradientsParams;
use burn::tensor::Device;
use burn::train::Interrupter;
use kiln::checkpoint::{ModelFile, gradient_tensors};
use kiln::learner::record::read_records;
use kiln::learner::{
    Objective as _, Observer, OptimizerSettings, Record, RunFolder, TrainRequest, TrainingSettings,
    train,
};
use kiln_testing::{Bound, Report, devices, lock_generator};

use subjects::*;

fn single_pass<S: Subject>(device: &Device) -> Found {
    let mut found = S::outputs(device);
    let device = device.clone().autodiff();
    let objective = S::objective(0.0);
    let model = S::model(&objective, &mut init(&device));
    let host = S::source().batch(0).unwrap();
    let batch = objective.upload(&host, &device);
    let carry = objective.start_carry(&device);
    let mut scratch = Default::default();
    let mut sums = Vec::new();
    for part in 0..objective.parts().len() {
        let output = objective.forward(&model, part, &batch, scratch, &carry);
        scratch = output.scratch;
        sums.extend(output.sums);
    }
    let weights = objective.weights(&host);
    let mut loss = None;
    for ((term, sum), weight) in objective.terms().iter().zip(sums).zip(weights) {
        let mean = sum / weight;
        let value = mean.clone().inner().try_into_vec_as::<f32>().unwrap();
        found.insert(term.name.into(), (value, Bound::Loss));
        let share = mean.mul_scalar(term.coefficient);
        loss = Some(match loss {
            None => share,
            Some(before) => before + share,
        });
    }
    let gradients = GradientsParams::from_grads(loss.unwrap().backward(), &model);
    for tensor in gradient_tensors(&model, &gradients, S::NAMES).unwrap() {
        found.insert(tensor.name, (tensor.data, Bound::Gradient));
    }
    found
}

fn settings<S: Subject>(steps: u64) -> TrainingSettings {
    TrainingSettings {
        steps,
        batch_size: S::BATCH_SIZE,
        warmup: 2,
        optimizer: OptimizerSettings {
            learning_rate: 1e-3,
            ..Default::default()
        },
        ..Default::default()
    }
}

fn ten_steps<S: Subject>(device: &Device) -> Found {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(&folder.path().join("run")).unwrap();
    let objective = S::objective(0.0);
    let model = S::model(&objective, &mut init(&device.clone().autodiff()));
    let files = S::files(&objective);
    let outcome = train(TrainRequest::new(
        objective,
        model,
        files,
        run.clone(),
        settings::<S>(10),
        S::source(),
    ))
    .unwrap();
    let records = read_records(&run.metrics()).unwrap();
    let curve = |key: &str| -> Vec<f32> {
        records
            .iter()
            .map(|record| record.get(key).unwrap() as f32)
            .collect()
    };
    let mut found = Found::new();
    found.insert("ten steps: loss".into(), (curve("loss"), Bound::Loss));
    found.insert(
        "ten steps: grad_norm".into(),
        (curve("grad_norm"), Bound::Gradient),
    );
    for path in S::FOLDERS.iter().chain(S::CARRIED) {
        let file = ModelFile::open(outcome.checkpoint.join(path)).unwrap();
        for name in file.names() {
            // Without a gradient in exact arithmetic: what Adam makes of rounding is arbitrary.
            if !name.ends_with("key.bias") {
                let values = file.read(name).unwrap();
                let row = format!("ten steps: {path} {name}");
                found.insert(row, (values, Bound::Output));
            }
        }
    }
    found
}

/// Stops a run after a step.
struct StopAfter(u64, Interrupter);

impl Observer for StopAfter {
    fn step(&self, record: &Record, _: &TrainingSettings) {
        if record.step == self.0 {
            self.1.stop(None);
        }
    }
}

/// The losses of eight steps with dropout, and the files of the last model and of what it carries;
/// `stops` are the steps after which the run is stopped and resumed.
fn eight_steps<S: Subject>(device: &Device, stops: &[u64]) -> (Vec<f32>, Vec<Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    RunFolder::create(&path).unwrap();
    let mut checkpoint = PathBuf::new();
    for stop in stops.iter().copied().chain([0]) {
        let objective = S::objective(0.1);
        let interrupter = Interrupter::new();
        let model = S::model(&objective, &mut init(&device.clone().autodiff()));
        let files = S::files(&objective);
        let outcome = train(TrainRequest {
            interrupter: interrupter.clone(),
            observer: Arc::new(StopAfter(stop, interrupter)),
            ..TrainRequest::new(
                objective,
                model,
                files,
                RunFolder::at(&path),
                settings::<S>(8),
                S::drawn_source(),
            )
        })
        .unwrap();
        checkpoint = outcome.checkpoint;
    }
    let records = read_records(&RunFolder::at(&path).metrics()).unwrap();
    let losses = records
        .iter()
        .map(|record| record.get("loss").unwrap() as f32)
        .collect();
    let models = S::FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join("model.safetensors"));
    let files = models.chain(S::CARRIED.iter().map(PathBuf::from));
    let read = |file: PathBuf| std::fs::read(checkpoint.join(file)).unwrap();
    (losses, files.map(read).collect())
}

/// To the last bit where the backend repeats itself, within the bound of a loss elsewhere.
fn resumes_alike<S: Subject>() {
    let _guard = lock_generator();
    let mut report = Report::new(&format!("{} resumed", S::NAME));
    for (name, device) in devices() {
        let straight = eight_steps::<S>(&device, &[]);
        assert_eq!(straight.0.len(), 8);
        let resumed = eight_steps::<S>(&device, &[3, 5]);
        if ["flex", "ndarray"].contains(&name.as_str()) {
            assert!(resumed == straight, "{name}: not the same bits");
        }
        report.check(
            "losses of eight steps",
            &name,
            &resumed.0,
            &straight.0,
            Bound::Loss,
        );
    }
    report.finish();
}

fn is_the_same_everywhere<S: Subject>() {
    let _guard = lock_generator();
    let mut expected = Found::new();
    let mut report = Report::new(&format!("{} across backends", S::NAME));
    let devices = devices();
    for (index, (name, device)) in devices.iter().enumerate() {
        let mut found = single_pass::<S>(device);
        found.extend(ten_steps::<S>(device));
        if index == 0 {
            expected = found;
            if devices.len() > 1 {
                continue;
            }
            // One backend in this build: then a second run of it has to give the same.
            found = single_pass::<S>(device);
            found.extend(ten_steps::<S>(device));
        }
        assert_eq!(found.len(), expected.len());
        for (key, (values, bound)) in found {
            report.check(&key, name, &values, &expected[&key].0, bound);
        }
    }
    report.finish();
}

#[test]
fn bert_is_the_same_on_every_backend() {
    is_the_same_everywhere::<Bert>();
}

#[test]
fn electra_is_the_same_on_every_backend() {
    is_the_same_everywhere::<Electra>();
}

#[test]
fn debertas_masked_words_are_the_same_on_every_backend() {
    is_the_same_everywhere::<DebertaWords>();
}

#[test]
fn debertas_replaced_tokens_are_the_same_on_every_backend() {
    is_the_same_everywhere::<DebertaReplaced>();
}

#[test]
fn roberta_is_the_same_on_every_backend() {
    is_the_same_everywhere::<Roberta>();
}

#[test]
fn xlnet_is_the_same_on_every_backend() {
    is_the_same_everywhere::<Xlnet>();
}

#[test]
fn a_run_of_bert_stopped_and_resumed_goes_on_alike_on_every_backend() {
    resumes_alike::<Bert>();
}

#[test]
fn a_run_of_electra_stopped_and_resumed_goes_on_alike_on_every_backend() {
    resumes_alike::<Electra>();
}

#[test]
fn a_run_of_debertas_masked_words_stopped_and_resumed_goes_on_alike_on_every_backend() {
    resumes_alike::<DebertaWords>();
}

#[test]
fn a_run_of_debertas_replaced_tokens_stopped_and_resumed_goes_on_alike_on_every_backend() {
    resumes_alike::<DebertaReplaced>();
}

#[test]
fn a_run_of_roberta_stopped_and_resumed_goes_on_alike_on_every_backend() {
    resumes_alike::<Roberta>();
}

#[test]
fn a_run_of_xlnet_stopped_and_resumed_goes_on_with_its_memory_on_every_backend() {
    resumes_alike::<Xlnet>();
}
