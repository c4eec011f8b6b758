//! A file on its way to records: what it is, whether it has a header, where its columns are.

use std::collections::VecDeque;
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use kiln_text::reading::{Content as Stored, Unpacked};
use serde_json::Value;

use super::columns::{self, Fields, Names};
use super::conll::Conll;
use super::glue::GlueLayout as _;
use super::header::is_header;
use super::json::{self, Json};
use super::lines::{Lines, problem};
#[cfg(feature = "parquet")]
use super::parquet::Rows;
use super::record::{Content, Field, Key, Record};
use super::spec::{DatasetSpec, Format};
use super::table::Table;
use crate::{DataError, Task};

/// Rows of a table that are looked at to tell whether it has a header.
const SAMPLE_ROWS: usize = 200;

/// Records of a file.
enum Records {
    Table(Table),
    Lines(Lines),
    Json(Json),
    Conll(Conll),
    #[cfg(feature = "parquet")]
    Parquet(Rows),
}

impl Records {
    fn next(&mut self) -> Result<Option<Record>, DataError> {
        match self {
            Self::Table(table) => table.next(),
            Self::Lines(lines) => Ok(lines.next(b'\t')?.map(|(line, text)| Record {
                line,
                content: Content::Cells(vec![text.to_owned()]),
            })),
            Self::Json(json) => json.next(),
            Self::Conll(conll) => conll.next(),
            #[cfg(feature = "parquet")]
            Self::Parquet(rows) => rows.next(),
        }
    }
}

/// What was decided where a specification leaves it open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// What the files are.
    pub format: Format,
    /// The names of the columns where the first line of a table has them.
    pub header: Option<Vec<String>>,
    /// What stands between the cells of a table.
    pub delimiter: char,
    /// Whether something in the first file is taken for labels.
    pub has_labels: bool,
    /// What to tell the user: a sentence each.
    pub notes: Vec<String>,
}

/// A file that is open at its first record.
pub(super) struct Source {
    pub(super) file: Arc<Path>,
    records: Records,
    /// Looked at, and not yet handed out.
    ahead: VecDeque<Record>,
    /// What is wrong behind those.
    failed: Option<DataError>,
    /// Cells in each row of a table.
    width: Option<usize>,
    pub(super) fields: Fields,
    pub(super) decided: Decided,
    /// Names of labels that the file numbers.
    pub(super) class_names: Option<Vec<String>>,
    /// Rows of QQP that were left out.
    pub(super) short_rows: u64,
    leaves_out_short: bool,
}

impl Source {
    /// Opens a file, and decides what is open unless an earlier file of the set has `decided`.
    pub(super) fn open(
        spec: &DatasetSpec,
        path: &Path,
        decided: Option<&Decided>,
        needs_labels: bool,
    ) -> Result<Self, DataError> {
        Self::new(spec, path, Unpacked::open(path)?, decided, needs_labels)
    }

    /// What comes from `reader` and is called `name`.
    pub(super) fn from_reader(
        spec: &DatasetSpec,
        name: &Path,
        reader: Box<dyn BufRead + Send>,
        needs_labels: bool,
    ) -> Result<Self, DataError> {
        let unpacked = Unpacked::unpack(name, reader)?;
        Self::new(spec, name, unpacked, None, needs_labels)
    }

    fn new(
        spec: &DatasetSpec,
        path: &Path,
        unpacked: Unpacked,
        decided: Option<&Decided>,
        needs_labels: bool,
    ) -> Result<Self, DataError> {
        let file: Arc<Path> = Arc::from(path);
        let format = format(spec, &unpacked, decided, path)?;
        let delimiter = match (decided, spec.delimiter) {
            (Some(decided), _) => decided.delimiter,
            (None, Some(delimiter)) => delimiter,
            (None, None) if format == Format::Csv => told_delimiter(&unpacked.head),
            (None, None) => '\t',
        };
        if !delimiter.is_ascii() || matches!(delimiter, '"' | '\n' | '\r') {
            return Err(DataError::Settings(format!(
                "delimiter {delimiter:?}: choose one ASCII character, neither a quote nor a line end"
            )));
        }
        let mut notes = Vec::new();
        if format == Format::Csv && spec.delimiter.is_none() && delimiter != ',' {
            notes.push(format!(
                "{}: its columns are taken to stand between {delimiter:?}",
                path.display()
            ));
        }
        #[allow(unused_mut, reason = "only Parquet files say it")]
        let mut features: Option<Value> = None;
        let shared = Arc::clone(&file);
        let records = match unpacked.content {
            #[cfg(feature = "parquet")]
            Stored::Parquet(path) => {
                let rows = Rows::open(&path)?;
                features = rows.features().cloned();
                Records::Parquet(rows)
            }
            #[cfg(not(feature = "parquet"))]
            Stored::Parquet(path) => {
                return Err(DataError::Settings(format!(
                    "{}: a Parquet file, which this build does not read; rebuild with --features \
                     parquet, or write its rows as JSON Lines",
                    path.display()
                )));
            }
            Stored::Text(reader) => match format {
                Format::Csv | Format::Tsv => {
                    let has_quotes = spec.quotes.unwrap_or(format == Format::Csv);
                    Records::Table(Table::new(shared, reader, delimiter, has_quotes))
                }
                Format::Json | Format::Parquet => {
                    let has_data = json::has_data(&unpacked.head);
                    Records::Json(Json::new(shared, reader, has_data))
                }
                Format::Conll => {
                    let conll = Conll::new(shared, reader, &spec.columns, spec.comments)?;
                    Records::Conll(conll)
                }
                Format::Lines => Records::Lines(Lines::new(shared, reader)),
            },
        };
        let mut source = Self {
            file,
            records,
            ahead: VecDeque::new(),
            failed: None,
            width: None,
            fields: Fields::default(),
            decided: Decided {
                format,
                header: None,
                delimiter,
                has_labels: false,
                notes,
            },
            class_names: None,
            short_rows: 0,
            leaves_out_short: spec.glue.is_some_and(|glue| glue.has_torn_rows()),
        };
        source.find_fields(spec, decided, needs_labels)?;
        let labels = source.fields.labels.first();
        // The tags of sentences, and answers within a text, have no column.
        source.decided.has_labels = match source.records {
            Records::Lines(_) => false,
            Records::Conll(_) => true,
            _ => labels.is_some(),
        };
        let path = labels.and_then(|field| match &field.key {
            Key::Path(path) => Some(path.as_str()),
            Key::Cell(_) => None,
        });
        let told = features
            .as_ref()
            .zip(path)
            .and_then(|(it, path)| names(it.get(path)?));
        let glue = spec
            .glue
            .map(|glue| glue.label_names().iter().map(|it| (*it).to_owned()));
        source.class_names = told.or_else(|| glue.map(Iterator::collect));
        Ok(source)
    }

    fn find_fields(
        &mut self,
        spec: &DatasetSpec,
        decided: Option<&Decided>,
        needs_labels: bool,
    ) -> Result<(), DataError> {
        let is_table = matches!(self.records, Records::Table(_));
        while self.ahead.len() < if is_table { SAMPLE_ROWS } else { 1 } {
            // What is wrong further on is told when its turn comes.
            let next = self.records.next();
            match next {
                Ok(Some(record)) => self.ahead.push_back(record),
                Ok(None) => break,
                Err(error) if self.ahead.is_empty() => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        let empty = |file: &Path| {
            Err(DataError::Settings(format!(
                "{}: no examples in it; is it the file that you mean?",
                file.display()
            )))
        };
        let Some(first) = self.ahead.front().cloned() else {
            return empty(&self.file);
        };
        let names = match first.content {
            Content::Sentence { .. } if spec.task == Task::Tag => return Ok(()),
            Content::Sentence { .. } => {
                return Err(DataError::Settings(format!(
                    "{}: CoNLL columns hold tags for words; the task {} needs a table or JSON Lines",
                    self.file.display(),
                    spec.task.name()
                )));
            }
            Content::Json(Value::Object(record)) => {
                if spec.task == Task::Qa && record.contains_key("paragraphs") {
                    return Ok(());
                }
                Names::Keys(record.into_iter().map(|(key, _)| key).collect())
            }
            Content::Json(_) => Names::Keys(Vec::new()),
            Content::Cells(_) if matches!(self.records, Records::Lines(_)) => Names::Numbers(1),
            Content::Cells(first) => {
                let cells = |record| match record {
                    &Record {
                        content: Content::Cells(ref cells),
                        ..
                    } => Some(cells.as_slice()),
                    _ => None,
                };
                let rest: Vec<&[String]> = self.ahead.iter().skip(1).filter_map(cells).collect();
                let (has_header, why) = match decided {
                    Some(decided) => (decided.header.is_some(), ""),
                    None => is_header(spec, &first, &rest),
                };
                self.width = Some(first.len());
                if decided.is_none() && spec.header.is_none() {
                    let what = if has_header {
                        "names its columns"
                    } else {
                        "is an example"
                    };
                    self.decided.notes.push(format!(
                        "{}: its first line {what} ({why}); --header says otherwise",
                        self.file.display()
                    ));
                }
                if has_header {
                    self.ahead.pop_front();
                    if let Some(header) = decided.and_then(|it| it.header.as_ref())
                        && *header != first
                    {
                        return Err(problem(
                            &self.file,
                            1,
                            "not the header of the first file; files that are read as one have the \
                             same columns",
                        ));
                    }
                    self.decided.header = Some(first.clone());
                    if self.ahead.is_empty() {
                        if let Some(error) = self.failed.take() {
                            return Err(error);
                        }
                        return empty(&self.file);
                    }
                }
                match &self.decided.header {
                    Some(header) => {
                        self.fields = columns::find(spec, &Names::Header(header), needs_labels)?;
                    }
                    None => {
                        let names = Names::Numbers(first.len());
                        self.fields = columns::find(spec, &names, needs_labels)?;
                    }
                }
                self.tell_columns(decided.is_some());
                return Ok(());
            }
        };
        self.fields = columns::find(spec, &names, needs_labels)?;
        self.tell_columns(decided.is_some());
        Ok(())
    }

    fn tell_columns(&mut self, was_told: bool) {
        if was_told || matches!(self.records, Records::Lines(_)) {
            return;
        }
        let list = |fields: &[Field]| {
            let names: Vec<&str> = fields.iter().map(|it| it.name.as_str()).collect();
            names.join(", ")
        };
        let one = |field: &Option<Field>| field.as_ref().map(|it| it.name.clone());
        let parts = [
            ("text", one(&self.fields.text)),
            ("second", one(&self.fields.second)),
            ("endings", Some(list(&self.fields.endings))),
            ("labels", Some(list(&self.fields.labels))),
            ("id", one(&self.fields.id)),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter_map(|(part, names)| Some((part, names.filter(|it| !it.is_empty())?)))
            .map(|(part, names)| format!("{part} {names}"))
            .collect();
        let file = self.file.display();
        self.decided
            .notes
            .push(format!("{file}: columns: {}", parts.join("; ")));
    }

    /// The next record; rows of a table have as many cells as the first.
    pub(super) fn next(&mut self) -> Result<Option<Record>, DataError> {
        loop {
            let record = match (self.ahead.pop_front(), self.failed.take()) {
                (Some(record), failed) => {
                    self.failed = failed;
                    record
                }
                (None, Some(error)) => return Err(error),
                (None, None) => match self.records.next()? {
                    Some(record) => record,
                    None => return Ok(None),
                },
            };
            let (Some(width), Content::Cells(cells)) = (self.width, &record.content) else {
                return Ok(Some(record));
            };
            if cells.len() == width {
                return Ok(Some(record));
            }
            if self.leaves_out_short && cells.len() < width {
                self.short_rows += 1;
                continue;
            }
            let lines = cells
                .iter()
                .flat_map(|it| it.bytes())
                .filter(|it| *it == b'\n')
                .count();
            let hint = match lines {
                0 => String::new(),
                lines => format!(" in {} lines (is a quote left open?)", lines + 1),
            };
            return Err(problem(
                &self.file,
                record.line,
                format!(
                    "{} columns{hint}, the first line has {width}; mend the line",
                    cells.len()
                ),
            ));
        }
    }
}

fn format(
    spec: &DatasetSpec,
    unpacked: &Unpacked,
    decided: Option<&Decided>,
    path: &Path,
) -> Result<Format, DataError> {
    let is_parquet = matches!(unpacked.content, Stored::Parquet(_));
    let first = || {
        unpacked
            .head
            .iter()
            .find(|byte| !byte.is_ascii_whitespace())
    };
    let told = match unpacked.extension.as_str() {
        _ if is_parquet => Some(Format::Parquet),
        "csv" => Some(Format::Csv),
        "tsv" | "tab" => Some(Format::Tsv),
        "json" | "jsonl" | "ndjson" | "jsonlines" | "jl" => Some(Format::Json),
        "conll" | "conllu" | "iob" | "iob2" | "bio" => Some(Format::Conll),
        _ if matches!(first(), Some(b'{')) => Some(Format::Json),
        "txt" | "text" | "" if spec.task == Task::Tag => Some(Format::Conll),
        // A list, or what a person writes in brackets.
        _ if first() == Some(&b'[') && spec.task != Task::Tag => Some(Format::Json),
        _ if spec.task == Task::Tag => Some(Format::Conll),
        _ if unpacked.head.contains(&b'\t') => Some(Format::Tsv),
        "txt" | "text" => Some(Format::Lines),
        _ => None,
    };
    let wanted = spec.format.or(decided.map(|it| it.format));
    let found = wanted.or(told);
    let refused = |what: String| Err(DataError::Settings(format!("{}: {what}", path.display())));
    match found {
        Some(format) if is_parquet != (format == Format::Parquet) => refused(format!(
            "{} Parquet file, and {} is to be read",
            if is_parquet { "a" } else { "no" },
            format.name()
        )),
        Some(Format::Lines) if spec.task == Task::Tag => refused(
            "texts alone have no tags for words, which are read from CoNLL columns, tables, JSON Lines or \
             Parquet; write them so, or say that it is one of them with --format"
                .to_owned(),
        ),
        // Many files of words and their tags are called .tsv: each word would be a sentence.
        Some(Format::Csv | Format::Tsv)
            if spec.task == Task::Tag && wanted.is_none() && has_blank_line(&unpacked.head) =>
        {
            refused(
                "blank lines stand in it, as between sentences that have a word a line; say with \
                 --format conll that it is so, or with --format csv or tsv that each line is a sentence"
                    .to_owned(),
            )
        }
        Some(format) => Ok(format),
        None => refused(
            "neither its name nor its content tells what it is; say it with --format (csv, tsv, \
             json, conll, parquet, lines)"
                .to_owned(),
        ),
    }
}

/// Whether a line is blank that others follow.
fn has_blank_line(head: &[u8]) -> bool {
    let lines = head.trim_ascii().split(|&byte| byte == b'\n');
    lines.into_iter().any(|line| line.trim_ascii().is_empty())
}

/// What stands between the columns of a table with quotes: a comma, unless its first line has none.
fn told_delimiter(head: &[u8]) -> char {
    let mut counts = [(',', 0), (';', 0), ('\t', 0)];
    let mut is_quoted = false;
    for &byte in head {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' | b'\r' if !is_quoted => break,
            _ if is_quoted => {}
            _ => {
                for (char, count) in &mut counts {
                    *count += usize::from(u32::from(*char) == u32::from(byte));
                }
            }
        }
    }
    let found = counts.into_iter().find(|(_, count)| *count > 0);
    found.map_or(',', |(char, _)| char)
}

/// The names of a `ClassLabel`, or of a list of them.
fn names(feature: &Value) -> Option<Vec<String>> {
    match feature {
        Value::Array(features) => names(features.first()?),
        Value::Object(feature) => match feature.get("names") {
            Some(Value::Array(found)) => found
                .iter()
                .map(|name| name.as_str().map(str::to_owned))
                .collect(),
            _ => names(feature.get("feature")?),
        },
        _ => None,
    }
}
