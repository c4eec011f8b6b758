//! Flags that say what a labelled file is and where in it everything stands.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use kiln_datasets::Task;
use kiln_datasets::reading::{Column, Columns, DatasetSpec, Format, GlueTask, Scheme};

use crate::failure::Failure;

/// Ways to mark entities, in the order of help.
const SCHEMES: [Scheme; 5] = [
    Scheme::Iob1,
    Scheme::Iob2,
    Scheme::Bioes,
    Scheme::Bilou,
    Scheme::None,
];

/// Formats of files, in the order of help.
const FORMATS: [Format; 6] = [
    Format::Csv,
    Format::Tsv,
    Format::Json,
    Format::Conll,
    Format::Parquet,
    Format::Lines,
];

// What is not given is told by the file.
#[derive(Args, Clone)]
#[command(next_help_heading = "Files")]
pub(crate) struct FileArgs {
    /// What the files are: csv, tsv, json (one object a line, a list, or SQuAD), conll, parquet or
    /// lines (texts alone). Default: told by name and content
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    format: Option<Format>,
    /// Whether the first line of a table names its columns, yes or no. Default: told by what is in it
    #[arg(long, value_name = "YES|NO", value_parser = yes_or_no())]
    header: Option<bool>,
    /// Column of the text, the words or the question, by name or number from 1
    #[arg(long, value_name = "COLUMN")]
    text: Option<Column>,
    /// Column of the second text, or of the question's context
    #[arg(long, value_name = "COLUMN")]
    second: Option<Column>,
    /// Column of the label, the number, the tags or the answers; several, separated by commas, for
    /// several numbers or for labels with 0 and 1 in a column each
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    label: Vec<Column>,
    /// Columns of the continuations, separated by commas, or one with lists
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    endings: Vec<Column>,
    /// Column of the example's id. Default: one that is called id, else its number
    #[arg(long, value_name = "COLUMN")]
    id: Option<Column>,
    /// A task of GLUE: columns, label names and metric are known
    #[arg(long, value_name = "NAME", value_parser = glue_tasks())]
    glue: Option<GlueTask>,
    /// How tags mark where an entity begins: iob1, iob2, bioes, bilou or none. Default: told by them
    #[arg(long, value_name = "SCHEME", value_parser = schemes())]
    scheme: Option<Scheme>,
    /// What stands between labels in one cell (default: a comma), or between numbers (default: a cell
    /// holds one number)
    #[arg(long, value_name = "TEXT")]
    separator: Option<String>,
    /// What stands between the columns of a table. Default: told by the file
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<char>,
    /// Whether a quote at a cell's start begins a quotation, yes or no. Default: not in .tsv
    #[arg(long, value_name = "YES|NO", value_parser = yes_or_no())]
    quotes: Option<bool>,
    /// Lines of a CoNLL file that begin with # and a space are comments
    #[arg(long)]
    comments: bool,
    /// Leave out and count questions whose answers stand elsewhere than their file says
    #[arg(long)]
    skip_misplaced: bool,
}

impl FileArgs {
    /// What `files` are, for a task.
    ///
    /// # Errors
    /// If a flag is of another task.
    pub(crate) fn spec(
        &self,
        task: Task,
        multi_label: bool,
        files: &[PathBuf],
    ) -> Result<DatasetSpec, Failure> {
        self.refuse_foreign(task)?;
        Ok(DatasetSpec {
            multi_label,
            format: self.format,
            header: self.header,
            columns: Columns {
                text: self.text.clone(),
                second: self.second.clone(),
                labels: self.label.clone(),
                id: self.id.clone(),
                endings: self.endings.clone(),
            },
            glue: self.glue,
            scheme: self.scheme,
            separator: self.separator.clone(),
            delimiter: self.delimiter,
            quotes: self.quotes,
            comments: self.comments,
            skip_misplaced: self.skip_misplaced,
            ..DatasetSpec::new(task, files.to_vec())
        })
    }

    /// Refuses flags that say nothing for a task.
    fn refuse_foreign(&self, task: Task) -> Result<(), Failure> {
        const TAGS: &str = "is for sentences of words (tag)";
        let flags = [
            ("scheme", self.scheme.is_some(), Task::Tag, TAGS),
            ("comments", self.comments, Task::Tag, TAGS),
            (
                "skip-misplaced",
                self.skip_misplaced,
                Task::Qa,
                "is for questions (qa)",
            ),
            (
                "endings",
                !self.endings.is_empty(),
                Task::Choose,
                "is for continuations (choose)",
            ),
        ];
        refuse_flags(&flags.map(|(flag, given, of, purpose)| (flag, given, of == task, purpose)))
    }

    /// The task of GLUE.
    pub(crate) fn glue(&self) -> Option<GlueTask> {
        self.glue
    }
}

/// Refuses flags that are given where they say nothing: each with whether it is given, whether it fits, and what
/// it is for.
///
/// # Errors
/// With the first one.
pub(crate) fn refuse_flags(flags: &[(&str, bool, bool, &str)]) -> Result<(), Failure> {
    match flags.iter().find(|(_, given, fits, _)| *given && !fits) {
        None => Ok(()),
        Some((flag, _, _, purpose)) => Err(Failure::usage(format_args!(
            "--{flag}: {purpose}; leave it out"
        ))),
    }
}

/// Takes the tasks' names.
pub(crate) fn tasks() -> impl TypedValueParser<Value = Task> {
    named(Task::ALL.to_vec(), Task::name)
}

fn formats() -> impl TypedValueParser<Value = Format> {
    named(FORMATS.to_vec(), Format::name)
}

fn glue_tasks() -> impl TypedValueParser<Value = GlueTask> {
    named(GlueTask::ALL.to_vec(), GlueTask::name)
}

fn schemes() -> impl TypedValueParser<Value = Scheme> {
    named(SCHEMES.to_vec(), Scheme::name)
}

pub(crate) fn yes_or_no() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["yes", "no"]).map(|word| word == "yes")
}

/// Takes exactly the names of `values`.
fn named<T: Copy + Send + Sync + 'static>(
    values: Vec<T>,
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let names: Vec<&str> = values.iter().map(|&value| name(value)).collect();
    PossibleValuesParser::new(names).try_map(move |word| {
        let found = values.iter().copied().find(|&value| name(value) == word);
        found.ok_or_else(|| format!("{word} is none of them"))
    })
}

impl From<kiln_datasets::DataError> for Failure {
    fn from(error: kiln_datasets::DataError) -> Self {
        match error {
            kiln_datasets::DataError::Settings(message) => Self::Usage(message),
            error => Self::run(error),
        }
    }
}

impl From<kiln_metrics::MetricsError> for Failure {
    fn from(error: kiln_metrics::MetricsError) -> Self {
        match error {
            kiln_metrics::MetricsError::Options(message) => Self::Usage(message),
            error => Self::run(error),
        }
    }
}
