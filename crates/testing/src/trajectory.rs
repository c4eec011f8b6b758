//! Training runs held against the reference's: settings, and curves.

use kiln_learner::record::read_records;
use kiln_learner::{
    OptimizerSettings, Record, RecordKind, RunFolder, ScheduleKind, TrainingSettings,
};

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
