//! Which column is what: as it is given, or by names that data sets have.

use kiln_metrics::GlueTask;

use super::glue::GlueLayout as _;
use super::record::{Field, Key};
use super::spec::{Column, Columns, DatasetSpec};
use crate::{DataError, Task};

/// Names of columns with the two texts of a pair.
const PAIRS: [(&str, &str); 8] = [
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("text", "text_pair"),
    ("question", "sentence"),
    ("query", "passage"),
];
/// Names of columns with a text that is alone.
const TEXTS: [&str; 12] = [
    "sentence1",
    "premise",
    "question1",
    "text1",
    "text_a",
    "text",
    "sentence",
    "content",
    "review",
    "document",
    "tweet",
    "comment_text",
];
const LABELS: [&str; 10] = [
    "label",
    "labels",
    "class",
    "category",
    "target",
    "score",
    "sentiment",
    "gold_label",
    "topic",
    "intent",
];
const TAGS: [&str; 7] = [
    "ner_tags", "tags", "labels", "label", "ner", "pos_tags", "upos",
];
const WORDS: [&str; 4] = ["tokens", "words", "text", "sentence"];
const IDS: [&str; 4] = ["id", "idx", "guid", "pairID"];
const FIRSTS: [&str; 7] = [
    "sent1", "context", "premise", "question", "text", "first", "prompt",
];

/// Where the parts of an example stand in the records of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) text: Option<Field>,
    pub(super) second: Option<Field>,
    pub(super) labels: Vec<Field>,
    pub(super) id: Option<Field>,
    pub(super) endings: Vec<Field>,
}

/// What the columns of a file are called, and how many there are.
pub(super) enum Names<'a> {
    /// Cells under a header.
    Header(&'a [String]),
    /// So many cells.
    Numbers(usize),
    /// The keys of the first record.
    Keys(Vec<String>),
}

/// The names that the second text has where the first is called `first`.
pub(super) fn partners(first: &str) -> impl Iterator<Item = &'static str> {
    let pairs = PAIRS.into_iter().filter(move |(known, _)| *known == first);
    pairs.map(|(_, second)| second)
}

/// Whether a header would have this name.
pub(super) fn is_known(name: &str, glue: Option<GlueTask>) -> bool {
    let name = name.trim().to_lowercase();
    let all = PAIRS
        .into_iter()
        .flat_map(|(first, second)| [first, second])
        .chain(TEXTS)
        .chain(LABELS)
        .chain(TAGS)
        .chain(WORDS)
        .chain(IDS);
    let lists = glue.map_or([[].as_slice(); 3], |it| {
        [it.first(), it.second(), it.label()]
    });
    all.chain(lists.into_iter().flatten().copied())
        .chain(["index", "question", "ending0", "hypothesis", "answer"])
        .any(|known| known.to_lowercase() == name)
}

impl Names<'_> {
    fn find(&self, name: &str) -> Option<Field> {
        let field = |key| Field {
            name: format!("\"{name}\""),
            key,
        };
        match self {
            Self::Header(names) => {
                let exact = names.iter().position(|it| it.trim() == name);
                let folded = || {
                    let wanted = name.to_lowercase();
                    names
                        .iter()
                        .position(|it| it.trim().to_lowercase() == wanted)
                };
                exact.or_else(folded).map(|index| field(Key::Cell(index)))
            }
            Self::Numbers(_) => None,
            Self::Keys(keys) => keys
                .iter()
                .any(|key| key == name)
                .then(|| field(Key::Path(name.to_owned()))),
        }
    }

    fn first_of(&self, names: &[&str]) -> Option<Field> {
        names.iter().find_map(|name| self.find(name))
    }

    fn given(&self, column: &Column) -> Result<Field, DataError> {
        let missing = |what: String| {
            DataError::Settings(format!(
                "column {column}: {what}; the columns are {}",
                self.list()
            ))
        };
        match (self, column) {
            // In later records there may be fields that the first one lacks.
            (Self::Keys(_), Column::Name(name)) => Ok(Field {
                name: format!("\"{name}\""),
                key: Key::Path(name.clone()),
            }),
            (Self::Keys(_), Column::Number(number)) => self
                .find(&number.to_string())
                .ok_or_else(|| missing("records have names; give one".to_owned())),
            (Self::Numbers(_), Column::Name(_)) => {
                Err(missing("the file has no header; give a number".to_owned()))
            }
            (_, Column::Name(name)) => self
                .find(name)
                .ok_or_else(|| missing("the file has no such column".to_owned())),
            (_, Column::Number(number)) => {
                if *number == 0 || *number > self.len() {
                    // A header may have years for names.
                    let found = self.find(&number.to_string());
                    return found.ok_or_else(|| missing("the file has no such column".to_owned()));
                }
                Ok(self.cell(number - 1))
            }
        }
    }

    fn cell(&self, index: usize) -> Field {
        let name = match self {
            Self::Header(names) => names.get(index).map(|name| format!("\"{name}\"")),
            Self::Numbers(_) | Self::Keys(_) => None,
        };
        Field {
            name: name.unwrap_or_else(|| (index + 1).to_string()),
            key: Key::Cell(index),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Header(names) => names.len(),
            Self::Numbers(width) => *width,
            Self::Keys(keys) => keys.len(),
        }
    }

    /// The first twelve, for a message.
    fn list(&self) -> String {
        let names: Vec<&str> = match self {
            Self::Numbers(width) => return format!("1 to {width}"),
            Self::Header(names) => names.iter().map(String::as_str).collect(),
            Self::Keys(keys) => keys.iter().map(String::as_str).collect(),
        };
        let shown: Vec<String> = names
            .iter()
            .take(12)
            .map(|it| format!("\"{it}\""))
            .collect();
        let more = if names.len() > 12 { ", …" } else { "" };
        format!("{}{more}", shown.join(", "))
    }
}

/// Finds what the examples of a task need.
pub(super) fn find(
    spec: &DatasetSpec,
    names: &Names<'_>,
    needs_labels: bool,
) -> Result<Fields, DataError> {
    let columns = &spec.columns;
    let given = |column: &Option<Column>| column.as_ref().map(|it| names.given(it)).transpose();
    let all = |columns: &[Column]| {
        let found = columns.iter().map(|it| names.given(it));
        found.collect::<Result<Vec<_>, _>>()
    };
    let mut fields = Fields {
        text: given(&columns.text)?,
        second: given(&columns.second)?,
        labels: all(&columns.labels)?,
        id: given(&columns.id)?,
        endings: all(&columns.endings)?,
    };
    if fields.id.is_none() {
        fields.id = names.first_of(&IDS);
    }
    match (spec.task, spec.glue) {
        (Task::Classify | Task::Regress, Some(glue)) => glue_fields(glue, names, &mut fields),
        (Task::Classify | Task::Regress, None) => texts(names, needs_labels, columns, &mut fields),
        (Task::Tag, _) => {
            let words = fields.text.take().or_else(|| names.first_of(&WORDS));
            fields.text = words;
            or_found(&mut fields.labels, names.first_of(&TAGS));
            // The other key of a record may be anything.
            if !matches!(names, Names::Keys(_)) {
                of_two(names, needs_labels, &mut fields);
            }
        }
        (Task::Qa, _) => {
            let question = fields.text.take().or_else(|| names.find("question"));
            fields.text = question;
            let context = fields.second.take().or_else(|| names.find("context"));
            fields.second = context;
            if fields.labels.is_empty() {
                let answer = names.first_of(&["answers", "answer_text", "answer"]);
                let start = names.first_of(&["answer_start", "start"]);
                fields.labels = answer.into_iter().chain(start).collect();
            }
        }
        (Task::Choose, _) => choices(names, columns, &mut fields),
    }
    let asked = |what: &str, flag: &str| {
        DataError::Settings(match names {
            Names::Header(_) | Names::Numbers(_) if names.len() == 1 => format!(
                "no column is known to hold {what}: the table has but one; where there are \
                 more, --delimiter says what stands between them"
            ),
            _ => format!(
                "no column is known to hold {what}; name it with {flag} (the columns are {})",
                names.list()
            ),
        })
    };
    if fields.text.is_none() {
        return Err(asked("the text", "--text"));
    }
    let needs_second = spec.task == Task::Qa || spec.glue.is_some_and(GlueTask::is_pair);
    if needs_second && fields.second.is_none() {
        return Err(asked("the second text", "--second"));
    }
    if spec.task == Task::Choose && fields.endings.is_empty() {
        return Err(asked("the continuations", "--endings"));
    }
    if needs_labels && fields.labels.is_empty() {
        return Err(asked("the labels", "--label"));
    }
    if spec.unlabelled {
        fields.labels.clear();
    }
    check_apart(&fields, names, columns)?;
    Ok(fields)
}

/// Refuses a column that is two things, and a name that two columns have.
fn check_apart(fields: &Fields, names: &Names<'_>, columns: &Columns) -> Result<(), DataError> {
    let Fields {
        text,
        second,
        labels,
        endings,
        ..
    } = fields;
    let used: Vec<&Field> = [text, second]
        .into_iter()
        .flatten()
        .chain(labels)
        .chain(endings)
        .collect();
    let twice = used.iter().enumerate().find(|(at, field)| {
        let before = used.iter().take(*at);
        before.into_iter().any(|other| other == *field)
    });
    if let Some((_, field)) = twice {
        return Err(DataError::Settings(format!(
            "column {}: is taken for two things; name another with --text, --second, --label or --endings \
             (the columns are {})",
            field.name,
            names.list()
        )));
    }
    let Names::Header(header) = names else {
        return Ok(());
    };
    let given = [&columns.text, &columns.second].into_iter().flatten();
    let given: Vec<&Column> = given
        .chain(&columns.labels)
        .chain(&columns.endings)
        .collect();
    for field in used {
        let Key::Cell(index) = field.key else {
            continue;
        };
        let name = header.get(index).map_or("", |it| it.trim());
        let has_twin = header.iter().filter(|it| it.trim() == name).count() > 1;
        if has_twin && !given.contains(&&Column::Number(index + 1)) {
            return Err(DataError::Settings(format!(
                "column \"{name}\": several columns have this name; give the number of the one you mean, \
                 from 1, with --text, --second, --label or --endings"
            )));
        }
    }
    Ok(())
}

fn or_found(labels: &mut Vec<Field>, found: Option<Field>) {
    if labels.is_empty() {
        labels.extend(found);
    }
}

fn glue_fields(glue: GlueTask, names: &Names<'_>, fields: &mut Fields) {
    if glue == GlueTask::Cola && matches!(names, Names::Numbers(4)) {
        // The source, the label, the authors' mark, the sentence.
        fields.text.get_or_insert_with(|| names.cell(3));
        or_found(&mut fields.labels, Some(names.cell(1)));
        return;
    }
    let text = fields.text.take().or_else(|| names.first_of(glue.first()));
    fields.text = text;
    let second = fields
        .second
        .take()
        .or_else(|| names.first_of(glue.second()));
    fields.second = second;
    or_found(&mut fields.labels, names.first_of(glue.label()));
}

fn texts(names: &Names<'_>, needs_labels: bool, columns: &Columns, fields: &mut Fields) {
    or_found(&mut fields.labels, names.first_of(&LABELS));
    if fields.text.is_none() {
        let find = |name| names.find(name).filter(|it| !fields.labels.contains(it));
        let mut pairs = PAIRS.into_iter();
        let pair = pairs.find_map(|(first, second)| Some((find(first)?, find(second)?)));
        match pair.filter(|_| columns.second.is_none()) {
            Some((first, second)) => {
                fields.text = Some(first);
                fields.second = Some(second);
            }
            None => fields.text = TEXTS.into_iter().find_map(find),
        }
    }
    of_two(names, needs_labels, fields);
}

/// Of two columns the first is the text and the last the label, or what the other one is not. Where labels
/// are not needed, a column whose name says nothing of labels holds none.
fn of_two(names: &Names<'_>, needs_labels: bool, fields: &mut Fields) {
    let cells: Vec<Field> = match names {
        Names::Keys(keys) if keys.len() <= 2 => {
            keys.iter().filter_map(|key| names.find(key)).collect()
        }
        Names::Header(_) | Names::Numbers(_) if names.len() <= 2 => {
            (0..names.len()).map(|index| names.cell(index)).collect()
        }
        _ => return,
    };
    if fields.text.is_none() {
        let is_free =
            |field: &&Field| !fields.labels.contains(field) && Some(*field) != fields.id.as_ref();
        fields.text = cells.iter().find(is_free).cloned();
    }
    if !needs_labels && !matches!(names, Names::Numbers(_)) {
        return;
    }
    let taken = [&fields.text, &fields.second, &fields.id].map(Clone::clone);
    let is_free = |field: &&Field| !taken.iter().flatten().any(|taken| taken == *field);
    or_found(
        &mut fields.labels,
        cells.iter().rev().find(is_free).cloned(),
    );
}

fn choices(names: &Names<'_>, columns: &Columns, fields: &mut Fields) {
    if fields.endings.is_empty() {
        let numbered = |stem: &str, from: usize| -> Vec<Field> {
            (from..from + 26)
                .map_while(|number| names.find(&format!("{stem}{number}")))
                .collect()
        };
        let lists = || {
            names
                .first_of(&["endings", "choices"])
                .into_iter()
                .collect()
        };
        fields.endings = [
            numbered("ending", 0),
            numbered("choice", 1),
            numbered("ending", 1),
        ]
        .into_iter()
        .find(|found| found.len() > 1)
        .unwrap_or_else(lists);
    }
    if fields.text.is_none() {
        fields.text = names.first_of(&FIRSTS);
        let is_swag = fields
            .text
            .as_ref()
            .is_some_and(|it| it.name == "\"sent1\"");
        if is_swag && columns.second.is_none() {
            fields.second = names.find("sent2");
        }
    }
    or_found(
        &mut fields.labels,
        names.first_of(&["label", "answer", "gold"]),
    );
}
