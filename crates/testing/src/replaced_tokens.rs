//! Replaced token detection held against the reference, whatever the pair: batches that bring samples
//! along, and one joint step.

use std::collections::BTreeMap;
use std::path::Path;

use burn::optim::GradientsParams;
use burn::tensor::Device;
use kiln_learner::Objective;
use kiln_nn::Init;
use kiln_tasks::replaced_tokens::{ModelPair, ReplacedTokens, corrupt};
use kiln_text::{BatchSource, HostBatch, TextError};

use crate::trajectory::must;
use crate::{Bound, Fixture, Report, devices};

/// A pair's batches, with the samples that the reference's generator is taken to have drawn.
#[derive(Debug)]
pub struct SampledBatches {
    fixture: Fixture,
    batch_size: usize,
}

impl SampledBatches {
    /// Stacked `[steps, rows, …]`, `batch_size` rows at a time.
    pub fn stacked(fixture: &Fixture, batch_size: usize) -> Self {
        Self {
            fixture: fixture.clone(),
            batch_size,
        }
    }

    /// A case of one batch.
    ///
    /// # Panics
    /// If the case lacks a buffer.
    pub fn single(fixture: &Fixture) -> HostBatch {
        let rows = fixture.input("input_ids").shape[0];
        must(Self::stacked(fixture, rows).batch(0))
    }
}

impl BatchSource for SampledBatches {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let rows = self.batch_size;
        let width = |shape: &[usize]| shape.last().copied().unwrap_or(1);
        let input_ids = self.fixture.input("input_ids");
        // Batches are built ahead, beyond the last step.
        let batches = input_ids.ints().len() / (rows * width(&input_ids.shape));
        let start = index as usize % batches * rows;
        let mut batch = HostBatch::default();
        for name in [
            "input_ids",
            "attention_mask",
            "token_type_ids",
            "positions",
            "labels",
            "samples",
        ] {
            let tensor = self.fixture.input(name);
            let width = width(&tensor.shape);
            let values = tensor.ints()[start * width..(start + rows) * width].to_vec();
            batch.insert_ints(name, values, &[rows, width]);
        }
        let weights = self.fixture.input("weights");
        let width = width(&weights.shape);
        let values = weights.floats()[start * width..(start + rows) * width].to_vec();
        batch.insert_floats("weights", values, &[rows, width]);
        batch.insert_floats("example_weight", vec![1.0; rows], &[rows]);
        batch.real_tokens = batch.ints["attention_mask"].data.iter().sum::<i32>() as usize;
        batch.all_tokens = batch.ints["attention_mask"].data.len();
        Ok(batch)
    }
}

/// A pair with the weights in `folder`.
///
/// # Panics
/// If they can't be read.
pub fn open_pair<P: ModelPair>(objective: &ReplacedTokens<P>, folder: &Path, device: &Device) -> P {
    let model = objective.new_model(&mut Init::zeros(device));
    must(objective.files(None).read(model, folder))
}

/// Holds one joint step with given samples against a case of one batch, on every device: what the
/// discriminator reads, both losses, and every gradient by the reference's name as `gradients` gives it.
///
/// # Panics
/// If one differs, or there are others than the reference's.
pub fn check_joint_step<P: ModelPair>(
    fixture: &Fixture,
    objective: &ReplacedTokens<P>,
    gradients: impl Fn(&P, &GradientsParams) -> BTreeMap<String, Vec<f32>>,
) {
    let case = &fixture.name;
    let mut report = Report::new(case);
    for (name, device) in devices() {
        let device = device.autodiff();
        let model = open_pair(objective, &fixture.folder, &device);
        let host = SampledBatches::single(fixture);
        let batch = objective.upload(&host, &device);

        let Some(samples) = batch.samples.clone() else {
            panic!("{case}: no samples")
        };
        let corrupted = corrupt(samples, &batch);
        let ids = must(corrupted.input_ids.try_into_vec_as::<i32>());
        assert_eq!(ids, fixture.output("corrupted_ids").ints(), "{name}");
        let replaced = must(corrupted.replaced.int().try_into_vec_as::<i32>());
        assert_eq!(replaced, fixture.output("replaced").ints(), "{name}");

        let output = objective.forward(&model, 0, &batch, None, &());
        let mut loss = None;
        let weights = objective.weights(&host);
        for ((term, sum), weight) in objective.terms().iter().zip(output.sums).zip(weights) {
            let mean = sum / weight;
            let value = must(mean.clone().inner().try_into_vec_as::<f32>());
            let expected = fixture.output(term.name).floats();
            report.check(term.name, &name, &value, expected, Bound::Loss);
            let share = mean.mul_scalar(term.coefficient);
            loss = Some(match loss {
                None => share,
                Some(before) => before + share,
            });
        }
        let Some(loss) = loss else {
            panic!("{case}: no terms")
        };
        let value = must(loss.clone().inner().try_into_vec_as::<f32>());
        let expected = fixture.output("loss").floats();
        report.check("loss", &name, &value, expected, Bound::Loss);

        let grads = GradientsParams::from_grads(loss.backward(), &model);
        let found = gradients(&model, &grads);
        assert_eq!(found.len(), fixture.gradients.len(), "{case}");
        for (key, expected) in &fixture.gradients {
            let Some(actual) = found.get(key) else {
                panic!("{case}: no {key} among {:?}", found.keys());
            };
            report.check(key, &name, actual, expected.floats(), Bound::Gradient);
        }
    }
    report.finish();
}
