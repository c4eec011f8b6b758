//! Fine-tuning held against the reference: a class trained on the batches of a trajectory.

use std::path::Path;

use burn::module::ModuleDisplay;
use burn::tensor::Device;
use kiln_learner::{ModelFiles, NoObserver};
use kiln_nn::Init;
use kiln_tasks::fine_tuning::{
    FineTuned, FineTuning, FineTuningSettings, HeadKind, LayerDecay, LoraSettings, TunedModelOf,
    TunedObjective,
};
use kiln_tasks::heads::TrainedHead;
use kiln_tasks::{Class, Family};
use kiln_text::{BatchSource, HostBatch, TextError};

use crate::trajectory::{check_run, must};
use crate::{Fixture, Report, Values, devices, lock_generator};

/// The buffers of a batch, by Hugging Face's names.
const BUFFERS: [&str; 10] = [
    "input_ids",
    "attention_mask",
    "token_type_ids",
    "labels",
    "start_positions",
    "end_positions",
    "is_impossible",
    "cls_index",
    "p_mask",
    "delta_0",
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
            // Continuations are rows of their own.
            let is_of_choices = match &stacked.values {
                Values::Ints(_) => shape.len() == 3,
                Values::Floats(_) => shape.len() == 4,
            };
            if is_of_choices {
                let num_choices = shape.remove(1);
                shape[0] *= num_choices;
            }
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

/// Fine-tuning with rates that fall from layer to layer as `decay` says.
pub fn layer_by_layer(decay: LayerDecay) -> FineTuningSettings {
    FineTuningSettings {
        layer_decay: Some(decay),
        ..FineTuningSettings::default()
    }
}

/// Trains the class `C` for the steps of a trajectory from the weights of the case `start`, in `accumulate`
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
    let fixture = Fixture::open(&root.join(trajectory));
    for (name, device) in devices() {
        let config = must(C::Config::open(&root.join(start))).for_inference();
        let objective = must(FineTuning::<C>::new(config, settings.clone()));
        let mut init = Init::zeros(&device.autodiff());
        let model = must(objective.start(&root.join(start), true, &mut init, &NoObserver));
        let files = objective.files(None);
        let trained = (objective, model, files);
        let batches = |fixture, batch_size| Batches {
            fixture,
            batch_size,
        };
        check_run(&mut report, &name, &fixture, accumulate, trained, batches);
    }
    report.finish();
}

/// The objective, the model and its files of a class with the weights of the case `start` and the adapter of
/// the case `adapter`.
///
/// # Panics
/// If one can't be opened.
pub fn adapted<F: FineTuned>(
    root: &Path,
    (start, adapter): (&str, &str),
    (kind, lora): (HeadKind, &LoraSettings),
    device: &Device,
) -> (
    TunedObjective<F>,
    TunedModelOf<F>,
    ModelFiles<TunedModelOf<F>>,
) {
    let config = must(F::open(&root.join(start))).for_inference();
    let settings = FineTuningSettings {
        lora: Some(lora.clone()),
        ..FineTuningSettings::default()
    };
    let objective = must(TunedObjective::new(kind, config.clone(), settings));
    let init = &mut Init::zeros(device);
    let model = must(objective.start(&root.join(start), true, init, &NoObserver));
    let fresh = must(TunedObjective::<F>::with_adapters(model, lora, (1, device)));
    let files = objective.adapter_files(config, None, lora.clone(), root.join(start));
    let model = must(files.read(fresh.model, &root.join(adapter)));
    (objective, model, files)
}

/// As [`check_fine_tuning`], of an adapter that begins as in the case `adapter`, and of the merged model at
/// the end.
///
/// # Panics
/// If they differ by more than the bounds, or anything fails.
pub fn check_adapted_fine_tuning<F: FineTuned>(
    root: &Path,
    (start, adapter, trajectory): (&str, &str, &str),
    learned: (HeadKind, &LoraSettings),
    accumulate: usize,
) {
    let _guard = lock_generator();
    let mut report = Report::new(trajectory);
    let fixture = Fixture::open(&root.join(trajectory));
    for (name, device) in devices() {
        let place = device.autodiff();
        let trained = adapted::<F>(root, (start, adapter), learned, &place);
        let batches = |fixture, batch_size| Batches {
            fixture,
            batch_size,
        };
        check_run(&mut report, &name, &fixture, accumulate, trained, batches);
    }
    report.finish();
}
