//! Passes in bfloat16 over weights in float32.

use kiln_learner::{Precision, RecordKind, TrainingSettings};

use crate::toy::{ToySource, settings};
use crate::{curve, flex, run, weights};

fn in_bf16(steps: u64) -> TrainingSettings {
    TrainingSettings {
        precision: Precision::BFloat16,
        ..settings(steps)
    }
}

#[test]
fn a_run_in_bf16_learns_like_one_in_float32_and_its_weights_are_not_rounded() {
    let folder = tempfile::tempdir().unwrap();
    let losses = |name: &str, settings: TrainingSettings| {
        let path = folder.path().join(name);
        let outcome = run(&path, vec![flex()], ToySource::new(6), settings, 0).unwrap();
        let records = curve(&path).into_iter();
        let steps = records.filter(|record| record.kind == RecordKind::Train);
        let losses: Vec<f64> = steps.map(|step| step.get("loss").unwrap()).collect();
        (losses, weights(&outcome.checkpoint))
    };
    let (exact, _) = losses("float32", settings(30));
    let (rounded, weights) = losses("bf16", in_bf16(30));
    assert_ne!(exact, rounded);
    for (exact, rounded) in exact.iter().zip(&rounded) {
        // Sums of a few products of numbers up to one, each off by a part in 256 at most.
        assert!((exact - rounded).abs() < 0.02, "{exact} {rounded}");
    }
    // A bfloat16 is the upper half of a float32.
    let values = weights.iter().flat_map(|(_, values)| values);
    assert!(values.clone().any(|value| value.to_bits() & 0xffff != 0));
}

#[test]
fn a_run_in_bf16_goes_on_to_the_last_bit_with_any_split_of_its_micro_batches() {
    let folder = tempfile::tempdir().unwrap();
    let go = |name: &str, devices, accumulate, stop| {
        let settings = TrainingSettings {
            accumulate,
            ..in_bf16(10)
        };
        let path = folder.path().join(name);
        let devices = vec![flex(); devices];
        run(&path, devices, ToySource::new(6), settings, stop).unwrap()
    };
    let straight = go("straight", 1, 2, 0);
    go("split", 2, 1, 5);
    let split = go("split", 1, 2, 0);
    assert_eq!(weights(&split.checkpoint), weights(&straight.checkpoint));
    let lines = |name| curve(&folder.path().join(name));
    assert_eq!(lines("split"), lines("straight"));
}
