//! Fine-tuning held against the reference: thirty steps of a class on the batches of a trajectory.

use std::path::Path;
use std::sync::Arc;

use burn::module::ModuleDisplay;
use kiln_checkpoint::ModelFile;
use kiln_learner::{NoObserver, RunFolder, TrainRequest, train};
use kiln_nn::Init;
use kiln_tasks::fine_tuning::{FineTuning, FineTuningSettings};
use kiln_tasks::heads::TrainedHead;
use kiln_tasks::{Class, Family};
use kiln_text::{BatchSource, HostBatch, TextError};

use crate::{
    Bound, Fixture, Report, Values, check_curves, devices, lock_generator, training_settings,
};

/// The buffers of a batch, by Hugging Face's names.
const BUFFERS: [&str; 6] = [
    "input_ids",
    "attention_mask",
    "token_type_ids",
    "labels",
    "start_positions",
    "end_positions",
];

/// The reference's batches, a step each `[steps, rows, …]`, of so many rows.
struct Batches {
    fixture: Fixture,
    batch_size: usize,
}

impl BatchSource for Batches {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let rows = self.batch_size;
        let mut batch = HostBatch::default();
        for name in BUFFERS {
            let Some(stacked) = self.fixture.inputs.get(name) else {
                continue;
            };
            let mut shape = stacked.shape[1..].to_vec();
            shape[0] = rows;
            let size: usize = shape.iter().product();
            // Batches are built ahead, beyond the last step.
            let batches = stacked.shape.iter().product::<usize>() / size;
            let start = index as usize % batches * size;
            let range = start..start + size;
            match &stacked.values {
                Values::Ints(values) => batch.insert_ints(name, values[range].to_vec(), &shape),
                Values::Floats(values) => batch.insert_floats(name, values[range].to_vec(), &shape),
            }
        }
        Ok(batch)
    }
}

/// Trains the class `C` for thirty steps from the weights of the case `start`, in `accumulate`
/// micro-batches a step, and holds every loss, gradient norm and learning rate on the way and the
/// parameters at the end against those of the case `trajectory`; both lie in `root`.
///
/// # Panics
/// If they differ by more than the bounds, or anything fails.
pub fn check_fine_tuning<C>(
    root: &Path,
    (start, trajectory): (&str, &str),
    settings: &FineTuningSettings,
    accumulate: usize,
) where
    C: Class + ModuleDisplay,
    C::Head: TrainedHead,
{
    let _guard = lock_generator();
    let mut report = Report::new(trajectory);
    for (name, device) in devices() {
        let fixture = Fixture::open(&root.join(trajectory));
        let config = expected(C::Config::open(&root.join(start))).for_inference();
        let objective = expected(FineTuning::<C>::new(config, settings.clone()));
        let mut init = Init::zeros(&device.clone().autodiff());
        let model = expected(objective.start(&root.join(start), &mut init, &NoObserver));
        let rows = fixture.input("input_ids").shape[1];
        let batch_size = rows / accumulate;
        let training = training_settings(&fixture, batch_size, accumulate);
        let folder = expected(tempfile::tempdir());
        let run = expected(RunFolder::create(&folder.path().join("run")));
        let files = objective.files(None);
        let batches = Batches {
            fixture: fixture.clone(),
            batch_size,
        };
        let request = TrainRequest::new(
            objective,
            model,
            files,
            run.clone(),
            training,
            Arc::new(batches),
        );
        let outcome = expected(train(request));
        let curves = [
            ("loss", "losses", Bound::Loss),
            ("learning_rate", "learning_rates", Bound::Loss),
            ("grad_norm", "grad_norms", Bound::Gradient),
        ];
        check_curves(&mut report, &name, &fixture, &run, &curves);
        let file = expected(ModelFile::open(&outcome.checkpoint));
        for (parameter, of_reference) in &fixture.parameters {
            // A key bias has no gradient in exact arithmetic; what Adam makes of the noise that
            // is left is decided by the noise.
            if parameter.ends_with("key.bias") || parameter.ends_with("key_proj.bias") {
                continue;
            }
            let actual = expected(file.read(parameter));
            let row = format!("{trajectory} {parameter}");
            report.check(&row, &name, &actual, of_reference.floats(), Bound::Output);
        }
    }
    report.finish();
}

fn expected<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
