//! What was changed of a run after it had begun, and from which step on.
//!
//! A run's settings are those that hold now. What held before stands in [`RunSettings::changes`](crate::RunSettings::changes),
//! each with the step after which it no longer did, so that the whole run can be told and repeated.
//! Where batches changed, [`Stretch`](kiln_learner::Stretch) says how much data the steps before took.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Settings that were changed together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The last step made with what held before.
    pub after_step: u64,
    /// The field's path in config.json, what it was and what it became, e.g.
    /// `training.steps`: [1000, 2000].
    pub settings: BTreeMap<String, (Value, Value)>,
}

impl Change {
    /// What a number of the settings was before, if it was changed.
    pub fn was(&self, field: &str) -> Option<u64> {
        self.settings.get(field)?.0.as_u64()
    }
}
