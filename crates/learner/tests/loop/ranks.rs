//! Runs of several ranks: what they leave, how they go on, how they end.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use burn::train::Interrupter;
use kiln_learner::{
    Collective as _, EvalData, LearnError, NoObserver, Observer, OptimizerSettings, RunFolder,
    Stop, TrainOutcome, TrainRequest, TrainingSettings, train,
};
use kiln_testing::Rank;
use kiln_text::{BatchSource, HostBatch, TextError};

use crate::toy::{ToyObjective, ToySource, settings};
use crate::{GENERATOR, StopAfter, curve, flex, run, weights};

/// How a step's micro-batches are shared out.
#[derive(Clone, Copy, Debug)]
struct Layout {
    ranks: usize,
    devices: usize,
    accumulate: usize,
}

/// So many ranks, devices on each, micro-batches on each of those.
fn layout(ranks: usize, devices: usize, accumulate: usize) -> Layout {
    Layout {
        ranks,
        devices,
        accumulate,
    }
}

/// What happens in a run besides steps.
#[derive(Clone)]
struct Events {
    source: Arc<dyn BatchSource>,
    /// Once rank 0 has made the step, this rank is asked to stop.
    stop: Option<(u64, usize)>,
    /// Warnings of all ranks.
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Events {
    fn none() -> Self {
        Self::of(ToySource::new(6))
    }

    fn of(source: Arc<dyn BatchSource>) -> Self {
        Self {
            source,
            stop: None,
            warnings: Arc::default(),
        }
    }
}

/// Tells of warnings, and passes steps on.
struct Listener<O>(O, Arc<Mutex<Vec<String>>>);

impl<O: Observer> Observer for Listener<O> {
    fn step(&self, record: &kiln_learner::Record, settings: &TrainingSettings) {
        self.0.step(record, settings);
    }

    fn warning(&self, message: &str) {
        self.1.lock().unwrap().push(message.to_owned());
    }
}

/// What each rank gets of a run in `path`.
fn go(
    path: &Path,
    layout: Layout,
    events: &Events,
    settings_of: impl Fn(usize) -> TrainingSettings + Sync,
) -> Vec<Result<TrainOutcome, LearnError>> {
    let _guard = GENERATOR
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    std::fs::create_dir_all(path).unwrap();
    let ranks = kiln_testing::ranks(layout.ranks);
    let interrupters: Vec<Interrupter> = ranks.iter().map(|_| Interrupter::new()).collect();
    let one = |rank: &Arc<Rank>| {
        let number = rank.rank();
        let warnings = events.warnings.clone();
        let observer: Arc<dyn Observer> = match events.stop {
            Some((step, whose)) => {
                let stop = StopAfter(step, interrupters[whose].clone());
                Arc::new(Listener(stop, warnings))
            }
            None => Arc::new(Listener(NoObserver, warnings)),
        };
        rank.work(|| {
            train(TrainRequest {
                devices: vec![flex(); layout.devices],
                eval: Some(EvalData {
                    source: ToySource::new(6),
                    batches: 2,
                }),
                interrupter: interrupters[number].clone(),
                observer,
                collective: rank.clone(),
                ..TrainRequest::new(
                    ToyObjective,
                    ToyObjective::model(&flex().autodiff()),
                    ToyObjective::files(),
                    RunFolder::at(path),
                    TrainingSettings {
                        accumulate: layout.accumulate,
                        ..settings_of(number)
                    },
                    events.source.clone(),
                )
            })
        })
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = ranks.iter().map(|rank| scope.spawn(|| one(rank))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

/// As [`go`], of a run that ends well; the ranks agree on how.
fn run_ranks(
    path: &Path,
    layout: Layout,
    events: &Events,
    settings: &TrainingSettings,
) -> TrainOutcome {
    let outcomes = go(path, layout, events, |_| settings.clone());
    let mut outcomes = outcomes.into_iter().map(Result::unwrap);
    let first = outcomes.next().unwrap();
    assert!(outcomes.all(|outcome| outcome == first));
    first
}

/// Everything in a checkpoint but the time it took and the layout, by file name.
fn files(checkpoint: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let folders = [checkpoint.to_path_buf(), checkpoint.join("training")];
    let entries = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|is| is == "safetensors"))
        .map(|path| {
            (
                path.strip_prefix(checkpoint).unwrap().into(),
                std::fs::read(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

#[test]
fn ranks_equal_devices_equal_micro_batches_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    for count in [2, 3] {
        let of = |name: &str, layout| {
            let path = folder.path().join(format!("{name}-{count}"));
            let outcome = run_ranks(&path, layout, &Events::none(), &settings(10));
            assert_eq!((outcome.step, outcome.stop), (10, Stop::Done));
            (curve(&path), files(&outcome.checkpoint))
        };
        let batches = of("batches", layout(1, 1, count));
        // The weights, two optimizers, and what each micro-batch carries.
        assert_eq!(batches.1.len(), 3 + count);
        assert_eq!(of("devices", layout(1, count, 1)), batches);
        assert_eq!(of("ranks", layout(count, 1, 1)), batches);
    }
}

#[test]
fn a_run_goes_on_with_another_number_of_ranks_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let layouts = [layout(1, 1, 2), layout(1, 2, 1), layout(2, 1, 1)];
    let straight = folder.path().join("straight");
    let whole = run_ranks(&straight, layouts[0], &Events::none(), &settings(10));
    for (name, order) in [("up", [0, 1, 2]), ("down", [2, 1, 0]), ("over", [1, 2, 1])] {
        let path = folder.path().join(name);
        let events = Events::none();
        for (layout, steps) in order.into_iter().zip([3, 7, 10]) {
            // Stopped by rank 0: at that step for sure.
            let stop = (steps < 10).then_some((steps, 0));
            let events = Events {
                stop,
                ..events.clone()
            };
            let outcome = run_ranks(&path, layouts[layout], &events, &settings(10));
            assert_eq!(outcome.step, steps, "{name}");
        }
        assert_eq!(curve(&path), curve(&straight), "{name}");
        assert_eq!(
            files(&path.join("checkpoints/step-00000010")),
            files(&whole.checkpoint),
            "{name}"
        );
        assert_eq!(*events.warnings.lock().unwrap(), [""; 0], "{name}");
    }
}

#[test]
fn ranks_with_several_micro_batches_equal_each_other_and_one_process_is_told_to_differ() {
    let folder = tempfile::tempdir().unwrap();
    let events = Events::none();
    let of = |name: &str, layout| {
        let path = folder.path().join(name);
        let outcome = run_ranks(&path, layout, &events, &settings(6));
        (curve(&path), files(&outcome.checkpoint))
    };
    let devices = of("devices", layout(2, 2, 1));
    assert_eq!(of("batches", layout(2, 1, 2)), devices);
    // Sums of sums: the same to a few of float32's last bits.
    let one = of("one", layout(1, 1, 4));
    let last = |curve: &[kiln_learner::Record]| curve.last().unwrap().get("loss").unwrap();
    assert!((last(&one.0) - last(&devices.0)).abs() < 1e-5);
    assert_eq!(*events.warnings.lock().unwrap(), [""; 0]);

    let path = folder.path().join("one");
    run_ranks(&path, layout(2, 2, 1), &events, &settings(8));
    let warnings = events.warnings.lock().unwrap().clone();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("not to the last bit"), "{warnings:?}");
}

#[test]
fn a_gradient_that_is_not_finite_on_one_rank_makes_all_skip() {
    let folder = tempfile::tempdir().unwrap();
    // Of steps of two, the second of step 3.
    let source = Arc::new(ToySource {
        batch_size: 6,
        poison: 5..6,
    });
    let of = |name: &str, layout| {
        let path = folder.path().join(name);
        let outcome = run_ranks(&path, layout, &Events::of(source.clone()), &settings(8));
        assert_eq!(outcome.bad_steps, 1);
        let skipped = curve(&path)[2].get("skipped_steps");
        assert_eq!(skipped, Some(1.0));
        files(&outcome.checkpoint)
    };
    assert_eq!(of("ranks", layout(2, 1, 1)), of("one", layout(1, 1, 2)));
}

#[test]
fn an_interruption_on_any_rank_ends_all_at_one_step_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let straight = folder.path().join("straight");
    let whole = run_ranks(&straight, layout(1, 3, 1), &Events::none(), &settings(10));
    for rank in 0..3 {
        let path = folder.path().join(format!("stopped-{rank}"));
        let events = Events {
            stop: Some((4, rank)),
            ..Events::none()
        };
        let outcome = run_ranks(&path, layout(3, 1, 1), &events, &settings(10));
        assert_eq!(outcome.stop, Stop::Interrupted);
        // Another rank than the first may have gone on by the time it is asked.
        assert!(
            outcome.step == 4 || rank > 0 && outcome.step == 5,
            "{outcome:?}"
        );
        let end = run_ranks(&path, layout(3, 1, 1), &Events::none(), &settings(10));
        assert_eq!(end.stop, Stop::Done);
        assert_eq!(curve(&path), curve(&straight));
        assert_eq!(files(&end.checkpoint), files(&whole.checkpoint));
    }
}

#[test]
fn all_ranks_stop_early_where_one_process_would() {
    let folder = tempfile::tempdir().unwrap();
    let early = TrainingSettings {
        eval_every: 1,
        early_stop: Some(2),
        accumulate: 2,
        // A rate at which the loss soon goes up and down.
        optimizer: OptimizerSettings {
            learning_rate: 1.0,
            ..Default::default()
        },
        ..settings(50)
    };
    let alone = folder.path().join("alone");
    let one = run(&alone, vec![flex()], ToySource::new(6), early.clone(), 0).unwrap();
    let path = folder.path().join("ranks");
    let outcome = run_ranks(&path, layout(2, 1, 1), &Events::none(), &early);
    assert_eq!((outcome.step, outcome.stop), (one.step, Stop::Early));
    assert_eq!(curve(&path), curve(&alone));
    assert_eq!(weights(&outcome.checkpoint), weights(&one.checkpoint));
}

/// A source that has no batch of this number.
struct Without(Arc<ToySource>, u64);

impl BatchSource for Without {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        if index == self.1 {
            return Err(TextError::BatchPanicked {
                index,
                message: "no such text".into(),
            });
        }
        self.0.batch(index)
    }
}

#[test]
fn a_rank_that_fails_ends_the_run_on_all_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    // The second of step 5: rank 1's.
    let events = Events::of(Arc::new(Without(ToySource::new(6), 9)));
    let outcomes = go(&path, layout(2, 1, 1), &events, |_| settings(10));
    let [first, second] = outcomes.as_slice() else {
        panic!("{outcomes:?}")
    };
    let second = second.as_ref().unwrap_err().to_string();
    assert!(second.contains("no such text"), "{second}");
    let first = first.as_ref().unwrap_err().to_string();
    assert_eq!(
        first,
        format!("rank 1: {second}; the run ended on all ranks, what was saved is whole")
    );
    // And goes on as one that never failed.
    let outcome = run_ranks(&path, layout(2, 1, 1), &Events::none(), &settings(10));
    let straight = folder.path().join("straight");
    let whole = run_ranks(&straight, layout(2, 1, 1), &Events::none(), &settings(10));
    assert_eq!(files(&outcome.checkpoint), files(&whole.checkpoint));
}

#[test]
fn ranks_that_were_started_otherwise_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let outcomes = go(&path, layout(3, 1, 1), &Events::none(), |rank| {
        TrainingSettings {
            seed: if rank == 2 { 8 } else { 1 },
            data_threads: rank + 1,
            ..settings(10)
        }
    });
    for outcome in outcomes {
        assert_eq!(
            outcome.unwrap_err().to_string(),
            "settings: rank 2 has seed = 8, rank 0 has seed = 1: start all ranks alike"
        );
    }
    assert!(!path.join("metrics.jsonl").exists());
}
