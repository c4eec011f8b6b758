//! Files as people have them, broken ones among them.

use std::path::PathBuf;

use super::*;
use crate::labels::{LabelMap, Labels};
use crate::{Example, Input, Target, Task};

mod any;
mod columns;
mod conll;
mod glue;
mod ids;
mod json;
mod labels;
#[cfg(feature = "parquet")]
mod parquet;
mod questions;
mod sentences;
mod tables;

/// Files in a folder that goes away with this.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn spec(&self, task: Task, name: &str, content: impl AsRef<[u8]>) -> DatasetSpec {
        DatasetSpec::new(task, vec![self.write(name, content)])
    }

    /// An error without the folder.
    fn shown(&self, error: &crate::DataError) -> String {
        let folder = format!("{}/", self.0.path().display());
        error.to_string().replace(&folder, "")
    }
}

/// All examples with the labels that are in the file.
fn read(spec: DatasetSpec) -> Result<(Vec<Example>, Survey), crate::DataError> {
    let dataset = Dataset::open(spec, true)?;
    let survey = dataset.survey()?;
    let labels = LabelMap::new(survey.labels.clone());
    let examples = dataset.examples(&labels).collect::<Result<_, _>>()?;
    Ok((examples, survey))
}

/// What is wrong with a file.
fn wrong(task: Task, name: &str, content: impl AsRef<[u8]>) -> String {
    let folder = Folder::new();
    let spec = folder.spec(task, name, content);
    folder.shown(&read(spec).unwrap_err())
}

/// The first text, or the words, and the names of labels.
fn plain(examples: &[Example], survey: &Survey) -> Vec<(String, String)> {
    let name = |id: &usize| survey.labels.name(*id).unwrap_or("?").to_owned();
    let text = |example: &Example| match &example.input {
        Input::Text { first, second } => match second {
            Some(second) => format!("{first}|{second}"),
            None => first.clone(),
        },
        Input::Words(words) => words.join(" "),
        Input::Question { question, .. } => question.clone(),
        Input::Choices { first, endings } => format!("{first}: {}", endings.join("|")),
    };
    let target = |example: &Example| match &example.target {
        None => "none".to_owned(),
        Some(Target::Class(id)) => name(id),
        Some(Target::Classes(ids) | Target::Tags(ids)) => {
            ids.iter().map(name).collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    };
    examples.iter().map(|it| (text(it), target(it))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    expected.iter().map(owned).collect()
}

fn check(spec: DatasetSpec, expected: &[(&str, &str)]) {
    let (examples, survey) = read(spec).unwrap();
    assert_eq!(plain(&examples, &survey), pairs(expected));
}

#[test]
fn a_specification_is_written_and_read_back_and_unknown_fields_are_refused() {
    let mut spec = DatasetSpec::new(Task::Tag, vec!["a.conll".into()]);
    spec.columns.labels = vec![Column::Number(4), "ner".parse().unwrap()];
    spec.scheme = Some(Scheme::Bioes);
    spec.format = Some(Format::Conll);
    spec.glue = Some(GlueTask::Mnli);
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<DatasetSpec>(&text).unwrap(), spec);
    let other = text.replace("\"comments\"", "\"remarks\"");
    assert!(serde_json::from_str::<DatasetSpec>(&other).is_err());
}

#[test]
fn a_changed_file_is_told() {
    let folder = Folder::new();
    let spec = folder.spec(Task::Classify, "a.tsv", "a b\tx\nc d\ty\n");
    let dataset = Dataset::open(spec, true).unwrap();
    let before = dataset.identity().unwrap();
    dataset.check_identity(&before).unwrap();
    folder.write("a.tsv", "a b\tx\nc d\tz\n");
    let error = dataset.check_identity(&before).unwrap_err();
    assert!(
        folder.shown(&error).starts_with("a.tsv: not the file"),
        "{error}"
    );
    assert!(dataset.check_identity(&[]).is_err());
}

#[test]
fn what_comes_through_a_pipe_is_read() {
    let spec = DatasetSpec {
        format: Some(Format::Lines),
        ..DatasetSpec::new(Task::Classify, Vec::new())
    };
    let labels = LabelMap::default();
    let content: &[u8] = b"one\ttext\n\nthree\n";
    let name = std::path::Path::new("standard input");
    let examples = Examples::of_reader(&spec, &labels, false, name, Box::new(content)).unwrap();
    let examples: Vec<Example> = examples.map(Result::unwrap).collect();
    let survey = empty_survey();
    let expected = [("one\ttext", "none"), ("", "none"), ("three", "none")];
    assert_eq!(plain(&examples, &survey), pairs(&expected));
    assert_eq!(examples[2].id, "3");
}

#[test]
fn a_pipe_is_refused_what_a_file_is() {
    let spec = DatasetSpec {
        format: Some(Format::Csv),
        ..DatasetSpec::new(Task::Classify, Vec::new())
    };
    let wrong = [
        DatasetSpec {
            glue: Some(GlueTask::Stsb),
            ..spec.clone()
        },
        DatasetSpec {
            task: Task::Regress,
            multi_label: true,
            ..spec.clone()
        },
        DatasetSpec {
            multi_label: true,
            separator: Some(String::new()),
            ..spec.clone()
        },
    ];
    let folder = Folder::new();
    let content = "text,label\na,1\n";
    let labels = LabelMap::default();
    let name = std::path::Path::new("stdin");
    let piped = |spec: &DatasetSpec| {
        let reader = Box::new(content.as_bytes());
        Examples::of_reader(spec, &labels, false, name, reader).map(|_| ())
    };
    piped(&spec).unwrap();
    for spec in wrong {
        let of_pipe = piped(&spec).unwrap_err().to_string();
        let files = vec![folder.write("a.csv", content)];
        let of_file = Dataset::open(DatasetSpec { files, ..spec }, false).unwrap_err();
        assert_eq!(of_pipe, of_file.to_string());
    }
}

fn empty_survey() -> Survey {
    Survey {
        examples: 0,
        unlabelled: 0,
        pairs: 0,
        unanswered: 0,
        labels: Labels::default(),
        frequencies: Vec::new(),
        outputs: 0,
        counts: Counts::default(),
    }
}
