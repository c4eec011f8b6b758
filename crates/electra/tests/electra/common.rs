//! What the tests of the joint step share.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::path::Path;

use kiln_electra::{ElectraConfig, ElectraPretraining, PairConfig};
use kiln_tasks::Family;
use kiln_tasks::settings::{DetectionSettings, Sharing};

/// The published settings.
pub(crate) fn settings(sharing: Sharing) -> DetectionSettings {
    DetectionSettings {
        sharing,
        ..DetectionSettings::electra()
    }
}

/// The objective of a pair's folder, dropout off.
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
