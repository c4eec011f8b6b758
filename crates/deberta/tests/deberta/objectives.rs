//! What the tests of the objectives share.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

pub(crate) mod small;

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use kiln_deberta::{DebertaConfig, DebertaReplacedTokens, PairConfig};
use kiln_learner::{
    ModelFiles, Objective, RunFolder, TrainOutcome, TrainRequest, TrainingSettings, train,
};
use kiln_tasks::Family;
use kiln_tasks::settings::{DetectionSettings, Sharing};
use kiln_testing::{Fixture, fixtures_dir};
use kiln_text::BatchSource;

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
        alternating,
        ..DetectionSettings::deberta()
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
