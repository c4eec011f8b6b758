//! Training runs held against the reference's: settings, and curves.

use std::sync::Arc;

use kiln_checkpoint::ModelFile;
use kiln_learner::record::read_records;
use kiln_learner::{
    ModelFiles, Objective, OptimizerSettings, Record, RecordKind, RunFolder, ScheduleKind,
    TrainRequest, TrainingSettings, train,
};
use kiln_text::BatchSource;

use crate::batches::LabelledBatches;
use crate::{Bound, Fixture, Report};

/// The learner's settings for a trajectory case.
///
/// # Panics
/// If the case lacks one.
pub fn training_settings(
    fixture: &Fixture,
    batch_size: usize,
    accumulate: usize,
) -> TrainingSettings {
    let number = |name: &str| match fixture.settings[name].as_f64() {
        Some(number) => number,
        None => panic!("{}: no {name}", fixture.name),
    };
    TrainingSettings {
        steps: number("total_steps") as u64,
        batch_size,
        accumulate,
        warmup: number("warmup_steps") as u64,
        schedule: match fixture.settings["schedule"].as_str() {
            Some("linear") => ScheduleKind::Linear,
            Some("original") => ScheduleKind::Original,
            Some("electra") => ScheduleKind::Electra,
            other => panic!("schedule {other:?}"),
        },
        optimizer: OptimizerSettings {
            learning_rate: number("learning_rate"),
            betas: (number("beta_1"), number("beta_2")),
            epsilon: number("epsilon"),
            weight_decay: number("weight_decay"),
            bias_correction: fixture.settings["bias_correction"].as_bool() == Some(true),
            clip_norm: number("max_grad_norm"),
        },
        ..Default::default()
    }
}

/// Holds the curves of a run against the reference's: `metrics` names a value of the run, the output
/// that has its curve, and the bound.
///
/// # Panics
/// If the run's metrics can't be read or lack a value.
pub fn check_curves(
    report: &mut Report,
    device_name: &str,
    fixture: &Fixture,
    run: &RunFolder,
    metrics: &[(&str, &str, Bound)],
) {
    let records = match read_records(&run.metrics()) {
        Ok(records) => records,
        Err(error) => panic!("{error}"),
    };
    let steps: Vec<&Record> = records
        .iter()
        .filter(|record| record.kind == RecordKind::Train)
        .collect();
    for &(key, expected, bound) in metrics {
        let curve: Vec<f32> = steps
            .iter()
            .map(|record| match record.get(key) {
                Some(value) => value as f32,
                None => panic!("step {}: no {key}", record.step),
            })
            .collect();
        let row = format!("{} {key}", fixture.name);
        let expected = fixture.output(expected).floats();
        report.check(&row, device_name, &curve, expected, bound);
    }
}

/// Trains a masked language model on a case's batches, each cut into `accumulate` micro-batches; holds
/// the curves, and the parameters after the last step.
///
/// # Panics
/// If the run fails, or the case lacks something.
pub fn check_trajectory<O: Objective>(
    report: &mut Report,
    device_name: &str,
    fixture: &Fixture,
    accumulate: usize,
    trained: (O, O::Model, ModelFiles<O::Model>),
) {
    let batches = LabelledBatches::new;
    check_run(report, device_name, fixture, accumulate, trained, batches);
}

/// Trains on a case's batches, which `batches` makes of it at so many rows a micro-batch, `accumulate`
/// micro-batches a step; holds the curves, and the parameters after the last step.
///
/// # Panics
/// If the run fails, or the case lacks something.
pub(crate) fn check_run<O: Objective, B: BatchSource + 'static>(
    report: &mut Report,
    device_name: &str,
    fixture: &Fixture,
    accumulate: usize,
    (objective, model, files): (O, O::Model, ModelFiles<O::Model>),
    batches: impl FnOnce(Fixture, usize) -> B,
) {
    let rows = fixture.input("input_ids").shape[1];
    let batch_size = rows / accumulate;
    let folder = must(tempfile::tempdir());
    let run = must(RunFolder::create(&folder.path().join("run")));
    let outcome = must(train(TrainRequest::new(
        objective,
        model,
        files,
        run.clone(),
        training_settings(fixture, batch_size, accumulate),
        Arc::new(batches(fixture.clone(), batch_size)),
    )));
    let curves = [
        ("loss", "losses", Bound::Loss),
        ("learning_rate", "learning_rates", Bound::Loss),
        ("grad_norm", "grad_norms", Bound::Gradient),
    ];
    check_curves(report, device_name, fixture, &run, &curves);
    let file = must(ModelFile::open(&outcome.checkpoint));
    for (parameter, expected) in &fixture.parameters {
        // A key bias has no gradient in exact arithmetic; what Adam makes of the noise that is left is
        // decided by the noise.
        if parameter.ends_with("key.bias") || parameter.ends_with("key_proj.bias") {
            continue;
        }
        let row = format!("{} {parameter}", fixture.name);
        let actual = must(file.read(parameter));
        report.check(&row, device_name, &actual, expected.floats(), Bound::Output);
    }
}

/// What a result holds.
///
/// # Panics
/// If that is an error.
pub(crate) fn must<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}
