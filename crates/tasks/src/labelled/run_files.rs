//! What fine-tuning runs, alone or several, have in their folders.

use std::path::{Path, PathBuf};

use kiln_learner::{LearnError, RunFolder};
use kiln_metrics::{Paired, Scores, Summary};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::settings::{Development, FineTuneSettings};

/// The name of what a run, or several, scored: a [`RunScores`]; a [`GroupScores`] or an [`AdaptedScores`].
pub const SCORES: &str = "scores.json";

/// The name of a run's predictions; beside several runs those of all folds.
pub const PREDICTIONS: &str = "predictions.jsonl";

/// The folder of the pretraining run that adapts a model, within that of the runs.
pub const ADAPTED: &str = "adapted";

/// Runs from the model as it was, and from the adapted one: what their names begin with.
pub const SIDES: [&str; 2] = ["before", "after"];

/// What a folder holds, by its config.json.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// A pretraining run.
    Pretraining,
    /// A fine-tuning run.
    FineTuning,
    /// Several fine-tuning runs of one task: seeds, folds, a grid, before and after adapting.
    Group,
}

impl RunKind {
    /// The kind of the run in `path`, whose settings are read no further.
    ///
    /// # Errors
    /// If there is no run, or its config.json is not an object of JSON.
    pub fn of(path: &Path) -> Result<Self, LearnError> {
        let (_, config): (_, Map<String, Value>) = RunFolder::open(path)?;
        Ok(if config.contains_key("fine_tune") {
            Self::FineTuning
        } else if config.contains_key("runs") {
            Self::Group
        } else {
            Self::Pretraining
        })
    }
}

/// config.json of a folder of several runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSettings {
    /// What is done before the runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapt: Option<Adaptation>,
    /// The runs, in their order.
    pub runs: Vec<Planned>,
}

/// How a model is adapted: enough to begin anew wherever the group's folder is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adaptation {
    /// The words behind `kiln pretrain`, but for those that say where to.
    pub pretrain: Vec<String>,
    /// The devices.
    pub devices: Vec<String>,
}

/// One of several runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// Its folder in the group's: a side, values of a grid, a seed and a fold, as far as they vary, with
    /// `_` between them.
    pub name: String,
    /// Everything of it; where it starts from the adapted model, the folder of that is found when it
    /// begins.
    pub settings: FineTuneSettings,
    /// Whether it starts from the adapted model.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adapted: bool,
}

impl Planned {
    /// Whether it is evaluated on one of several parts of the examples.
    pub fn is_fold(&self) -> bool {
        matches!(self.settings.data.development, Development::Fold { .. })
    }

    /// What its name has in common with the other folds of its split and with its counterpart of the other
    /// side.
    pub fn pair(&self) -> &str {
        let [before, after] = SIDES;
        let side = if self.adapted { after } else { before };
        let name = match self.name.strip_prefix(side) {
            Some(rest) if rest.is_empty() || rest.starts_with('_') => rest.trim_start_matches('_'),
            _ => &self.name,
        };
        match self.settings.data.development {
            Development::Fold { fold, .. } => without_last(name, &format!("fold-{}", fold + 1)),
            _ => name,
        }
    }

    /// What its name has in common with the runs of other seeds too.
    pub fn cell(&self) -> &str {
        without_last(
            self.pair(),
            &format!("seed-{}", self.settings.training.seed),
        )
    }
}

/// A run's name without its last part, if that is `part`.
fn without_last<'a>(name: &'a str, part: &str) -> &'a str {
    match name.strip_suffix(part) {
        Some(rest) if rest.is_empty() || rest.ends_with('_') => rest.trim_end_matches('_'),
        _ => name,
    }
}

/// What a run scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunScores {
    /// The checkpoint's folder, within the run.
    pub checkpoint: PathBuf,
    /// Its step.
    pub step: u64,
    /// What it scored; none: the run has nothing to be evaluated on.
    pub scores: Option<Scores>,
}

/// What several runs scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupScores {
    /// What the runs of each setting of a grid scored; one of them where there is no grid. None in files of
    /// older versions, whose runs say as much.
    #[serde(default)]
    pub cells: Vec<CellScores>,
    /// The name of the run with the best score.
    pub best: String,
}

impl GroupScores {
    /// What is predicted of every example by the model that has not seen it, where there is one split: of
    /// several each has its own.
    pub fn out_of_fold(&self) -> Option<&Scores> {
        match self.cells.as_slice() {
            [cell] => match cell.splits.as_slice() {
                [split] => Some(&split.scores),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What the runs of one setting scored: other seeds, other folds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellScores {
    /// The values of the grid, as the runs' names have them; empty where there is no grid.
    pub name: String,
    /// Each score over the runs.
    pub summary: Summary,
    /// What is predicted of every example by the model that has not seen it, split by split; of folds alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub splits: Vec<SplitScores>,
    /// Each score of these over the splits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_fold: Option<Summary>,
}

/// What the folds of one split scored together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitScores {
    /// What the names of its runs have in common.
    pub name: String,
    /// The file of its predictions, within the group's folder.
    pub predictions: PathBuf,
    /// The scores of these.
    pub scores: Scores,
}

/// What several runs scored, from a model as it was and from the adapted one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdaptedScores {
    /// The adapted model.
    pub adapted: AdaptedModel,
    /// Each score over the runs from the model as it was.
    pub before: Summary,
    /// Each score over the runs from the adapted one.
    pub after: Summary,
    /// Both beside each other; of a grid for each of its values.
    pub comparisons: Vec<Comparison>,
    /// The name of the run with the best score.
    pub best: String,
}

/// Where an adapted model is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdaptedModel {
    /// The pretraining run.
    pub run: PathBuf,
    /// The model's folder in it.
    pub checkpoint: PathBuf,
    /// Its step.
    pub step: u64,
}

/// Runs that differ in the model they start from, and in the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The values of the grid; empty where there is none.
    pub name: String,
    /// The name of the score that counts most.
    pub main: String,
    /// Each score, the one that counts most first.
    pub scores: Vec<Difference>,
    /// Each seed by itself.
    pub pairs: Vec<ComparedPair>,
}

/// A score before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The score's name.
    pub name: String,
    /// The mean over the pairs in which it is defined on both sides, from the model as it was.
    pub before: Option<f64>,
    /// From the adapted one.
    pub after: Option<f64>,
    /// After without before.
    pub difference: Option<f64>,
    /// Of one pair its own; of several twice their mean, at most 1.
    pub p_value: Option<f64>,
}

/// One pair of runs, or of runs over all folds, each score tested by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedPair {
    /// The values of the grid and the seed, as far as they vary.
    pub name: String,
    /// A test of each score, that of the one that counts most first.
    pub tests: Vec<Paired>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_name_is_taken_off_as_a_whole() {
        assert_eq!(without_last("lr-1e-3_seed-1", "seed-1"), "lr-1e-3");
        assert_eq!(without_last("seed-1", "seed-1"), "");
        assert_eq!(without_last("lr-1e-3", "seed-1"), "lr-1e-3");
        assert_eq!(without_last("reseed-1", "seed-1"), "reseed-1");
    }
}
