//! A training step and inference on every compiled-in device that answers: time and tokens/s.
//!
//! ```text
//! cargo bench --bench step --features tch,wgpu -- [FILTER]
//! ```
//!
//! The training step is the learner's own: batch, upload, forward, backward, clipping, AdamW.
//! Inference scores the vocabulary at the predicted positions.

#[path = "../crates/cli/src/allocator.rs"]
mod allocator;
mod work;

use std::path::Path;
use std::time::Duration;

use burn::tensor::Device;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, measurement::WallTime};
use kiln::backend::{compiled_in, open};

use kiln::learner::Objective as _;
use kiln::text::BatchSource as _;

use work::{BATCH, Failure, RandomWords, SEQ_LEN, Training};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Failure> {
    allocator::keep_freed_memory();
    let mut criterion = Criterion::default().configure_from_args();
    let devices = devices();
    for (name, start) in [
        ("training step", Training::start as Start),
        ("electra training step", Training::start_electra),
        ("deberta training step", Training::start_deberta),
        ("xlnet training step", Training::start_xlnet),
    ] {
        let mut group = group(&mut criterion, name);
        for (name, device) in &devices {
            train(&mut group, name, device, start)?;
        }
        group.finish();
    }
    let mut group = group(&mut criterion, "inference");
    for (name, device) in &devices {
        infer(&mut group, name, device)?;
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a bench reports to its terminal")]
fn devices() -> Vec<(String, Device)> {
    let mut devices = Vec::new();
    for backend in compiled_in() {
        let Some(spec) = kiln::backend::DeviceSpec::first(backend) else {
            continue;
        };
        match open(&spec) {
            Ok(device) => devices.push((spec.to_string(), device)),
            Err(error) => eprintln!("left out: {error}"),
        }
    }
    devices
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .throughput(Throughput::Elements((BATCH * SEQ_LEN) as u64))
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .measurement_time(Duration::from_secs(10));
    group
}

/// Starts a run on a device; the first weights may be written to a folder.
type Start = fn(Device, Option<&Path>) -> Result<Training, Failure>;

fn train(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    device: &Device,
    start: Start,
) -> Result<(), Failure> {
    let mut failure = None;
    // A filter may leave a device out: its run starts at the first step asked for.
    let mut training = None;
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let steps = (0..iterations).map(|_| {
                if training.is_none() {
                    training = Some(start(device.clone(), None)?);
                }
                let training = training.as_ref().ok_or("no run")?;
                let step = training.step()?;
                if !step.loss.is_finite() {
                    return Err("the loss is not finite: this is no training step".into());
                }
                Ok(Duration::from_secs_f64(step.seconds))
            });
            steps
                .sum::<Result<Duration, Failure>>()
                .unwrap_or_else(|error| {
                    failure = Some(error);
                    Duration::from_secs(1)
                })
        });
    });
    if let Some(training) = training {
        training.finish()?;
    }
    failure.map_or(Ok(()), Err)
}

fn infer(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    device: &Device,
) -> Result<(), Failure> {
    let (objective, model) = work::model(device)?;
    let batch = objective.upload(&RandomWords::BERT.batch(0)?, device);
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            let masked = &batch.masked;
            let logits = model.forward(masked.inputs(), masked.positions.clone());
            // Reading one number waits for all of them.
            logits.predictions.slice([0..1, 0..1]).into_scalar::<f32>()
        });
    });
    Ok(())
}
