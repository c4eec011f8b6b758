//! The tasks of GLUE: their columns, in the original download's TSV files and as Hugging Face has
//! them, their labels and their metrics.
//!
//! Wang et al. 2019, "GLUE: A Multi-Task Benchmark and Analysis Platform for Natural Language
//! Understanding".

use kiln_metrics::GlueTask;

use crate::Task;

/// How the files of a task of GLUE are read.
pub trait GlueLayout: Copy {
    /// What a model is fine-tuned for.
    fn task(self) -> Task;

    /// Names of the labels in the order of their ids, as Hugging Face's data have them; none for numbers.
    fn label_names(self) -> &'static [&'static str];

    /// Whether an example has two texts.
    fn is_pair(self) -> bool;

    /// Whether rows of its original download end before their last column: they are left out, as all who
    /// read it do, and counted.
    fn has_torn_rows(self) -> bool;

    /// Names of the column of the first text, Hugging Face's first.
    fn first(self) -> &'static [&'static str];

    /// Names of the column of the second text.
    fn second(self) -> &'static [&'static str];

    /// Names of the column of the label.
    fn label(self) -> &'static [&'static str];
}

impl GlueLayout for GlueTask {
    fn task(self) -> Task {
        match self {
            Self::Stsb => Task::Regress,
            _ => Task::Classify,
        }
    }

    fn label_names(self) -> &'static [&'static str] {
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

    fn is_pair(self) -> bool {
        !matches!(self, Self::Cola | Self::Sst2)
    }

    fn has_torn_rows(self) -> bool {
        self == Self::Qqp
    }

    fn first(self) -> &'static [&'static str] {
        match self {
            Self::Cola | Self::Sst2 => &["sentence", "text"],
            Self::Mrpc => &["sentence1", "#1 String", "text1"],
            Self::Qqp => &["question1", "text1"],
            Self::Stsb | Self::Rte | Self::Wnli => &["sentence1", "text1"],
            Self::Mnli => &["premise", "sentence1", "text1"],
            Self::Qnli => &["question", "text1"],
        }
    }

    fn second(self) -> &'static [&'static str] {
        match self {
            Self::Cola | Self::Sst2 => &[],
            Self::Mrpc => &["sentence2", "#2 String", "text2"],
            Self::Qqp => &["question2", "text2"],
            Self::Stsb | Self::Rte | Self::Wnli => &["sentence2", "text2"],
            Self::Mnli => &["hypothesis", "sentence2", "text2"],
            Self::Qnli => &["sentence", "text2"],
        }
    }

    fn label(self) -> &'static [&'static str] {
        match self {
            Self::Mrpc => &["label", "Quality"],
            Self::Qqp => &["label", "is_duplicate"],
            Self::Stsb => &["label", "score"],
            Self::Mnli => &["label", "gold_label"],
            _ => &["label"],
        }
    }
}
