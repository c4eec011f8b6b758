//! The loop, on an objective that uses everything it provides.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's helpers may end the test"
)]

mod precision;
mod ranks;
mod resuming;
mod toy;

use std::path::Path;
use std::sync::{Arc, Mutex};

use burn::tensor::Device;
use burn::train::Interrupter;
use kiln_checkpoint::ModelFile;
use kiln_learner::record::read_records;
use kiln_learner::{
    EvalData, LearnError, Observer, Record, RecordKind, RunFolder, Stop, TrainOutcome,
    TrainRequest, TrainingSettings, train,
};
use toy::{ToyObjective, ToySource, settings};

/// The generators are one a process: tests that draw from them take turns.
static GENERATOR: Mutex<()> = Mutex::new(());

fn flex() -> Device {
    kiln_backend::open(&"flex".parse().unwrap()).unwrap()
}

/// Stops the run after a step.
struct StopAfter(u64, Interrupter);

impl Observer for StopAfter {
    fn step(&self, record: &Record, _: &TrainingSettings) {
        if record.step == self.0 {
            self.1.stop(Some("asked to"));
        }
    }
}

fn run(
    path: &Path,
    devices: Vec<Device>,
    source: Arc<ToySource>,
    settings: TrainingSettings,
    stop_after: u64,
) -> Result<TrainOutcome, LearnError> {
    let _guard = GENERATOR
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = match RunFolder::create(path) {
        Ok(folder) => folder,
        Err(_) => RunFolder::at(path),
    };
    let interrupter = Interrupter::new();
    let model = ToyObjective::model(&devices[0].clone().autodiff());
    train(TrainRequest {
        devices,
        eval: Some(EvalData {
            source: ToySource::new(6),
            batches: 2,
        }),
        interrupter: interrupter.clone(),
        observer: Arc::new(StopAfter(stop_after, interrupter)),
        ..TrainRequest::new(
            ToyObjective,
            model,
            ToyObjective::files(),
            folder,
            settings,
            source,
        )
    })
}

/// Step records without what depends on the clock and the machine.
fn curve(path: &Path) -> Vec<Record> {
    let machine = ["tokens_per_second", "memory", "seconds"];
    read_records(&path.join("metrics.jsonl"))
        .unwrap()
        .into_iter()
        .map(|mut record| {
            record
                .values
                .retain(|(name, _)| !machine.contains(&name.as_str()));
            record
        })
        .collect()
}

fn weights(checkpoint: &Path) -> Vec<(String, Vec<f32>)> {
    let file = ModelFile::open(checkpoint).unwrap();
    file.names()
        .map(|name| (name.to_owned(), file.read(name).unwrap()))
        .collect()
}

#[test]
fn a_run_stopped_at_any_step_goes_on_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let straight = folder.path().join("straight");
    let outcome = run(&straight, vec![flex()], ToySource::new(6), settings(10), 0).unwrap();
    assert_eq!((outcome.step, outcome.stop), (10, Stop::Done));
    for stop in 1..10 {
        let path = folder.path().join(format!("stopped-{stop}"));
        let outcome = run(&path, vec![flex()], ToySource::new(6), settings(10), stop).unwrap();
        assert_eq!((outcome.step, outcome.stop), (stop, Stop::Interrupted));
        let resumed = run(&path, vec![flex()], ToySource::new(6), settings(10), 0).unwrap();
        assert_eq!(resumed.stop, Stop::Done);
        assert_eq!(curve(&path), curve(&straight), "stopped after step {stop}");
        assert_eq!(
            weights(&resumed.checkpoint),
            weights(&straight.join("checkpoints/step-00000010"))
        );
    }
}

#[test]
fn steps_after_the_last_checkpoint_are_made_again_when_a_run_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let straight = folder.path().join("straight");
    run(&straight, vec![flex()], ToySource::new(6), settings(10), 0).unwrap();
    let killed = folder.path().join("killed");
    run(&killed, vec![flex()], ToySource::new(6), settings(10), 8).unwrap();
    // As if killed in step 8: the checkpoint of step 6 is the last one.
    std::fs::remove_dir_all(killed.join("checkpoints/step-00000008")).unwrap();
    run(&killed, vec![flex()], ToySource::new(6), settings(10), 0).unwrap();
    assert_eq!(curve(&killed), curve(&straight));
}

#[test]
fn a_torn_checkpoint_is_passed_over_for_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let straight = folder.path().join("straight");
    run(&straight, vec![flex()], ToySource::new(6), settings(10), 0).unwrap();
    let torn = folder.path().join("torn");
    run(&torn, vec![flex()], ToySource::new(6), settings(10), 8).unwrap();
    let file = torn.join("checkpoints/step-00000008/training/generator.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    run(&torn, vec![flex()], ToySource::new(6), settings(10), 0).unwrap();
    assert_eq!(curve(&torn), curve(&straight));
}

#[test]
fn a_torn_checkpoint_is_replaced_when_its_step_is_reached_and_spares_the_whole_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let settings = |keep_last| TrainingSettings {
        keep_last,
        keep_best: 0,
        ..settings(10)
    };
    // Checkpoints of steps 3, 6 and 8.
    run(&path, vec![flex()], ToySource::new(6), settings(9), 8).unwrap();
    let file = path.join("checkpoints/step-00000008/model.safetensors");
    std::fs::write(&file, "torn").unwrap();
    // From 6 on; that of step 7 is whole and the only one to be kept, whatever lies at 8.
    run(&path, vec![flex()], ToySource::new(6), settings(1), 7).unwrap();
    kiln_checkpoint::verify(&path.join("checkpoints/step-00000007")).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"torn");
    let outcome = run(&path, vec![flex()], ToySource::new(6), settings(9), 8).unwrap();
    kiln_checkpoint::verify(&outcome.checkpoint).unwrap();
}

#[test]
fn a_run_that_has_ended_ends_again_with_the_same_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let first = run(&path, vec![flex()], ToySource::new(6), settings(5), 0).unwrap();
    let lines = curve(&path);
    let again = run(&path, vec![flex()], ToySource::new(6), settings(5), 0).unwrap();
    assert_eq!(again, first);
    assert_eq!(curve(&path), lines);
}

#[test]
fn a_run_that_another_process_trains_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    run(&path, vec![flex()], ToySource::new(6), settings(9), 4).unwrap();
    let held = std::fs::File::create(path.join(".lock")).unwrap();
    held.lock().unwrap();
    let error = run(&path, vec![flex()], ToySource::new(6), settings(9), 0).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    drop(held);
    run(&path, vec![flex()], ToySource::new(6), settings(9), 0).unwrap();
}

#[test]
fn what_a_kill_leaves_of_a_checkpoint_being_deleted_is_cleaned_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    run(&path, vec![flex()], ToySource::new(6), settings(9), 4).unwrap();
    let left = path.join("checkpoints/.tmp-old-step-00000002");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("model.safetensors"), "half").unwrap();
    run(&path, vec![flex()], ToySource::new(6), settings(9), 0).unwrap();
    assert!(!left.exists());
}

#[test]
fn k_micro_batches_equal_one_batch_of_k_times_the_size() {
    // Without dropout: its draws depend on the shape. Sums in another order: float32's last bits.
    let folder = tempfile::tempdir().unwrap();
    let large = TrainingSettings {
        batch_size: 12,
        ..settings(6)
    };
    let small = TrainingSettings {
        batch_size: 4,
        accumulate: 3,
        ..settings(6)
    };
    let losses = |name: &str, settings: TrainingSettings| {
        let path = folder.path().join(name);
        let source = ToySource::new(settings.batch_size);
        run_without_dropout(&path, source, settings);
        curve(&path)
            .into_iter()
            .filter(|record| record.kind == RecordKind::Train)
            .map(|record| record.get("generator_loss").unwrap())
            .collect::<Vec<_>>()
    };
    let (large, small) = (losses("large", large), losses("small", small));
    assert_eq!(large.len(), 6);
    for (a, b) in large.iter().zip(&small) {
        // Six float32 steps on numbers of size one.
        assert!(
            (a - b).abs() < 1e-5 * a.abs().max(1.0),
            "{large:?} {small:?}"
        );
    }
}

fn run_without_dropout(path: &Path, source: Arc<ToySource>, settings: TrainingSettings) {
    let _guard = GENERATOR
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let device = flex();
    train(TrainRequest::new(
        ToyObjective,
        ToyObjective::model_without_dropout(&device.clone().autodiff()),
        ToyObjective::files(),
        RunFolder::create(path).unwrap(),
        settings,
        source,
    ))
    .unwrap();
}

#[test]
fn a_step_that_is_not_finite_changes_nothing_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let source = Arc::new(ToySource {
        batch_size: 6,
        poison: 4..6,
    });
    let outcome = run(&path, vec![flex()], source, settings(9), 0).unwrap();
    assert_eq!(outcome.bad_steps, 2);
    let records = read_records(&path.join("metrics.jsonl")).unwrap();
    let steps: Vec<&Record> = records
        .iter()
        .filter(|r| r.kind == RecordKind::Train)
        .collect();
    assert!(steps[4].get("grad_norm").unwrap().is_nan());
    assert!(steps[8].get("loss").unwrap().is_finite());
    assert_eq!(steps[8].get("skipped_steps"), Some(2.0));
}

#[test]
fn a_run_whose_steps_stay_bad_stops_and_names_the_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let source = Arc::new(ToySource {
        batch_size: 6,
        poison: 4..1000,
    });
    let settings = TrainingSettings {
        max_bad_steps: 3,
        ..settings(20)
    };
    let error = run(&path, vec![flex()], source, settings, 0).unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("step 7: the gradient of generator.weight"),
        "{message}"
    );
    // The last good step is 4; it was evaluated, as the best so far, and so saved.
    assert!(path.join("checkpoints/step-00000004").is_dir());
}

fn steps_of_checkpoints(path: &Path) -> Vec<u64> {
    let list = RunFolder::at(path).list_checkpoints().unwrap();
    list.into_iter().map(|(step, _)| step).collect()
}

#[test]
fn nothing_is_saved_or_deleted_while_steps_are_bad_and_the_run_goes_on_from_before_them() {
    let folder = tempfile::tempdir().unwrap();
    let settings = |max_bad_steps| TrainingSettings {
        save_every: 1,
        keep_last: 2,
        keep_best: 0,
        max_bad_steps,
        ..settings(10)
    };
    let straight = folder.path().join("straight");
    run(&straight, vec![flex()], ToySource::new(6), settings(3), 0).unwrap();
    let path = folder.path().join("run");
    let poison = |poison| {
        Arc::new(ToySource {
            batch_size: 6,
            poison,
        })
    };
    let error = run(&path, vec![flex()], poison(4..1000), settings(3), 0).unwrap_err();
    let LearnError::Diverged {
        step,
        checkpoint,
        first_step,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!((*step, *first_step), (7, false));
    assert_eq!(
        checkpoint.as_deref(),
        Some(&*path.join("checkpoints/step-00000004"))
    );
    assert_eq!(steps_of_checkpoints(&path), [3, 4]);
    // Two bad steps and a stop: again the good one is the last.
    let outcome = run(&path, vec![flex()], poison(4..6), settings(3), 6).unwrap();
    assert_eq!(outcome.stop, Stop::Interrupted);
    assert_eq!(steps_of_checkpoints(&path), [3, 4]);
    assert!(outcome.checkpoint.ends_with("step-00000004"));
    // Whoever counts on from before has no step left: it starts at zero.
    run(&path, vec![flex()], ToySource::new(6), settings(1), 0).unwrap();
    assert_eq!(curve(&path), curve(&straight));
}

#[test]
fn a_bad_last_step_leaves_the_model_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let source = Arc::new(ToySource {
        batch_size: 6,
        poison: 8..9,
    });
    let outcome = run(&path, vec![flex()], source, settings(9), 0).unwrap();
    assert_eq!((outcome.stop, outcome.bad_steps), (Stop::Done, 1));
    assert!(outcome.checkpoint.ends_with("step-00000009"));
}

#[test]
fn a_model_whose_weights_or_loss_have_blown_up_is_never_saved() {
    let folder = tempfile::tempdir().unwrap();
    for (name, rate) in [("not-finite", 1e30), ("huge", 1e4)] {
        let path = folder.path().join(name);
        let blown = TrainingSettings {
            save_every: 1,
            warmup: 0,
            optimizer: kiln_learner::OptimizerSettings {
                learning_rate: rate,
                ..Default::default()
            },
            ..settings(1)
        };
        let error = run(&path, vec![flex()], ToySource::new(6), blown, 0).unwrap_err();
        assert!(
            matches!(error, LearnError::Diverged { step: 1, .. }),
            "{name}: {error}"
        );
        assert_eq!(steps_of_checkpoints(&path), [0; 0], "{name}");
    }
}

#[test]
fn a_run_whose_first_steps_are_bad_does_not_blame_the_rate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let source = Arc::new(ToySource {
        batch_size: 6,
        poison: 0..1000,
    });
    let error = run(&path, vec![flex()], source, settings(20), 0).unwrap_err();
    assert!(
        error.to_string().contains("no step has changed a weight"),
        "{error}"
    );
}

#[test]
fn the_newest_and_the_best_checkpoints_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let settings = TrainingSettings {
        eval_every: 2,
        save_every: 2,
        ..settings(12)
    };
    let outcome = run(&path, vec![flex()], ToySource::new(6), settings, 0).unwrap();
    let (best, ..) = outcome.best_checkpoint.unwrap();
    let kept: Vec<u64> = RunFolder::at(&path)
        .list_checkpoints()
        .unwrap()
        .into_iter()
        .map(|(step, _)| step)
        .collect();
    assert!(
        kept.ends_with(&[10, 12]) && kept.contains(&best) && kept.len() <= 3,
        "{kept:?}"
    );
}

#[test]
fn early_stopping_ends_at_the_same_step_whether_resumed_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let early = |steps| TrainingSettings {
        eval_every: 1,
        early_stop: Some(2),
        // A rate at which the loss soon goes up and down.
        optimizer: kiln_learner::OptimizerSettings {
            learning_rate: 1.0,
            ..Default::default()
        },
        ..settings(steps)
    };
    let straight = folder.path().join("straight");
    let outcome = run(&straight, vec![flex()], ToySource::new(6), early(50), 0).unwrap();
    assert_eq!(outcome.stop, Stop::Early);
    assert!(outcome.step > 2 && outcome.step < 50);
    let resumed = folder.path().join("resumed");
    run(
        &resumed,
        vec![flex()],
        ToySource::new(6),
        early(50),
        outcome.step - 1,
    )
    .unwrap();
    let again = run(&resumed, vec![flex()], ToySource::new(6), early(50), 0).unwrap();
    assert_eq!((again.step, again.stop), (outcome.step, Stop::Early));
    assert_eq!(curve(&resumed), curve(&straight));
    // Resumed once more there is nothing left to do.
    let ended = run(&resumed, vec![flex()], ToySource::new(6), early(50), 0).unwrap();
    assert_eq!((ended.step, ended.stop), (outcome.step, Stop::Early));
    assert_eq!(curve(&resumed), curve(&straight));
}

#[test]
fn two_devices_share_a_step_and_resume_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let devices = || vec![flex(), flex()];
    let straight = folder.path().join("straight");
    run(&straight, devices(), ToySource::new(3), settings(8), 0).unwrap();
    let stopped = folder.path().join("stopped");
    run(&stopped, devices(), ToySource::new(3), settings(8), 5).unwrap();
    let error = run(&stopped, vec![flex()], ToySource::new(3), settings(8), 0).unwrap_err();
    assert!(error.to_string().contains("resume with as many"), "{error}");
    run(&stopped, devices(), ToySource::new(3), settings(8), 0).unwrap();
    assert_eq!(curve(&stopped), curve(&straight));
}

#[test]
fn settings_that_cannot_train_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let bad = TrainingSettings {
        accumulate: 0,
        ..settings(5)
    };
    let error = run(
        &folder.path().join("run"),
        vec![flex()],
        ToySource::new(6),
        bad,
        0,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "settings: accumulate = 0: at least one micro-batch a step"
    );
}
