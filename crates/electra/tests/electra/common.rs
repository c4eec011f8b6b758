//! What the tests of the joint step share.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::path::Path;

use burn::tensor::Device;
use kiln_electra::{ElectraConfig, ElectraPair, ElectraPretraining, PairConfig};
use kiln_nn::Init;
use kiln_tasks::Family;
use kiln_tasks::settings::{DetectionSettings, Sharing};
use kiln_testing::Fixture;
use kiln_text::{BatchSource, HostBatch, TextError};

/// The published settings.
pub(crate) fn settings(sharing: Sharing) -> DetectionSettings {
    DetectionSettings {
        sharing,
        generator: None,
        generator_size: 0.25,
        generator_layers: 1.0,
        init_generator: None,
        generator_weight: 1.0,
        discriminator_weight: 50.0,
        temperature: 1.0,
        disallow_correct: false,
        uniform_generator: false,
        alternating: false,
    }
}

/// The objective of a pair's folder, dropout off.
#[allow(dead_code, reason = "each test program uses some of this module")]
pub(crate) fn fixture_objective(folder: &Path, sharing: Sharing) -> ElectraPretraining {
    let open = |half: &str| {
        ElectraConfig::open(&folder.join(half))
            .unwrap()
            .without_dropout()
    };
    let config = PairConfig {
        discriminator: open("discriminator"),
        generator: Some(open("generator")),
        sharing,
    };
    ElectraPretraining::new(config, settings(sharing))
}

/// Its pair with the folder's weights.
#[allow(dead_code, reason = "each test program uses some of this module")]
pub(crate) fn open_pair(
    objective: &ElectraPretraining,
    folder: &Path,
    device: &Device,
) -> ElectraPair {
    let model = objective.new_model(&mut Init::zeros(device));
    objective.files(None).read(model, folder).unwrap()
}

/// The reference's batches, with their samples.
#[allow(dead_code, reason = "each test program uses some of this module")]
pub(crate) struct Batches {
    fixture: Fixture,
    batch_size: usize,
}

#[allow(dead_code, reason = "each test program uses some of this module")]
impl Batches {
    /// Stacked `[steps, batch, ...]`, `batch_size` rows at a time.
    pub(crate) fn stacked(fixture: &Fixture, batch_size: usize) -> Self {
        Self {
            fixture: fixture.clone(),
            batch_size,
        }
    }

    /// A case of one batch.
    pub(crate) fn single(fixture: &Fixture) -> HostBatch {
        let rows = fixture.input("input_ids").shape[0];
        Self::stacked(fixture, rows).batch(0).unwrap()
    }
}

impl BatchSource for Batches {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let rows = self.batch_size;
        let start = index as usize * rows;
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
            let width = *tensor.shape.last().unwrap();
            let values = tensor.ints()[start * width..(start + rows) * width].to_vec();
            batch.insert_ints(name, values, &[rows, width]);
        }
        let weights = self.fixture.input("weights");
        let width = *weights.shape.last().unwrap();
        let values = weights.floats()[start * width..(start + rows) * width].to_vec();
        batch.insert_floats("weights", values, &[rows, width]);
        batch.insert_floats("example_weight", vec![1.0; rows], &[rows]);
        batch.real_tokens = batch.ints["attention_mask"].data.iter().sum::<i32>() as usize;
        batch.all_tokens = batch.ints["attention_mask"].data.len();
        Ok(batch)
    }
}
