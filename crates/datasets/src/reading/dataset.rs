//! Labelled files with all decided that their specification leaves open.

use std::collections::BTreeMap;

use kiln_text::reading::InputFile;

use super::examples::{Counts, Examples, Raws};
use super::raw::RawTarget;
use super::source::{Decided, Source};
use super::spec::DatasetSpec;
use super::tags::{Recogniser, Scheme};
use crate::labels::{LabelMap, Labels, sort_names};
use crate::{DataError, Place, Task};

/// More labels are texts, or ids.
const MAX_LABELS: usize = 1 << 16;

/// Labelled files that are found and look as they should.
#[derive(Debug, Clone)]
pub struct Dataset {
    spec: DatasetSpec,
    decided: Decided,
    scheme: Scheme,
    needs_labels: bool,
}

/// What is in labelled files.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// How many examples.
    pub examples: u64,
    /// How many of them have no label.
    pub unlabelled: u64,
    /// How many are two texts.
    pub pairs: u64,
    /// How many questions are said to have no answer in their context.
    pub unanswered: u64,
    /// The labels: sorted by name, by number where all are integers. Where a file lists them (a
    /// `ClassLabel`, a task of GLUE), all that are listed, in the order of the list.
    pub labels: Labels,
    /// How often each label stands in the files: examples, or words.
    pub frequencies: Vec<u64>,
    /// How many numbers an example has; how many continuations, at most.
    pub outputs: usize,
    /// What was counted.
    pub counts: Counts,
}

impl Dataset {
    /// Opens the first file and decides what is open. Tags are read to the end where nobody says their
    /// scheme. Without `needs_labels` an example may have no label.
    ///
    /// # Errors
    /// If a file can't be read or used, or columns can't be found.
    pub fn open(spec: DatasetSpec, needs_labels: bool) -> Result<Self, DataError> {
        let Some(first) = spec.files.first() else {
            return Err(DataError::Settings(
                "no files: name one at least".to_owned(),
            ));
        };
        spec.check()?;
        let mut decided = Source::open(&spec, first, None, needs_labels)?.decided;
        let scheme = match spec.scheme {
            Some(scheme) => scheme,
            None if spec.task == Task::Tag => {
                let scheme = recognised(&spec, &decided, needs_labels)?;
                let name = scheme.name();
                decided.notes.push(format!(
                    "{}: its tags are read as {name}; --scheme says otherwise",
                    first.display()
                ));
                scheme
            }
            None => Scheme::None,
        };
        Ok(Self {
            spec,
            decided,
            scheme,
            needs_labels,
        })
    }

    /// What the files were said to be.
    pub fn spec(&self) -> &DatasetSpec {
        &self.spec
    }

    /// What was decided, and sentences that say so.
    pub fn decided(&self) -> &Decided {
        &self.decided
    }

    /// How tags mark entities in the files; in examples they do as IOB2 has it.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Reads all files and tells what is in them.
    ///
    /// # Errors
    /// If a file can't be used; with its line.
    pub fn survey(&self) -> Result<Survey, DataError> {
        let mut raws = self.raws();
        let mut names: BTreeMap<String, u64> = BTreeMap::new();
        let mut survey = Survey {
            examples: 0,
            unlabelled: 0,
            pairs: 0,
            unanswered: 0,
            labels: Labels::default(),
            frequencies: Vec::new(),
            outputs: 0,
            counts: Counts::default(),
        };
        for raw in &mut raws {
            let (file, raw) = raw?;
            survey.examples += 1;
            survey.pairs += u64::from(raw.input.is_pair());
            match raw.target {
                None => survey.unlabelled += 1,
                Some(RawTarget::Class(name)) => *names.entry(name).or_default() += 1,
                Some(RawTarget::Classes(found) | RawTarget::Tags(found)) => {
                    for name in found {
                        *names.entry(name).or_default() += 1;
                    }
                }
                Some(RawTarget::Numbers(numbers)) => survey.outputs = numbers.len(),
                Some(RawTarget::Choice(_)) => {
                    if let crate::Input::Choices { endings, .. } = &raw.input {
                        survey.outputs = survey.outputs.max(endings.len());
                    }
                }
                Some(RawTarget::Answers(answers, _)) => {
                    survey.unanswered += u64::from(answers.is_empty());
                }
            }
            if names.len() > MAX_LABELS {
                return Err(DataError::Record {
                    place: Place {
                        file,
                        line: raw.line,
                    },
                    problem: format!(
                        "more than {MAX_LABELS} labels up to here; is it the column of labels?"
                    ),
                });
            }
        }
        survey.counts = raws.counts;
        let mut found: Vec<String> = names.keys().cloned().collect();
        // Tags of other schemes have names that IOB2 does not need.
        let keeps_names = !matches!(self.scheme, Scheme::Bioes | Scheme::Bilou);
        match raws.class_names {
            Some(told) if keeps_names && found.iter().all(|name| told.contains(name)) => {
                found = told;
            }
            _ => sort_names(&mut found),
        }
        let frequency = |name: &String| names.get(name).copied().unwrap_or(0);
        survey.frequencies = found.iter().map(frequency).collect();
        survey.labels = Labels::new(found);
        Ok(survey)
    }

    /// All examples, in the order of the files.
    pub fn examples<'a>(&'a self, labels: &'a LabelMap) -> Examples<'a> {
        Examples::new(self.raws(), labels)
    }

    fn raws(&self) -> Raws<'_> {
        Raws::new(
            &self.spec,
            Some(&self.decided),
            self.scheme,
            self.needs_labels,
        )
    }

    /// What the files are known by, so that a run can tell later that they are the same.
    ///
    /// # Errors
    /// If one can't be read.
    pub fn identity(&self) -> Result<Vec<InputFile>, DataError> {
        let files = self.spec.files.iter().map(|path| InputFile::of(path));
        Ok(files.collect::<Result<_, _>>()?)
    }

    /// Checks that the files are those that were read before.
    ///
    /// # Errors
    /// If a file has changed.
    pub fn check_identity(&self, before: &[InputFile]) -> Result<(), DataError> {
        let now = self.identity()?;
        let same = |(now, before): (&InputFile, &InputFile)| {
            now.sha256 == before.sha256 && now.bytes == before.bytes
        };
        if let Some((file, _)) = now.iter().zip(before).find(|pair| !same(*pair)) {
            return Err(DataError::Settings(format!(
                "{}: not the file that the run was started with; bring that back, or start another \
                 run",
                file.path
            )));
        }
        if now.len() != before.len() {
            return Err(DataError::Settings(format!(
                "{} files, the run was started with {}; name the same",
                now.len(),
                before.len()
            )));
        }
        Ok(())
    }
}

fn recognised(
    spec: &DatasetSpec,
    decided: &Decided,
    needs_labels: bool,
) -> Result<Scheme, DataError> {
    let mut recogniser = Recogniser::default();
    for raw in Raws::new(spec, Some(decided), Scheme::None, needs_labels) {
        let (file, raw) = raw?;
        if let Some(RawTarget::Tags(tags)) = raw.target {
            recogniser.see(&tags, &file, raw.line, &raw.word_lines);
        }
    }
    recogniser.scheme()
}
