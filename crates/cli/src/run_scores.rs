//! What a fine-tuning run scored: `scores.json`; which of several runs scored best.

use std::path::Path;

use kiln_tasks::labelled::{RunScores, SCORES};
use serde_json::Value;

/// Several fine-tuning runs in one folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RunsOfGroup {
    /// Their folders' names.
    pub(crate) names: Vec<String>,
    /// The best one's; none: not all have come to their end, or none is evaluated.
    pub(crate) best: Option<String>,
}

/// The runs in a folder that `kiln finetune` made for several; none: it is no such folder.
pub(crate) fn runs_of_group(path: &Path) -> Option<RunsOfGroup> {
    let read = |name: &str| -> Option<Value> {
        serde_json::from_slice(&std::fs::read(path.join(name)).ok()?).ok()
    };
    let config = read("config.json")?;
    let names = config.get("runs")?.as_array()?.iter();
    let names = names.filter_map(|run| Some(run.get("name")?.as_str()?.to_owned()));
    let scores = read(SCORES);
    let best = scores
        .as_ref()
        .and_then(|scores| scores.get("best")?.as_str());
    Some(RunsOfGroup {
        names: names.collect(),
        best: best.map(str::to_owned),
    })
}

/// What a run scored, if it has got so far.
pub(crate) fn read_scores(run: &Path) -> Option<RunScores> {
    let bytes = std::fs::read(run.join(SCORES)).ok()?;
    serde_json::from_slice(&bytes).ok()
}
