//! What fine-tuning runs have in their folders.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use kiln_learner::{LearnError, RunFolder, Stop};
use kiln_metrics::rows::Row;
use kiln_metrics::{RowReader, Score, Scores, Summary, over_runs};
use kiln_tasks::labelled::{Development, FineTuneSettings};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::ReportError;
use crate::history::History;
use crate::page::folder_name;

/// What a folder holds, by its config.json.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// A pretraining run.
    Pretraining,
    /// A fine-tuning run.
    FineTuning,
    /// Several fine-tuning runs of one task: seeds, folds, a grid.
    Group,
}

impl RunKind {
    /// The kind of the run in `path`, whose settings are read no further.
    ///
    /// # Errors
    /// If there is no run.
    pub fn of(path: &Path) -> Result<Self, ReportError> {
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

/// `scores.json`, of a run or of a group.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ScoresFile {
    /// Of a run: the step of the checkpoint that is scored, the best one. Whoever has one has ended.
    pub(super) step: Option<u64>,
    /// What it scored; none: the run has nothing to be evaluated on.
    scores: Option<Scores>,
    /// Of a group: each score over its runs.
    summary: Option<Summary>,
    /// What the runs of all folds scored together.
    out_of_fold: Option<Scores>,
    /// The name of the best run.
    pub(super) best: Option<String>,
}

impl ScoresFile {
    /// What `run` has; nothing before its first evaluation.
    fn read(run: &RunFolder) -> Result<Self, ReportError> {
        let path = run.path().join("scores.json");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(reason) => return Err(LearnError::Read { path, reason }.into()),
        };
        serde_json::from_str(&text).map_err(|reason| ReportError::Scores { path, reason })
    }

    /// The scores of the predictions that lie beside the file.
    pub(super) fn scores(&self) -> Option<&Scores> {
        self.scores.as_ref().or(self.out_of_fold.as_ref())
    }

    /// The score that decides.
    pub(super) fn main(&self) -> Option<&Score> {
        self.scores()?.main()
    }
}

/// Predictions of a run, or of all folds.
fn predictions(run: &RunFolder) -> PathBuf {
    run.path().join("predictions.jsonl")
}

/// Hands each row of the run's predictions to `take` with its place; none where there are none yet.
fn for_each_row(run: &RunFolder, mut take: impl FnMut(usize, Row)) -> Result<bool, ReportError> {
    let path = predictions(run);
    if !path.is_file() {
        return Ok(false);
    }
    for (place, row) in RowReader::open(&path)?.enumerate() {
        take(place, row?);
    }
    Ok(true)
}

/// A fine-tuning run.
#[derive(Debug)]
pub(super) struct TunedRun {
    pub(super) folder: RunFolder,
    pub(super) name: String,
    pub(super) settings: FineTuneSettings,
    pub(super) history: History,
    pub(super) best: ScoresFile,
}

impl TunedRun {
    fn read(
        folder: RunFolder,
        name: String,
        settings: FineTuneSettings,
    ) -> Result<Self, ReportError> {
        Ok(Self {
            history: History::read(&folder.metrics())?,
            best: ScoresFile::read(&folder)?,
            folder,
            name,
            settings,
        })
    }

    /// How it ended, if it has.
    pub(super) fn stop(&self) -> Option<Stop> {
        self.best.step?;
        let last = self.history.last_step?;
        Some(if last >= self.settings.training.steps {
            Stop::Done
        } else {
            Stop::Early
        })
    }

    /// As [`for_each_row`].
    pub(super) fn for_each_row(&self, take: impl FnMut(usize, Row)) -> Result<bool, ReportError> {
        for_each_row(&self.folder, take)
    }
}

/// Several runs of one task.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) folder: RunFolder,
    pub(super) name: String,
    /// In the order of config.json, begun or not.
    pub(super) runs: Vec<TunedRun>,
    pub(super) scores: ScoresFile,
}

/// A group's config.json.
#[derive(Deserialize)]
struct GroupSettings {
    runs: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    name: String,
    settings: FineTuneSettings,
}

impl Group {
    fn read(path: &Path) -> Result<Self, ReportError> {
        let (folder, settings): (_, GroupSettings) = RunFolder::open(path)?;
        let mut runs = Vec::with_capacity(settings.runs.len());
        for member in settings.runs {
            let own = path.join(&member.name);
            // What was changed when a run was resumed stands in the run.
            let (own, settings) = match RunFolder::open(&own) {
                Ok((own, settings)) => (own, settings),
                Err(_) if !own.join("config.json").exists() => {
                    (RunFolder::at(&own), member.settings)
                }
                Err(error) => return Err(error.into()),
            };
            runs.push(TunedRun::read(own, member.name, settings)?);
        }
        if runs.is_empty() {
            return Err(ReportError::Compare {
                path: folder.config(),
                problem: "a group without runs; another version may have written it".to_owned(),
            });
        }
        Ok(Self {
            name: folder_name(path),
            scores: ScoresFile::read(&folder)?,
            folder,
            runs,
        })
    }

    /// The runs that have a step.
    pub(super) fn begun(&self) -> impl Iterator<Item = &TunedRun> {
        self.runs
            .iter()
            .filter(|run| run.history.last_step.is_some())
    }

    /// Whether each run is scored on a part of the examples of its own.
    pub(super) fn has_folds(&self) -> bool {
        let in_folds =
            |run: &TunedRun| matches!(run.settings.data.development, Development::Fold { .. });
        self.runs.iter().all(in_folds)
    }

    /// All runs' scores brought together: as scores.json has it, or of the runs that are done so far.
    pub(super) fn summary(&self) -> Result<Option<Summary>, ReportError> {
        if let Some(summary) = &self.scores.summary {
            return Ok(Some(summary.clone()));
        }
        let done: Vec<(String, Scores)> = self
            .runs
            .iter()
            .filter_map(|run| Some((run.name.clone(), run.best.scores.clone()?)))
            .collect();
        if done.is_empty() {
            return Ok(None);
        }
        Ok(Some(over_runs(&done)?))
    }

    /// As [`for_each_row`]: predictions out of fold.
    pub(super) fn for_each_row(&self, take: impl FnMut(usize, Row)) -> Result<bool, ReportError> {
        for_each_row(&self.folder, take)
    }
}

/// A fine-tuning run or a group of them.
#[derive(Debug)]
pub(super) enum Tuned {
    Run(Box<TunedRun>),
    Group(Box<Group>),
}

impl Tuned {
    /// Reads what is in `path`.
    pub(super) fn read(path: &Path) -> Result<Self, ReportError> {
        if RunKind::of(path)? == RunKind::Group {
            return Ok(Self::Group(Box::new(Group::read(path)?)));
        }
        let (folder, settings) = RunFolder::open(path)?;
        let run = TunedRun::read(folder, folder_name(path), settings)?;
        Ok(Self::Run(Box::new(run)))
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Run(run) => &run.name,
            Self::Group(group) => &group.name,
        }
    }

    pub(super) fn folder(&self) -> &RunFolder {
        match self {
            Self::Run(run) => &run.folder,
            Self::Group(group) => &group.folder,
        }
    }

    /// The runs in it.
    pub(super) fn runs(&self) -> Vec<&TunedRun> {
        match self {
            Self::Run(run) => vec![run],
            Self::Group(group) => group.runs.iter().collect(),
        }
    }

    /// Its own `scores.json`.
    pub(super) fn scores(&self) -> &ScoresFile {
        match self {
            Self::Run(run) => &run.best,
            Self::Group(group) => &group.scores,
        }
    }

    /// All its predictions; none where it has none.
    pub(super) fn rows(&self) -> Result<Option<Vec<Row>>, ReportError> {
        let mut rows = Vec::new();
        let found = for_each_row(self.folder(), |_, row| rows.push(row))?;
        Ok(found.then_some(rows))
    }
}
