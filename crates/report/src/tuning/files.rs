//! What fine-tuning runs have in their folders.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use kiln_learner::{LearnError, RunFolder, Stop};
use kiln_metrics::rows::Row;
use kiln_metrics::{RowReader, Score, Scores, Summary, over_runs};
use kiln_tasks::labelled::{
    AdaptedScores, Development, FineTuneSettings, GroupScores, GroupSettings, PREDICTIONS, RunKind,
    RunScores, SCORES, SIDES,
};
use serde::de::DeserializeOwned;

use crate::error::ReportError;
use crate::history::History;
use crate::page::folder_name;

/// The `scores.json` in a folder; none before the first evaluation.
fn scores_of<T: DeserializeOwned>(run: &RunFolder) -> Result<Option<T>, ReportError> {
    let path = run.path().join(SCORES);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(reason) => return Err(LearnError::Read { path, reason }.into()),
    };
    let scores = serde_json::from_str(&text);
    scores
        .map(Some)
        .map_err(|reason| ReportError::Scores { path, reason })
}

/// What several runs scored together.
#[derive(Debug)]
pub(super) enum Together {
    /// Not all of them have ended.
    Open,
    /// Of seeds, folds, a grid.
    Plain(GroupScores),
    /// Of runs from a model as it was and from the adapted one.
    Adapted(Box<AdaptedScores>),
}

impl Together {
    fn read(run: &RunFolder, has_sides: bool) -> Result<Self, ReportError> {
        let found = if has_sides {
            scores_of(run)?.map(|scores| Self::Adapted(Box::new(scores)))
        } else {
            scores_of(run)?.map(Self::Plain)
        };
        Ok(found.unwrap_or(Self::Open))
    }

    /// What the runs of all folds scored together.
    pub(super) fn out_of_fold(&self) -> Option<&Scores> {
        match self {
            Self::Plain(scores) => scores.out_of_fold(),
            Self::Open | Self::Adapted(_) => None,
        }
    }

    /// The name of the best run.
    pub(super) fn best(&self) -> Option<&str> {
        match self {
            Self::Open => None,
            Self::Plain(scores) => Some(&scores.best),
            Self::Adapted(scores) => Some(&scores.best),
        }
    }
}

/// Predictions of a run, or of all folds.
fn predictions(run: &RunFolder) -> PathBuf {
    run.path().join(PREDICTIONS)
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
    /// The best checkpoint and what it scored. Whoever has one has ended.
    pub(super) best: Option<RunScores>,
    /// Whether it starts from an adapted model.
    pub(super) adapted: bool,
    /// The values of a grid in its name; empty where there is no grid.
    cell: String,
}

impl TunedRun {
    fn read(
        folder: RunFolder,
        name: String,
        settings: FineTuneSettings,
    ) -> Result<Self, ReportError> {
        Ok(Self {
            history: History::read(&folder.metrics())?,
            best: scores_of(&folder)?,
            folder,
            name,
            settings,
            adapted: false,
            cell: String::new(),
        })
    }

    /// What its best checkpoint scored.
    pub(super) fn scores(&self) -> Option<&Scores> {
        self.best.as_ref()?.scores.as_ref()
    }

    /// The score that decides.
    pub(super) fn main(&self) -> Option<&Score> {
        self.scores()?.main()
    }

    /// The step of its best checkpoint.
    pub(super) fn best_step(&self) -> Option<u64> {
        self.best.as_ref().map(|best| best.step)
    }

    /// How it ended, if it has.
    pub(super) fn stop(&self) -> Option<Stop> {
        self.best.as_ref()?;
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
    pub(super) scores: Together,
}

/// Runs of a group that differ in seeds and folds alone: that start from one model, or have one setting of a
/// grid.
pub(super) struct Side<'a> {
    /// `before` or `after`, or the values of the grid; empty: there is one side alone.
    pub(super) name: String,
    pub(super) runs: Vec<&'a TunedRun>,
    /// Their scores brought together: as scores.json has it, or of those that are done so far.
    pub(super) summary: Option<Summary>,
}

impl<'a> Side<'a> {
    fn new(
        name: &str,
        runs: Vec<&'a TunedRun>,
        known: Option<&Summary>,
    ) -> Result<Self, ReportError> {
        let summary = match known {
            Some(known) => Some(known.clone()),
            None => summed_up(&runs)?,
        };
        Ok(Self {
            name: name.to_owned(),
            runs,
            summary,
        })
    }

    /// A title with the side's name behind it.
    pub(super) fn title(&self, title: &str) -> String {
        match self.name.as_str() {
            "" => title.to_owned(),
            name => format!("{title}, {name}"),
        }
    }
}

impl Group {
    fn read(path: &Path) -> Result<Self, ReportError> {
        let (folder, settings): (_, GroupSettings) = RunFolder::open(path)?;
        let mut runs = Vec::with_capacity(settings.runs.len());
        for member in settings.runs {
            let own = path.join(&member.name);
            let (adapted, cell) = (member.adapted, member.cell().to_owned());
            // What was changed when a run was resumed stands in the run.
            let (own, settings) = match RunFolder::open(&own) {
                Ok((own, settings)) => (own, settings),
                Err(_) if !own.join("config.json").exists() => {
                    (RunFolder::at(&own), member.settings)
                }
                Err(error) => return Err(error.into()),
            };
            runs.push(TunedRun {
                adapted,
                cell,
                ..TunedRun::read(own, member.name, settings)?
            });
        }
        if runs.is_empty() {
            return Err(ReportError::Compare {
                path: folder.config(),
                problem: "a group without runs; another version may have written it".to_owned(),
            });
        }
        Ok(Self {
            name: folder_name(path),
            scores: Together::read(&folder, runs.iter().any(|run| run.adapted))?,
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

    /// Whether some runs start from an adapted model.
    pub(super) fn has_sides(&self) -> bool {
        self.runs.iter().any(|run| run.adapted)
    }

    /// The runs, those from the model as it was before those from the adapted one; of a grid setting by
    /// setting.
    pub(super) fn sides(&self) -> Result<Vec<Side<'_>>, ReportError> {
        if !self.has_sides() {
            let mut cells: Vec<(&str, Vec<&TunedRun>)> = Vec::new();
            for run in &self.runs {
                match cells.iter_mut().find(|(name, _)| *name == run.cell) {
                    Some((_, runs)) => runs.push(run),
                    None => cells.push((&run.cell, vec![run])),
                }
            }
            let known = |name: &str| match &self.scores {
                Together::Plain(scores) => {
                    let cell = scores.cells.iter().find(|cell| cell.name == name)?;
                    Some(&cell.summary)
                }
                Together::Open | Together::Adapted(_) => None,
            };
            let sides = cells.into_iter();
            return sides
                .map(|(name, runs)| Side::new(name, runs, known(name)))
                .collect();
        }
        let (after, before): (Vec<_>, Vec<_>) = self.runs.iter().partition(|run| run.adapted);
        let known = match &self.scores {
            Together::Adapted(scores) => Some([&scores.before, &scores.after]),
            Together::Open | Together::Plain(_) => None,
        };
        let [known_before, known_after] = known.map_or([None; 2], |both| both.map(Some));
        let [name_before, name_after] = SIDES;
        Ok(vec![
            Side::new(name_before, before, known_before)?,
            Side::new(name_after, after, known_after)?,
        ])
    }

    /// The side that stands for all: that of the adapted model, the setting that is best on average.
    pub(super) fn foremost<'a, 'b>(&self, sides: &'a [Side<'b>]) -> Option<&'a Side<'b>> {
        if self.has_sides() {
            return sides.last();
        }
        let main = self.runs.iter().find_map(TunedRun::main);
        let badness = |side: &Side<'_>| {
            let spread = side.summary.as_ref().and_then(Summary::main);
            let mean = spread.and_then(|spread| spread.mean);
            main.map_or(f64::INFINITY, |score| score.badness(mean))
        };
        let sides = sides.iter();
        sides.min_by(|a, b| badness(a).total_cmp(&badness(b)))
    }

    /// As [`for_each_row`]: predictions out of fold.
    pub(super) fn for_each_row(&self, take: impl FnMut(usize, Row)) -> Result<bool, ReportError> {
        for_each_row(&self.folder, take)
    }
}

fn summed_up(runs: &[&TunedRun]) -> Result<Option<Summary>, ReportError> {
    let done = runs.iter().filter_map(|run| {
        let scores = run.scores()?.clone();
        Some((run.name.clone(), scores))
    });
    let done: Vec<(String, Scores)> = done.collect();
    if done.is_empty() {
        return Ok(None);
    }
    Ok(Some(over_runs(&done)?))
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

    /// The scores of the predictions that lie in its folder.
    pub(super) fn scores(&self) -> Option<&Scores> {
        match self {
            Self::Run(run) => run.scores(),
            Self::Group(group) => group.scores.out_of_fold(),
        }
    }

    /// All its predictions; none where it has none.
    pub(super) fn rows(&self) -> Result<Option<Vec<Row>>, ReportError> {
        let mut rows = Vec::new();
        let found = for_each_row(self.folder(), |_, row| rows.push(row))?;
        Ok(found.then_some(rows))
    }
}
