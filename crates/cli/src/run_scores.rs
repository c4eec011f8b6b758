//! What a fine-tuning run scored: `scores.json`.

use std::path::{Path, PathBuf};

use kiln_metrics::Scores;
use serde::{Deserialize, Serialize};

/// The name of a run's scores.
pub(crate) const SCORES: &str = "scores.json";

/// What a run scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunScores {
    /// The checkpoint's folder, within the run.
    pub(crate) checkpoint: PathBuf,
    /// Its step.
    pub(crate) step: u64,
    /// What it scored; none: the run has nothing to be evaluated on.
    pub(crate) scores: Option<Scores>,
}

/// What a run scored, if it has got so far.
pub(crate) fn read_scores(run: &Path) -> Option<RunScores> {
    let bytes = std::fs::read(run.join(SCORES)).ok()?;
    serde_json::from_slice(&bytes).ok()
}
