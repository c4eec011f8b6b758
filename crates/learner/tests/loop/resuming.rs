//! What a run goes on from, and what it remembers of the steps before.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use kiln_checkpoint::{CheckpointFolder, MANIFEST};
use kiln_learner::{
    LearnError, NewestCheckpoint, Record, RecordKind, Resumption, RunFolder, Stop, TrainRequest,
    TrainingSettings, train,
};

use crate::toy::{ToyObjective, ToySource, settings};
use crate::{GENERATOR, curve, flex, run, weights};

#[test]
fn an_evaluation_that_would_have_stopped_a_run_long_ago_stops_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let with = |steps, early_stop| TrainingSettings {
        eval_every: 2,
        early_stop,
        ..settings(steps)
    };
    run(&path, vec![flex()], ToySource::new(6), with(6, None), 0).unwrap();
    // The loss went up once, and then came down further than ever.
    let metrics = path.join("metrics.jsonl");
    let lines: Vec<String> = std::fs::read_to_string(&metrics)
        .unwrap()
        .lines()
        .map(|line| {
            let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
            if record["kind"] == "eval" {
                let step = record["step"].as_u64().unwrap();
                record["loss"] = [3.0, 4.0, 2.0][step as usize / 2 - 1].into();
            }
            format!("{record}\n")
        })
        .collect();
    std::fs::write(&metrics, lines.concat()).unwrap();
    let outcome = run(&path, vec![flex()], ToySource::new(6), with(7, Some(1)), 0).unwrap();
    assert_eq!(outcome.step, 7);
}

#[test]
fn an_interrupted_run_names_its_own_checkpoint_and_none_that_was_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    // Checkpoints of steps 3, 6 and 8, the last one damaged.
    run(&path, vec![flex()], ToySource::new(6), settings(9), 8).unwrap();
    std::fs::write(
        path.join("checkpoints/step-00000008/model.safetensors"),
        "torn",
    )
    .unwrap();
    let source = Arc::new(ToySource {
        batch_size: 6,
        poison: 6..7,
    });
    let outcome = run(&path, vec![flex()], source, settings(9), 7).unwrap();
    assert_eq!((outcome.step, outcome.stop), (7, Stop::Interrupted));
    assert!(outcome.checkpoint.ends_with("step-00000006"), "{outcome:?}");
}

#[test]
fn a_run_goes_on_with_another_split_of_its_micro_batches_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let go = |name: &str, devices, accumulate, stop| {
        let settings = TrainingSettings {
            accumulate,
            ..settings(10)
        };
        let path = folder.path().join(name);
        let devices = vec![flex(); devices];
        run(&path, devices, ToySource::new(6), settings, stop)
    };
    let straight = go("straight", 2, 1, 0).unwrap();
    go("split", 2, 1, 5).unwrap();
    let other = go("split", 1, 1, 0).unwrap_err().to_string();
    assert!(other.contains("2 micro-batches"), "{other}");
    let split = go("split", 1, 2, 0).unwrap();
    assert_eq!(weights(&split.checkpoint), weights(&straight.checkpoint));
    let lines = |name| curve(&folder.path().join(name));
    assert_eq!(lines("split"), lines("straight"));
    // And back again.
    go("back", 1, 2, 5).unwrap();
    let back = go("back", 2, 1, 0).unwrap();
    assert_eq!(weights(&back.checkpoint), weights(&straight.checkpoint));
}

/// Writes the checkpoint of `step` anew as an earlier version did, which counted devices in place of
/// micro-batches.
fn count_devices(run: &Path, step: u64, devices: usize) {
    let path = RunFolder::at(run).checkpoint(step);
    let folder = CheckpointFolder::replace(&path).unwrap();
    let training = folder.subfolder("training").unwrap();
    for (from, to) in [(&path, folder.path()), (&path.join("training"), &training)] {
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_file() && entry.file_name() != MANIFEST {
                std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
    }
    let file = training.join("state.json");
    let mut state: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let fields = state.as_object_mut().unwrap();
    fields.insert("format".into(), 1.into());
    fields.insert("lanes".into(), devices.into());
    fields.remove("micro_batches").unwrap();
    std::fs::write(&file, state.to_string()).unwrap();
    folder.seal().unwrap();
    folder.commit().unwrap();
}

#[test]
fn a_run_of_a_version_that_counted_devices_goes_on_with_another_split_too() {
    let folder = tempfile::tempdir().unwrap();
    let go = |name: &str, devices, accumulate, stop| {
        let settings = TrainingSettings {
            accumulate,
            ..settings(10)
        };
        let path = folder.path().join(name);
        let devices = vec![flex(); devices];
        run(&path, devices, ToySource::new(6), settings, stop)
    };
    let straight = go("straight", 2, 1, 0).unwrap();
    for (name, devices, accumulate) in [("as-before", 2, 1), ("split", 1, 2)] {
        go(name, 2, 1, 5).unwrap();
        count_devices(&folder.path().join(name), 5, 2);
        let other = go(name, 1, 1, 0).unwrap_err().to_string();
        assert!(other.contains("2 micro-batches"), "{other}");
        let end = go(name, devices, accumulate, 0).unwrap();
        assert_eq!(
            weights(&end.checkpoint),
            weights(&straight.checkpoint),
            "{name}"
        );
    }
}

fn go_on(
    path: &Path,
    devices: Vec<Device>,
    start: NewestCheckpoint,
    accepted: impl FnOnce() -> Result<(), LearnError> + Send + 'static,
) -> Result<u64, LearnError> {
    let _guard = GENERATOR
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let model = ToyObjective::model(&devices[0].clone().autodiff());
    let outcome = train(TrainRequest {
        devices,
        resumption: Some(Resumption {
            start: Some(start),
            accepted: Box::new(accepted),
        }),
        ..TrainRequest::new(
            ToyObjective,
            model,
            ToyObjective::files(),
            RunFolder::at(path),
            settings(9),
            ToySource::new(6),
        )
    });
    outcome.map(|outcome| outcome.step)
}

#[test]
fn settings_are_accepted_after_all_that_can_refuse_them_and_before_anything_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    // Checkpoints of steps 6 and 8.
    run(&path, vec![flex()], ToySource::new(6), settings(9), 8).unwrap();
    let lines = curve(&path);
    let earlier = NewestCheckpoint {
        step: 6,
        path: RunFolder::at(&path).checkpoint(6),
        passed_over: Vec::new(),
    };

    let asked = Arc::new(AtomicBool::new(false));
    let told = asked.clone();
    let two = vec![flex(), flex()];
    let refused = go_on(&path, two, earlier.clone(), move || {
        told.store(true, Ordering::SeqCst);
        Ok(())
    });
    assert!(refused.unwrap_err().to_string().contains("as many"));
    assert!(!asked.load(Ordering::SeqCst));

    let stopped = go_on(&path, vec![flex()], earlier.clone(), || {
        Err(LearnError::Settings("nowhere to write them".into()))
    });
    assert!(stopped.is_err());
    assert_eq!(curve(&path), lines, "steps 7 and 8 too");

    // From the checkpoint that is named, though there is a newer one: step 7 is made again.
    let made = go_on(&path, vec![flex()], earlier, || Ok(()));
    assert_eq!(made.unwrap(), 9);
    let steps = |lines: &[Record]| {
        let steps = lines.iter().filter(|line| line.kind == RecordKind::Train);
        steps.map(|line| line.step).collect::<Vec<_>>()
    };
    assert_eq!(steps(&curve(&path)), (1..=9).collect::<Vec<_>>());
}
