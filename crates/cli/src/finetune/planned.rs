//! Several runs as they are planned: what a group's config.json holds.

use kiln_tasks::labelled::{Development, FineTuneSettings};
use serde::{Deserialize, Serialize};

use super::adapt::Adaptation;

/// Runs from the model as it was, and from the adapted one: what their names begin with.
pub(super) const SIDES: [&str; 2] = ["before", "after"];

/// One of the runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Planned {
    /// Its folder in the group's.
    pub(super) name: String,
    /// Everything of it; where it starts from the adapted model, the folder of that is found when it
    /// begins.
    pub(super) settings: FineTuneSettings,
    /// Whether it starts from the adapted model.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) adapted: bool,
}

/// config.json of a group's folder.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupSettings {
    /// What is done before the runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) adapt: Option<Adaptation>,
    /// The runs, in their order.
    pub(super) runs: Vec<Planned>,
}

impl Planned {
    /// Whether it is evaluated on one of several parts of the examples.
    pub(super) fn is_fold(&self) -> bool {
        matches!(self.settings.data.development, Development::Fold { .. })
    }

    /// The parts of its name but for the fold, which is one of a whole, and the side.
    fn parts(&self) -> impl Iterator<Item = &str> {
        let parts = self.name.split('_');
        parts.filter(|part| !SIDES.contains(part) && !part.starts_with("fold-"))
    }

    /// What it has in common with the other folds of its split and with its counterpart of the other side.
    pub(super) fn pair(&self) -> String {
        self.parts().collect::<Vec<_>>().join("_")
    }

    /// What it has in common with the runs of other seeds.
    pub(super) fn cell(&self) -> String {
        let parts = self.parts().filter(|part| !part.starts_with("seed-"));
        parts.collect::<Vec<_>>().join("_")
    }
}
