//! The names and numbers that come out, and what can be asked for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A score, beside what it is to be held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// `accuracy`, `f1_macro`, …; those of SQuAD as its scorers report them.
    pub name: String,
    /// None: undefined on these examples.
    pub value: Option<f64>,
    /// The best that one answer for all examples reaches; chance for choices. None: undefined.
    pub baseline: Option<f64>,
    /// The 2.5th and the 97.5th percentile of the score over resampled examples. None: not asked for, or
    /// undefined on more than one resample in twenty.
    pub interval: Option<(f64, f64)>,
    /// Whether more is better; errors are better low.
    pub higher_is_better: bool,
}

/// A class, a label or a type of entity by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// Its name.
    pub name: String,
    /// Of what was predicted, the share that is right; none where nothing was (0 for entities).
    pub precision: Option<f64>,
    /// Of what there is, the share that was found; none where there is nothing (0 for entities).
    pub recall: Option<f64>,
    /// The harmonic mean of both; 0 where there is nothing.
    pub f1: f64,
    /// How many there are.
    pub actual: u64,
    /// How many were predicted.
    pub predicted: u64,
}

/// How often each target got each prediction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// The names of rows and columns.
    pub names: Vec<String>,
    /// A row a target, a column a prediction.
    pub counts: Vec<Vec<u64>>,
}

/// A number that is no score: a count, a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// `total`, `best_f1_thresh`, …
    pub name: String,
    /// The number.
    pub value: f64,
}

/// All that is said of the predictions of one task: `scores.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// How many examples were scored.
    pub examples: usize,
    /// The name of the score that model selection uses.
    pub main: String,
    /// The scores.
    pub scores: Vec<Score>,
    /// By class, label or type of entity; empty where there are none.
    pub per_class: Vec<ClassScores>,
    /// Of classes or of words' tags.
    pub confusion: Option<Confusion>,
    /// Counts and thresholds.
    pub facts: Vec<Fact>,
    /// Whether all predictions are one and the same while the targets are not.
    pub collapsed: bool,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl Score {
    /// A value of this score, its own or a mean over runs, as a number that is the lower the better; infinity
    /// where it is undefined.
    pub fn badness(&self, value: Option<f64>) -> f64 {
        match value {
            Some(value) if self.higher_is_better => -value,
            Some(value) => value,
            None => f64::INFINITY,
        }
    }
}

impl Scores {
    /// The score called `name`.
    pub fn get(&self, name: &str) -> Option<&Score> {
        self.scores.iter().find(|score| score.name == name)
    }

    /// The score that model selection uses.
    pub fn main(&self) -> Option<&Score> {
        self.get(&self.main)
    }

    /// The count or threshold called `name`.
    pub fn fact(&self, name: &str) -> Option<f64> {
        let fact = self.facts.iter().find(|fact| fact.name == name);
        fact.map(|fact| fact.value)
    }
}

/// A task of GLUE (Wang et al. 2019), where it has scores of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are those of GLUE")]
pub enum GlueTask {
    Cola,
    Sst2,
    Mrpc,
    Qqp,
    Stsb,
    Mnli,
    Qnli,
    Rte,
    Wnli,
}

impl GlueTask {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Cola,
        Self::Sst2,
        Self::Mrpc,
        Self::Qqp,
        Self::Stsb,
        Self::Mnli,
        Self::Qnli,
        Self::Rte,
        Self::Wnli,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cola => "cola",
            Self::Sst2 => "sst2",
            Self::Mrpc => "mrpc",
            Self::Qqp => "qqp",
            Self::Stsb => "stsb",
            Self::Mnli => "mnli",
            Self::Qnli => "qnli",
            Self::Rte => "rte",
            Self::Wnli => "wnli",
        }
    }

    /// The task called so, in any case, with or without a hyphen.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.to_lowercase().replace(['-', '_'], "");
        Self::ALL.into_iter().find(|task| task.name() == name)
    }
}

impl fmt::Display for GlueTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScoreOptions {
    /// The model's labels in the order of their ids, or the names of a regression's targets. Empty: as the
    /// rows have them.
    pub labels: Vec<String>,
    /// Whose scores; none: those of the task.
    pub glue: Option<GlueTask>,
    /// The label that binary F1 counts. None: the one with id 1 of two labels.
    pub positive: Option<String>,
    /// The score for model selection. None: the task's own.
    pub main: Option<String>,
    /// How many resamples the intervals are made of; 0: no intervals.
    pub resamples: usize,
    /// What resampling draws from.
    pub seed: u64,
    /// No answer where the odds on none are above it. None: answers as they stand in the rows.
    pub no_answer_threshold: Option<f64>,
}

impl Default for ScoreOptions {
    fn default() -> Self {
        Self {
            labels: Vec::new(),
            glue: None,
            positive: None,
            main: None,
            resamples: 1000,
            seed: 0,
            no_answer_threshold: None,
        }
    }
}
