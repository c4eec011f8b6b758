//! What the tests of the objectives share.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

pub(crate) mod small;

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use kiln_deberta::{DebertaConfig, DebertaPair, DebertaReplacedTokens, PairConfig};
use kiln_learner::{
    ModelFiles, Objective, RunFolder, TrainOutcome, TrainRequest, TrainingSettings, train,
};
use kiln_nn::Init;
use kiln_tasks::Family;
use kiln_tasks::settings::{DetectionSettings, Sharing};
use kiln_testing::{Fixture, fixtures_dir};
use kiln_text::{BatchSource, HostBatch, TextError};

/// Both models' words, as they can be shared.
pub(crate) const SHARINGS: [Sharing; 3] = [
    Sharing::GradientDisentangled,
    Sharing::Embeddings,
    Sharing::None,
];

/// The published settings.
pub(crate) fn settings(sharing: Sharing, alternating: bool) -> DetectionSettings {
    DetectionSettings {
        sharing,
        generator: None,
        generator_size: 1.0,
        generator_layers: 0.5,
        init_generator: None,
        generator_weight: 1.0,
        discriminator_weight: 10.0,
        temperature: 1.0,
        disallow_correct: false,
        uniform_generator: false,
        alternating,
    }
}

pub(crate) fn fixture(case: &str) -> Fixture {
    Fixture::open(&fixtures_dir("deberta", env!("CARGO_MANIFEST_DIR")).join(case))
}

/// The objective of a pair's folder, dropout off.
pub(crate) fn fixture_objective(
    folder: &Path,
    sharing: Sharing,
    alternating: bool,
) -> DebertaReplacedTokens {
    let open = |half: &str| {
        DebertaConfig::open(&folder.join(half))
            .unwrap()
            .without_dropout()
    };
    let config = PairConfig {
        discriminator: open("discriminator"),
        generator: open("generator"),
        sharing,
    };
    DebertaReplacedTokens::new(config, settings(sharing, alternating))
}

/// Its pair with the folder's weights.
pub(crate) fn open_pair(
    objective: &DebertaReplacedTokens,
    folder: &Path,
    device: &Device,
) -> DebertaPair {
    let model = objective.new_model(&mut Init::zeros(device));
    objective.files(None).read(model, folder).unwrap()
}

/// A run from `model` to the last step.
pub(crate) fn train_on<O: Objective>(
    (files, objective): (ModelFiles<O::Model>, O),
    model: O::Model,
    device: &Device,
    run: &RunFolder,
    settings: TrainingSettings,
    batches: Arc<dyn BatchSource>,
) -> TrainOutcome {
    train(TrainRequest {
        devices: vec![device.clone()],
        ..TrainRequest::new(objective, model, files, run.clone(), settings, batches)
    })
    .unwrap()
}

/// The reference's batches, with their samples.
pub(crate) struct Batches {
    fixture: Fixture,
    batch_size: usize,
}

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
