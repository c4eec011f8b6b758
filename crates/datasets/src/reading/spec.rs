//! What labelled files are and where in them everything stands, as a run writes it down.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use kiln_metrics::GlueTask;
use serde::{Deserialize, Serialize};

use super::glue::GlueLayout as _;
use super::tags::Scheme;
use crate::{DataError, Task};

/// Labelled files, as they are given and as a run's config.json has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// What the examples are for.
    pub task: Task,
    /// An example can have any number of labels.
    #[serde(default)]
    pub multi_label: bool,
    /// The files, read one after the other as if they were one.
    pub files: Vec<PathBuf>,
    /// What the files are; none: told by the ending of the first one's name and by its content.
    #[serde(default)]
    pub format: Option<Format>,
    /// Whether the first line of a table names the columns; none: told by what stands in it.
    #[serde(default)]
    pub header: Option<bool>,
    /// Where everything stands; what is not given is told by the columns' names.
    #[serde(default)]
    pub columns: Columns,
    /// A task whose columns and labels are known.
    #[serde(default)]
    pub glue: Option<GlueTask>,
    /// How tags mark where an entity begins; none: told by the tags.
    #[serde(default)]
    pub scheme: Option<Scheme>,
    /// What stands between the labels or numbers in one cell of a table; none: a comma.
    #[serde(default)]
    pub separator: Option<String>,
    /// What stands between the columns of a table; none: a tab in .tsv, in others a comma, or a
    /// semicolon or a tab where the first line has no comma.
    #[serde(default)]
    pub delimiter: Option<char>,
    /// Whether a quote at the start of a cell begins a quotation; none: not in .tsv, where GLUE's
    /// files have quotes that are text.
    #[serde(default)]
    pub quotes: Option<bool>,
    /// Lines of a CoNLL file that begin with `#` and a space are comments. `#` can be a word.
    #[serde(default)]
    pub comments: bool,
    /// Read no labels, whether there are any or not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unlabelled: bool,
    /// Leave out and count questions whose answers stand elsewhere than their file says.
    #[serde(default)]
    pub skip_misplaced: bool,
}

impl DatasetSpec {
    /// Files with everything told by their content.
    pub fn new(task: Task, files: Vec<PathBuf>) -> Self {
        Self {
            task,
            multi_label: false,
            files,
            format: None,
            header: None,
            columns: Columns::default(),
            glue: None,
            scheme: None,
            separator: None,
            delimiter: None,
            quotes: None,
            comments: false,
            unlabelled: false,
            skip_misplaced: false,
        }
    }

    /// Checks what is said together, before any file is read.
    ///
    /// # Errors
    /// A task of GLUE that is not of the task, several labels where the task has none, an empty separator.
    pub fn check(&self) -> Result<(), DataError> {
        let refused = |problem: String| Err(DataError::Settings(problem));
        if let Some(glue) = self.glue
            && glue.task() != self.task
        {
            return refused(format!(
                "--glue {}: a task of {}, not of {}",
                glue.name(),
                glue.task().name(),
                self.task.name()
            ));
        }
        if self.multi_label && self.task != Task::Classify {
            return refused("several labels an example are of the task classify alone".to_owned());
        }
        if self.unlabelled && !self.columns.labels.is_empty() {
            return refused(
                "--unlabelled: --label names a column of labels; leave one out".to_owned(),
            );
        }
        if self.separator.as_deref() == Some("") {
            return refused("separator \"\": give a character".to_owned());
        }
        Ok(())
    }
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A table with quoted cells.
    Csv,
    /// A table with tabs between its cells, a row a line.
    Tsv,
    /// Objects one a line, in a list, or in a list called `data`; SQuAD's articles among them.
    Json,
    /// A word a line, with its columns; a blank line ends a sentence.
    Conll,
    /// Hugging Face's `datasets`.
    Parquet,
    /// A text a line, without labels.
    Lines,
}

impl Format {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Conll => "conll",
            Self::Parquet => "parquet",
            Self::Lines => "lines",
        }
    }
}

/// Where the parts of an example stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// The text; the words; the question; what all continuations follow.
    #[serde(default)]
    pub text: Option<Column>,
    /// The second text; the context of a question; what each continuation begins with.
    #[serde(default)]
    pub second: Option<Column>,
    /// The label, labels, numbers or tags; the answers, or an answer and its start. Several for
    /// several numbers, or for labels with 0 and 1 in a column each.
    #[serde(default)]
    pub labels: Vec<Column>,
    /// The example's id.
    #[serde(default)]
    pub id: Option<Column>,
    /// Continuations, a column each, or one with lists.
    #[serde(default)]
    pub endings: Vec<Column>,
}

/// A column by its name or its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Column {
    /// From 1.
    Number(usize),
    /// As the header or the records have it; keys with dots between them for objects in objects.
    Name(String),
}

impl FromStr for Column {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.parse() {
            Ok(number) => Self::Number(number),
            Err(_) => Self::Name(text.to_owned()),
        })
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => write!(f, "\"{name}\""),
        }
    }
}
