//! The examples of files, one after the other.

use std::collections::VecDeque;
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use super::build::Context;
use super::ids::{Ids, Numbered, repeated};
use super::lines::problem;
use super::questions;
use super::raw::{Raw, RawTarget, WordPlace, at};
use super::record::{Content, Field};
use super::source::{Decided, Source};
use super::spec::DatasetSpec;
use super::tags::{Scheme, to_iob2};
use crate::labels::LabelMap;
use crate::{DataError, Example, Place, Target, Task};

/// What was left out of files, or stands in them against their scheme.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tags that their scheme does not allow where they stand, and entities without an end.
    pub stray_tags: u64,
    /// Questions left out because no answer stands where the file says.
    pub misplaced: u64,
    /// Rows of QQP left out because they end too soon.
    pub short_rows: u64,
}

impl Counts {
    /// A sentence for each count that is not zero.
    pub fn notes(&self) -> Vec<String> {
        let counts = [
            (
                self.stray_tags,
                "tags stand where their scheme does not allow them, and stay",
            ),
            (
                self.misplaced,
                "questions left out: their answers do not stand where the file says",
            ),
            (
                self.short_rows,
                "rows left out: they end before their last column",
            ),
        ];
        let told = counts.into_iter().filter(|(count, _)| *count > 0);
        told.map(|(count, what)| format!("{count} {what}"))
            .collect()
    }
}

/// Examples with names for labels, over all files.
pub(super) struct Raws<'a> {
    spec: &'a DatasetSpec,
    decided: Option<&'a Decided>,
    /// Tags become IOB2 from it.
    scheme: Scheme,
    needs_labels: bool,
    next_file: usize,
    source: Option<Source>,
    /// More of the last record.
    ahead: VecDeque<Raw>,
    /// The first example's numbers, how many.
    numbers: Option<usize>,
    /// Those of the file that is read, where each has to be of one example; none: nobody asks.
    ids: Option<Ids>,
    pub(super) counts: Counts,
    /// Names of labels that a file numbers, where all number the same.
    pub(super) class_names: Option<Vec<String>>,
    is_over: bool,
}

impl<'a> Raws<'a> {
    pub(super) fn new(
        spec: &'a DatasetSpec,
        decided: Option<&'a Decided>,
        scheme: Scheme,
        needs_labels: bool,
    ) -> Self {
        Self {
            spec,
            decided,
            scheme,
            needs_labels,
            next_file: 0,
            source: None,
            ahead: VecDeque::new(),
            numbers: None,
            ids: needs_labels.then(Ids::default),
            counts: Counts::default(),
            class_names: None,
            is_over: false,
        }
    }

    /// The examples that come from `reader` alone.
    pub(super) fn of(
        spec: &'a DatasetSpec,
        scheme: Scheme,
        needs_labels: bool,
        name: &Path,
        reader: Box<dyn BufRead + Send>,
    ) -> Result<Self, DataError> {
        let source = Source::from_reader(spec, name, reader, needs_labels)?;
        Ok(Self {
            next_file: usize::MAX,
            source: Some(source),
            // What was read is gone: nothing could be compared.
            ids: None,
            ..Self::new(spec, None, scheme, needs_labels)
        })
    }

    fn advance(&mut self) -> Result<Option<(Arc<Path>, Raw)>, DataError> {
        loop {
            let Some(source) = &mut self.source else {
                let Some(path) = self.spec.files.get(self.next_file) else {
                    return Ok(None);
                };
                let source = Source::open(self.spec, path, self.decided, self.needs_labels)?;
                if self.next_file == 0 {
                    self.class_names.clone_from(&source.class_names);
                } else if self.class_names != source.class_names {
                    self.class_names = None;
                }
                self.source = Some(source);
                self.ids = self.ids.take().map(|_| Ids::default());
                self.next_file = self.next_file.saturating_add(1);
                continue;
            };
            let file = Arc::clone(&source.file);
            let has_column = source.fields.id.is_some();
            if let Some(raw) = self.ahead.pop_front() {
                if let Some(raw) = self.checked(&file, raw)? {
                    self.check_id(&file, &raw, has_column)?;
                    return Ok(Some((file, raw)));
                }
                continue;
            }
            let Some(record) = source.next()? else {
                self.counts.short_rows += source.short_rows;
                self.source = None;
                continue;
            };
            let line = record.line;
            let wrong = |reason: String| problem(&file, line, reason);
            match record.content {
                Content::Json(value)
                    if self.spec.task == Task::Qa && value.get("paragraphs").is_some() =>
                {
                    let questions = questions::article(value, line, self.needs_labels);
                    self.ahead.extend(questions.map_err(wrong)?);
                }
                content => {
                    let context = Context {
                        spec: self.spec,
                        fields: &source.fields,
                        class_names: source.class_names.as_deref(),
                        needs_labels: self.needs_labels,
                    };
                    let record = super::record::Record { line, content };
                    self.ahead
                        .push_back(context.example(record).map_err(wrong)?);
                }
            }
            // Tags of sentences and answers in articles have no column that could be left unread.
            if self.spec.unlabelled {
                self.ahead.iter_mut().for_each(|raw| raw.target = None);
            }
        }
    }

    /// The column of the last example's label, or of all of its labels; none where each has one of its own.
    fn label_column(&self) -> Option<&Field> {
        match self.source.as_ref()?.fields.labels.as_slice() {
            [field] => Some(field),
            _ => None,
        }
    }

    /// Refuses a second example of an id.
    fn check_id(&mut self, file: &Arc<Path>, raw: &Raw, has_column: bool) -> Result<(), DataError> {
        let Some(ids) = &mut self.ids else {
            return Ok(());
        };
        let may_repeat = ids.may_repeat(raw.id.as_deref());
        let Some(id) = raw.id.as_deref().filter(|_| may_repeat) else {
            return Ok(());
        };
        let second = Numbered {
            number: ids.examples,
            line: raw.line,
        };
        match self.first_of(file, id, second.number)? {
            None => Ok(()),
            Some(first) => {
                let reason = repeated(id, first, second, has_column);
                Err(problem(file, second.line, reason))
            }
        }
    }

    /// The first example of an id in a file, before that with a number: reads the file again.
    fn first_of(&self, file: &Path, id: &str, before: u64) -> Result<Option<Numbered>, DataError> {
        let spec = DatasetSpec {
            files: vec![file.to_path_buf()],
            ..self.spec.clone()
        };
        let again = Raws {
            ids: None,
            ..Raws::new(&spec, self.decided, self.scheme, self.needs_labels)
        };
        for (number, raw) in (1..before).zip(again) {
            let (_, raw) = raw?;
            if raw.id.as_deref() == Some(id) {
                let line = raw.line;
                return Ok(Some(Numbered { number, line }));
            }
        }
        Ok(None)
    }

    /// What has to hold of an example beside the others; nothing if it is left out.
    fn checked(&mut self, file: &Arc<Path>, mut raw: Raw) -> Result<Option<Raw>, DataError> {
        match &mut raw.target {
            Some(RawTarget::Tags(tags)) => {
                let strays = to_iob2(tags, self.scheme).map_err(|(word, reason)| {
                    WordPlace::new(file, raw.line, &raw.word_lines, word).problem(reason)
                })?;
                self.counts.stray_tags += strays;
            }
            Some(RawTarget::Numbers(numbers)) => {
                let first = *self.numbers.get_or_insert(numbers.len());
                if numbers.len() != first {
                    let reason = format!(
                        "{} numbers, the first example has {first}; mend the line",
                        numbers.len()
                    );
                    return Err(problem(file, raw.line, reason));
                }
            }
            Some(RawTarget::Answers(answers, Some(reason))) => {
                if !self.spec.skip_misplaced {
                    let id = raw.id.as_deref().unwrap_or("without id");
                    let reason = format!("question {id}: {reason}");
                    return Err(problem(file, raw.line, reason));
                }
                if answers.is_empty() {
                    self.counts.misplaced += 1;
                    return Ok(None);
                }
            }
            _ => {}
        }
        Ok(Some(raw))
    }
}

impl Iterator for Raws<'_> {
    type Item = Result<(Arc<Path>, Raw), DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.advance().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

/// The examples of files in order. The first error is the last item.
pub struct Examples<'a> {
    raws: Raws<'a>,
    labels: &'a LabelMap,
    number: u64,
    is_over: bool,
}

impl<'a> Examples<'a> {
    pub(super) fn new(raws: Raws<'a>, labels: &'a LabelMap) -> Self {
        Self {
            raws,
            labels,
            number: 0,
            is_over: false,
        }
    }

    /// The examples that come from `reader`, a pipe for example, and are called `name`; what `spec`
    /// leaves open is decided by them. Tags are taken for IOB2 unless `spec` says otherwise.
    ///
    /// # Errors
    /// If what `spec` says does not go together, or the first records can't be read.
    pub fn of_reader(
        spec: &'a DatasetSpec,
        labels: &'a LabelMap,
        needs_labels: bool,
        name: &Path,
        reader: Box<dyn BufRead + Send>,
    ) -> Result<Self, DataError> {
        spec.check()?;
        let scheme = spec.scheme.unwrap_or(Scheme::None);
        let raws = Raws::of(spec, scheme, needs_labels, name, reader)?;
        Ok(Self::new(raws, labels))
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.raws.counts
    }

    fn example(&mut self, file: Arc<Path>, raw: Raw) -> Result<Example, DataError> {
        self.number += 1;
        let id = |name: &str| {
            let id = self.labels.id(name);
            id.map_err(|reason| {
                let column = self.raws.label_column();
                let reason = match column {
                    Some(column) => at(column)(reason),
                    None => reason,
                };
                problem(&file, raw.line, reason)
            })
        };
        let target = match raw.target {
            None => None,
            Some(RawTarget::Class(name)) => Some(Target::Class(id(&name)?)),
            Some(RawTarget::Classes(names)) => {
                let ids: Result<Vec<_>, _> = names.iter().map(|it| id(it)).collect();
                let mut ids = ids?;
                ids.sort_unstable();
                ids.dedup();
                Some(Target::Classes(ids))
            }
            Some(RawTarget::Numbers(numbers)) => Some(Target::Numbers(numbers)),
            Some(RawTarget::Tags(tags)) => {
                let id = |(word, tag): (usize, &String)| {
                    let place = || WordPlace::new(&file, raw.line, &raw.word_lines, word);
                    let id = self.labels.id(tag);
                    id.map_err(|reason| place().problem(reason))
                };
                let ids: Result<_, _> = tags.iter().enumerate().map(id).collect();
                Some(Target::Tags(ids?))
            }
            Some(RawTarget::Answers(answers, _)) => Some(Target::Answers(answers)),
            Some(RawTarget::Choice(choice)) => Some(Target::Choice(choice)),
        };
        Ok(Example {
            id: raw.id.unwrap_or_else(|| self.number.to_string()),
            place: Place {
                file,
                line: raw.line,
            },
            input: raw.input,
            target,
        })
    }
}

impl Iterator for Examples<'_> {
    type Item = Result<Example, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.raws.next()?;
        let example = next.and_then(|(file, raw)| self.example(file, raw));
        self.is_over = example.is_err();
        Some(example)
    }
}
