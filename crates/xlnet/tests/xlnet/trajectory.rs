//! Thirty optimizer steps through the learner against PyTorch, each with the memory that the one
//! before left: every loss, gradient norm and learning rate on the way, and the parameters at the
//! end. And stopped after any of them, the run goes on as if it had not been.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use burn::train::Interrupter;
use kiln_checkpoint::ModelFile;
use kiln_learner::{
    Observer, Record, RunFolder, TrainOutcome, TrainRequest, TrainingSettings, train,
};
use kiln_nn::Init;
use kiln_tasks::Family;
use kiln_testing::{
    Bound, Fixture, Rank, Report, check_curves, devices, fixtures_dir, lock_generator, ranks,
    training_settings,
};
use kiln_text::{BatchSource, HostBatch, TextError};
use kiln_xlnet::{XlnetConfig, XlnetPretraining};

fn fixture(case: &str) -> Fixture {
    Fixture::open(&fixtures_dir("xlnet", env!("CARGO_MANIFEST_DIR")).join(case))
}

/// The reference's batches, each in `parts` micro-batches, which have their share of either direction.
struct Batches {
    fixture: Fixture,
    parts: usize,
}

impl Batches {
    /// The rows of micro-batch `part`: the first half of a batch reads forwards, the second backwards.
    fn rows(&self, part: usize) -> Vec<usize> {
        let half = rows(&self.fixture) / 2;
        let share = half / self.parts;
        let forwards = part * share..(part + 1) * share;
        forwards
            .clone()
            .chain(forwards.map(|row| half + row))
            .collect()
    }

    fn take<T: Copy>(&self, values: &[T], step: usize, part: usize, width: usize) -> Vec<T> {
        let rows_of_batch = rows(&self.fixture);
        let rows = self.rows(part).into_iter();
        let starts = rows.map(|row| (step * rows_of_batch + row) * width);
        starts
            .flat_map(|start| values[start..start + width].to_vec())
            .collect()
    }
}

impl BatchSource for Batches {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let steps = self.fixture.input("input_ids").shape[0];
        let parts = self.parts;
        // Batches are built ahead, beyond the last step too.
        let (step, part) = (index as usize / parts % steps, index as usize % parts);
        let shape = |width: usize| [self.rows(part).len(), width];
        let mut batch = HostBatch::default();
        for name in [
            "input_ids",
            "token_type_ids",
            "query_ranks",
            "key_ranks",
            "positions",
            "labels",
        ] {
            let tensor = self.fixture.input(name);
            let width = tensor.shape[2];
            let values = self.take(tensor.ints(), step, part, width);
            batch.insert_ints(name, values, &shape(width));
        }
        let weights = self.fixture.input("weights");
        let width = weights.shape[2];
        let values = self.take(weights.floats(), step, part, width);
        batch.insert_floats("weights", values, &shape(width));
        batch.real_tokens = batch.ints["input_ids"].data.len();
        batch.all_tokens = batch.real_tokens;
        Ok(batch)
    }
}

/// A run from the weights of `two_directions`, or on from its last checkpoint.
fn run(
    device: &Device,
    folder: &RunFolder,
    fixture: &Fixture,
    settings: TrainingSettings,
    stop_after: u64,
) -> TrainOutcome {
    let parts = settings.accumulate;
    let request = request(device, folder, fixture, settings, parts);
    let interrupter = request.interrupter.clone();
    train(TrainRequest {
        observer: Arc::new(StopAfter(stop_after, interrupter)),
        ..request
    })
    .unwrap()
}

/// As [`run`], of steps of `parts` micro-batches.
fn request(
    device: &Device,
    folder: &RunFolder,
    fixture: &Fixture,
    settings: TrainingSettings,
    parts: usize,
) -> TrainRequest<XlnetPretraining> {
    let start = self::fixture("two_directions").folder;
    let config = XlnetConfig::open(&start).unwrap().without_dropout();
    let objective = XlnetPretraining::new(config, settings.batch_size);
    let model = objective.new_model(&mut Init::zeros(&device.clone().autodiff()));
    let model = objective.files(None).read(model, &start).unwrap();
    let files = objective.files(None);
    let batches = Batches {
        fixture: fixture.clone(),
        parts,
    };
    let batches = Arc::new(batches);
    TrainRequest::new(objective, model, files, folder.clone(), settings, batches)
}

/// No step has this number.
const NEVER: u64 = 0;

/// Stops a run after a step.
struct StopAfter(u64, Interrupter);

impl Observer for StopAfter {
    fn step(&self, record: &Record, _: &TrainingSettings) {
        if record.step == self.0 {
            self.1.stop(None);
        }
    }
}

fn rows(fixture: &Fixture) -> usize {
    fixture.input("input_ids").shape[1]
}

/// Each batch in `parts` micro-batches.
fn follows(parts: usize) {
    let _guard = lock_generator();
    let fixture = fixture("trajectory");
    let mut report = Report::new(&format!("xlnet trajectory in {parts}"));
    for (device_name, device) in devices() {
        let folder = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(&folder.path().join("run")).unwrap();
        let settings = training_settings(&fixture, rows(&fixture) / parts, parts);
        let outcome = run(&device, &folder, &fixture, settings, NEVER);
        let curves = [
            ("loss", "losses", Bound::Loss),
            ("plm_loss", "losses", Bound::Loss),
            ("learning_rate", "learning_rates", Bound::Loss),
            ("grad_norm", "grad_norms", Bound::Gradient),
        ];
        check_curves(&mut report, &device_name, &fixture, &folder, &curves);
        let file = ModelFile::open(&outcome.checkpoint).unwrap();
        for (parameter, expected) in &fixture.parameters {
            let actual = file.read(parameter).unwrap();
            let expected = expected.floats();
            report.check(parameter, &device_name, &actual, expected, Bound::Output);
        }
    }
    report.finish();
}

#[test]
fn thirty_steps_with_memory_are_pytorchs() {
    follows(1);
}

/// Each micro-batch of a step goes on with the memory of the same one in the step before.
#[test]
fn two_micro_batches_of_a_step_follow_the_same_curve_as_one_of_both() {
    follows(2);
}

fn metrics_without_times(folder: &RunFolder) -> Vec<(u64, Option<f64>, Option<f64>)> {
    let records = kiln_learner::record::read_records(&folder.metrics()).unwrap();
    records
        .iter()
        .map(|record| (record.step, record.get("loss"), record.get("grad_norm")))
        .collect()
}

fn bytes(checkpoint: &Path, file: &str) -> Vec<u8> {
    std::fs::read(checkpoint.join(file)).unwrap()
}

#[test]
fn a_stopped_run_goes_on_with_its_memory_to_the_last_bit() {
    let _guard = lock_generator();
    let fixture = fixture("trajectory");
    for (device_name, device) in devices() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = |name: &str| RunFolder::create(&scratch.path().join(name)).unwrap();
        let settings = training_settings(&fixture, rows(&fixture), 1);
        let whole = folder("whole");
        let at_once = run(&device, &whole, &fixture, settings.clone(), NEVER);
        let parts = folder("parts");
        for stop in [7, 8] {
            run(&device, &parts, &fixture, settings.clone(), stop);
        }
        let resumed = run(&device, &parts, &fixture, settings, NEVER);
        assert_eq!(
            metrics_without_times(&whole),
            metrics_without_times(&parts),
            "{device_name}"
        );
        for file in ["model.safetensors", "training/carry-0.safetensors"] {
            assert_eq!(
                bytes(&at_once.checkpoint, file),
                bytes(&resumed.checkpoint, file),
                "{device_name}: {file}"
            );
        }
    }
}

/// A memory stays with its micro-batch, whatever process that belongs to.
#[test]
fn two_ranks_leave_the_weights_and_memories_of_one_process_with_two_micro_batches() {
    let _guard = lock_generator();
    let fixture = fixture("trajectory");
    let Some((_, device)) = devices().into_iter().find(|(name, _)| name == "flex") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let settings = |accumulate| training_settings(&fixture, rows(&fixture) / 2, accumulate);
    let alone = RunFolder::create(&folder.path().join("alone")).unwrap();
    let one = run(&device, &alone, &fixture, settings(2), NEVER);
    let shared = folder.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let go = |rank: Arc<Rank>| {
        rank.clone().work(|| {
            let request = request(&device, &RunFolder::at(&shared), &fixture, settings(1), 2);
            train(TrainRequest {
                collective: rank,
                ..request
            })
            .unwrap()
        })
    };
    let outcomes: Vec<TrainOutcome> = std::thread::scope(|scope| {
        let ranks = ranks(2).into_iter();
        let threads: Vec<_> = ranks.map(|rank| scope.spawn(|| go(rank))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(outcomes[0], outcomes[1]);
    for file in [
        "model.safetensors",
        "training/model.safetensors",
        "training/carry-0.safetensors",
        "training/carry-1.safetensors",
    ] {
        let read = |outcome: &TrainOutcome| std::fs::read(outcome.checkpoint.join(file)).unwrap();
        assert!(read(&one) == read(&outcomes[0]), "{file}");
    }
}
