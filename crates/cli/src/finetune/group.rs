//! Several runs by one command: seeds, folds, a grid. Each is a run as any other, in a folder of its own.

use std::path::{Path, PathBuf};

use kiln_learner::RunFolder;
use kiln_metrics::rows::Row;
use kiln_metrics::{Scores, Summary, over_runs, read_rows, score};
use kiln_tasks::labelled::{Development, FineTuneSettings};
use kiln_text::Tokenizer;
use serde::{Deserialize, Serialize};

use super::training::{self, RESAMPLES, Show};
use crate::console::Console;
use crate::failure::Failure;
use crate::folders::absolute;
use crate::interrupt::Watch;
use crate::labelled::dev_scores::{PREDICTIONS, PredictionsFile, SCORES, write_json};
use crate::labelled::showing;
use crate::pretrain::folder::NewRun;

/// One of the runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Planned {
    /// Its folder in the group's.
    name: String,
    settings: FineTuneSettings,
}

/// config.json of a group's folder.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupSettings {
    runs: Vec<Planned>,
}

/// What the runs scored.
#[derive(Debug, Serialize)]
struct GroupScores {
    /// Each score over the runs.
    summary: Summary,
    /// What is predicted of every example by the model that has not seen it; of folds alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    out_of_fold: Option<Scores>,
    /// The name of the run with the best score.
    best: String,
}

/// Several runs in one folder.
pub(super) struct Group {
    folder: PathBuf,
    runs: Vec<Planned>,
    backend: Vec<String>,
}

impl Group {
    /// Writes down what is to be trained.
    ///
    /// # Errors
    /// If the folder can't be made.
    pub(super) fn create(
        path: &Path,
        planned: Vec<(String, FineTuneSettings)>,
        tokenizer: &Tokenizer,
    ) -> Result<Self, Failure> {
        let folder = RunFolder::create(path)?;
        tokenizer.save(&folder.tokenizer())?;
        let runs = planned
            .into_iter()
            .map(|(name, settings)| Planned { name, settings })
            .collect();
        let settings = GroupSettings { runs };
        folder.write_settings(&settings)?;
        Ok(Self {
            folder: absolute(path)?,
            runs: settings.runs,
            backend: Vec::new(),
        })
    }

    /// The group in a folder, to go on on the devices named, if some are.
    ///
    /// # Errors
    /// If its settings can't be read.
    pub(super) fn open(path: &Path, backend: &[String]) -> Result<Self, Failure> {
        let (_, settings): (_, GroupSettings) = RunFolder::open(path)?;
        Ok(Self {
            folder: absolute(path)?,
            runs: settings.runs,
            backend: backend.to_vec(),
        })
    }

    /// Trains what is not trained yet, run after run, and brings the scores together.
    ///
    /// # Errors
    /// If a run fails, or somebody stops it. Those before it are whole.
    pub(super) fn train(&self, show: Show) -> Result<(), Failure> {
        let watch = Watch::new(show.console)?;
        let tokenizer = Tokenizer::open(&self.folder.join("tokenizer"))?;
        let moved = (!self.backend.is_empty()).then_some(self.backend.as_slice());
        let mut scored = Vec::new();
        for (number, planned) in self.runs.iter().enumerate() {
            show.console.note(format_args!(
                "run {} of {}: {}",
                number + 1,
                self.runs.len(),
                planned.name
            ));
            let path = self.folder.join(&planned.name);
            let mut settings = planned.settings.clone();
            settings.data.tokenizer = path.join("tokenizer");
            let ended = if path.join("config.json").exists() {
                let run = RunFolder::at(&path);
                training::train(&run, &settings, moved, show, &watch)?
            } else {
                let new = NewRun::create(&path)?;
                tokenizer.save(&new.run().tokenizer())?;
                new.run().write_settings(&settings)?;
                training::train(new.run(), &settings, moved, show, &watch)?
            };
            scored.extend(
                ended
                    .scores
                    .scores
                    .map(|scores| (planned.name.clone(), scores)),
            );
        }
        self.conclude(&scored, show)
    }

    fn conclude(&self, scored: &[(String, Scores)], show: Show) -> Result<(), Failure> {
        let console = show.console;
        if scored.is_empty() {
            return console.out(format_args!(
                "done; nothing was evaluated: pass --dev F or --held-out 0.1 to see what the runs are \
                 worth"
            ));
        }
        let summary = over_runs(scored)?;
        let best = best(scored);
        let out_of_fold = self.out_of_fold()?;
        let scores = GroupScores {
            summary,
            out_of_fold,
            best,
        };
        write_json(&self.folder.join(SCORES), &scores)?;
        if show.json {
            return console.json(&scores);
        }
        tell(&scores, scored, console)?;
        console.out(format_args!(
            "\nuse the best with  kiln predict {} --model {}",
            self.runs
                .first()
                .map_or("classify", |run| run.settings.fine_tune.name()),
            crate::wording::shell(&self.folder.join(&scores.best))
        ))
    }

    /// Brings the predictions of all folds into one file, in the order of the folds, and scores them: where
    /// every run is another fold of one split.
    fn out_of_fold(&self) -> Result<Option<Scores>, Failure> {
        let is_fold = |run: &Planned| {
            matches!(run.settings.data.development, Development::Fold { folds, .. }
                if folds as usize == self.runs.len())
        };
        let Some(first) = self.runs.first().filter(|_| self.runs.iter().all(is_fold)) else {
            return Ok(None);
        };
        let mut rows: Vec<Row> = Vec::new();
        for run in &self.runs {
            rows.extend(read_rows(&self.folder.join(&run.name).join(PREDICTIONS))?);
        }
        let mut file = PredictionsFile::create(&self.folder.join(PREDICTIONS))?;
        for row in &rows {
            file.write(row)?;
        }
        file.finish()?;
        let options = first.settings.task.score_options(RESAMPLES);
        Ok(Some(score(&rows, &options)?))
    }
}

/// The name of the run with the best main score; the first of equals.
fn best(scored: &[(String, Scores)]) -> String {
    let badness = |scores: &Scores| {
        let main = scores.main();
        let value = main.and_then(|score| score.value);
        match (value, main.is_some_and(|score| score.higher_is_better)) {
            (Some(value), true) => -value,
            (Some(value), false) => value,
            (None, _) => f64::INFINITY,
        }
    };
    let best = scored
        .iter()
        .min_by(|a, b| badness(&a.1).total_cmp(&badness(&b.1)));
    best.map(|(name, _)| name.clone()).unwrap_or_default()
}

fn tell(
    scores: &GroupScores,
    scored: &[(String, Scores)],
    console: Console,
) -> Result<(), Failure> {
    let main = &scores.summary.main;
    let width = scored
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or(0)
        .max(8);
    for (name, of_run) in scored {
        let value = of_run.main().map(showing::describe).unwrap_or_default();
        let mark = if *name == scores.best { "  best" } else { "" };
        console.out(format_args!("{name:width$}  {main} {value}{mark}"))?;
    }
    for spread in &scores.summary.scores {
        console.out(format_args!(
            "{:width$}  mean {}  deviation {}  median {}",
            spread.name,
            showing::value(spread.mean),
            showing::value(spread.deviation),
            showing::value(spread.median)
        ))?;
    }
    if !scores.summary.collapsed.is_empty() {
        console.note(format_args!(
            "warning: these runs say the same of every example, they have learned nothing: {}",
            scores.summary.collapsed.join(", ")
        ));
    }
    if let Some(all) = &scores.out_of_fold {
        console.out("\nall examples, each by the model that has not seen it")?;
        showing::show(all, console)?;
    }
    Ok(())
}
