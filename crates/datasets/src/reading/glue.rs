//! The tasks of GLUE: their columns, in the original download's TSV files and as Hugging Face has
//! them, their labels and their metrics.
//!
//! Wang et al. 2019, "GLUE: A Multi-Task Benchmark and Analysis Platform for Natural Language
//! Understanding".

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{DataError, Task};

/// A task of GLUE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GlueTask {
    /// Is this English?
    Cola,
    /// Is this review good?
    Sst2,
    /// Do two sentences say the same?
    Mrpc,
    /// Do two questions ask the same?
    Qqp,
    /// How alike are two sentences?
    Stsb,
    /// Does a premise entail a hypothesis?
    Mnli,
    /// Does a sentence hold the answer to a question?
    Qnli,
    /// Does a text entail another?
    Rte,
    /// Does a sentence with a pronoun entail one with its referent?
    Wnli,
}

/// What a task of GLUE is scored by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GlueMetric {
    /// Matthews' correlation coefficient.
    Matthews,
    /// The share that is right.
    Accuracy,
    /// The share that is right, and F1 of label 1.
    AccuracyAndF1,
    /// Pearson's and Spearman's correlations.
    PearsonAndSpearman,
}

impl GlueTask {
    /// All of them, in GLUE's order.
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

    /// What a model is fine-tuned for.
    pub fn task(self) -> Task {
        match self {
            Self::Stsb => Task::Regress,
            _ => Task::Classify,
        }
    }

    /// Names of the labels in the order of their ids, as Hugging Face's data have them; none for
    /// numbers.
    pub fn label_names(self) -> &'static [&'static str] {
        match self {
            Self::Cola => &["unacceptable", "acceptable"],
            Self::Sst2 => &["negative", "positive"],
            Self::Mrpc => &["not_equivalent", "equivalent"],
            Self::Qqp => &["not_duplicate", "duplicate"],
            Self::Stsb => &[],
            Self::Mnli => &["entailment", "neutral", "contradiction"],
            Self::Qnli | Self::Rte => &["entailment", "not_entailment"],
            Self::Wnli => &["not_entailment", "entailment"],
        }
    }

    /// What it is scored by.
    pub fn metric(self) -> GlueMetric {
        match self {
            Self::Cola => GlueMetric::Matthews,
            Self::Mrpc | Self::Qqp => GlueMetric::AccuracyAndF1,
            Self::Stsb => GlueMetric::PearsonAndSpearman,
            _ => GlueMetric::Accuracy,
        }
    }

    /// Whether an example has two texts.
    pub fn is_pair(self) -> bool {
        !matches!(self, Self::Cola | Self::Sst2)
    }

    /// Whether rows of its original download end before their last column: they are left out, as all
    /// who read it do, and counted.
    pub(super) fn has_torn_rows(self) -> bool {
        self == Self::Qqp
    }

    /// Names of the column of the first text, Hugging Face's first.
    pub(super) fn first(self) -> &'static [&'static str] {
        match self {
            Self::Cola | Self::Sst2 => &["sentence", "text"],
            Self::Mrpc => &["sentence1", "#1 String", "text1"],
            Self::Qqp => &["question1", "text1"],
            Self::Stsb | Self::Rte | Self::Wnli => &["sentence1", "text1"],
            Self::Mnli => &["premise", "sentence1", "text1"],
            Self::Qnli => &["question", "text1"],
        }
    }

    /// Names of the column of the second text.
    pub(super) fn second(self) -> &'static [&'static str] {
        match self {
            Self::Cola | Self::Sst2 => &[],
            Self::Mrpc => &["sentence2", "#2 String", "text2"],
            Self::Qqp => &["question2", "text2"],
            Self::Stsb | Self::Rte | Self::Wnli => &["sentence2", "text2"],
            Self::Mnli => &["hypothesis", "sentence2", "text2"],
            Self::Qnli => &["sentence", "text2"],
        }
    }

    /// Names of the column of the label.
    pub(super) fn label(self) -> &'static [&'static str] {
        match self {
            Self::Mrpc => &["label", "Quality"],
            Self::Qqp => &["label", "is_duplicate"],
            Self::Stsb => &["label", "score"],
            Self::Mnli => &["label", "gold_label"],
            _ => &["label"],
        }
    }
}

impl FromStr for GlueTask {
    type Err = DataError;

    /// Also with a hyphen, as papers write SST-2 and STS-B.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = text.to_lowercase().replace(['-', '_'], "");
        let found = Self::ALL.into_iter().find(|task| task.name() == wanted);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            DataError::Settings(format!(
                "--glue {text}: no task of GLUE is called so; choose one of {names}"
            ))
        })
    }
}
