//! One line of `metrics.jsonl`, and the file.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};

use kiln_checkpoint::WriteError;
use kiln_files::sync_name;
use serde_json::{Map, Value};

use crate::error::LearnError;

/// Steps of the past that a resumed run shows again: more than a dashboard is wide.
pub(crate) const REMEMBERED: usize = 1000;

/// What a line tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// A training step.
    Train,
    /// An evaluation.
    Eval,
    /// A term of the loss that has learned nothing ([`crate::Stall`]).
    Stalled,
}

impl RecordKind {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Eval => "eval",
            Self::Stalled => "stalled",
        }
    }
}

/// The values of one step or one evaluation, in the order they are shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// A step or an evaluation.
    pub kind: RecordKind,
    /// Optimizer steps made when it was taken; the first is 1.
    pub step: u64,
    /// Name and value, e.g. (`mlm_loss`, 5.31).
    pub values: Vec<(String, f64)>,
}

impl Record {
    /// The value called `name`.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values
            .iter()
            .find(|(key, _)| key == name)
            .map(|&(_, value)| value)
    }

    /// The line, without its end.
    pub fn to_json(&self) -> String {
        let mut object = Map::new();
        object.insert("kind".into(), self.kind.as_str().into());
        object.insert("step".into(), self.step.into());
        for (name, value) in &self.values {
            // Whole numbers without a fraction; what JSON can't say (NaN) becomes null.
            let number = if value.fract() == 0.0 && value.abs() < 9e15 {
                Value::from(*value as i64)
            } else {
                serde_json::Number::from_f64(*value).map_or(Value::Null, Value::Number)
            };
            object.insert(name.clone(), number);
        }
        Value::Object(object).to_string()
    }

    /// Reads a line; none if it is not whole.
    pub fn parse(line: &str) -> Option<Self> {
        let object: Map<String, Value> = serde_json::from_str(line).ok()?;
        let kind = match object.get("kind")?.as_str()? {
            "train" => RecordKind::Train,
            "eval" => RecordKind::Eval,
            "stalled" => RecordKind::Stalled,
            _ => return None,
        };
        let step = object.get("step")?.as_u64()?;
        let values = object
            .into_iter()
            .filter(|(name, _)| name != "kind" && name != "step")
            .map(|(name, value)| (name, value.as_f64().unwrap_or(f64::NAN)))
            .collect();
        Some(Self { kind, step, values })
    }
}

/// One line of a metrics file.
struct Line {
    /// Where it ends, in bytes from the start of the file.
    end: u64,
    /// Whether its line end is there; a kill can cut it off.
    is_ended: bool,
    /// None if it is not a record.
    record: Option<Record>,
}

/// The lines of a metrics file, one in memory at a time: a long run has a million.
struct Lines<R> {
    reader: R,
    position: u64,
    bytes: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            position: 0,
            bytes: Vec::new(),
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        self.bytes.clear();
        match self.reader.read_until(b'\n', &mut self.bytes) {
            Ok(0) => None,
            Ok(count) => {
                self.position += count as u64;
                Some(Ok(Line {
                    end: self.position,
                    is_ended: self.bytes.ends_with(b"\n"),
                    record: std::str::from_utf8(&self.bytes)
                        .ok()
                        .and_then(Record::parse),
                }))
            }
            Err(reason) => Some(Err(reason)),
        }
    }
}

/// Reads all whole lines of a metrics file. A missing file is empty; a last line that a kill cut
/// off is left out.
///
/// # Errors
/// If the file can't be read.
pub fn read_records(path: &Path) -> Result<Vec<Record>, LearnError> {
    let mut records = Vec::new();
    for_each_record(path, |record| records.push(record))?;
    Ok(records)
}

/// Hands every whole line of a metrics file to `take`, one in memory at a time; as
/// [`read_records`] otherwise.
///
/// # Errors
/// If the file can't be read.
pub fn for_each_record(path: &Path, mut take: impl FnMut(Record)) -> Result<(), LearnError> {
    let failed = |reason| LearnError::Read {
        path: path.into(),
        reason,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(reason) => return Err(failed(reason)),
    };
    for line in Lines::new(BufReader::new(file)) {
        if let Some(record) = line.map_err(failed)?.record {
            take(record);
        }
    }
    Ok(())
}

/// Appends to `metrics.jsonl`, a line a record.
#[derive(Debug)]
pub(crate) struct MetricsFile {
    path: PathBuf,
    file: File,
}

impl MetricsFile {
    /// Opens the file for the steps after `step`: what a stopped run wrote after its last
    /// checkpoint is cut off, since those steps are made again.
    ///
    /// Returns what is remembered of the steps kept.
    pub(crate) fn open_after(path: &Path, step: u64) -> Result<(Self, History), LearnError> {
        let failed = |reason| LearnError::WriteRun {
            path: path.into(),
            reason,
        };
        // To cut and to append are two rights: on Windows a handle has one of them.
        let whole = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        let mut history = History::default();
        let (mut end, mut is_ended) = (0, true);
        for line in Lines::new(BufReader::new(&whole)) {
            let line = line.map_err(failed)?;
            match line.record {
                Some(record) if record.step > step => break,
                Some(record) => history.push(record),
                None if !line.is_ended => break,
                // Not what a kill leaves: whoever wrote it there may want it.
                None => {}
            }
            (end, is_ended) = (line.end, line.is_ended);
        }
        whole.set_len(end).map_err(failed)?;
        drop(whole);
        // A new file's name has to outlive a crash as its lines do.
        sync_name(path).map_err(WriteError::from)?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        if !is_ended {
            (&file).write_all(b"\n").map_err(failed)?;
        }
        let file = Self {
            path: path.into(),
            file,
        };
        Ok((file, history))
    }

    /// Appends a record and hands it to the system at once.
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), LearnError> {
        let mut line = record.to_json();
        line.push('\n');
        self.file
            .write_all(line.as_bytes())
            .map_err(|reason| self.failed(reason))
    }

    /// Brings all records to the disk: a checkpoint that outlives a crash must not know of steps
    /// that the file lost.
    pub(crate) fn sync(&self) -> Result<(), LearnError> {
        self.file.sync_data().map_err(|reason| self.failed(reason))
    }

    fn failed(&self, reason: io::Error) -> LearnError {
        LearnError::WriteRun {
            path: self.path.clone(),
            reason,
        }
    }
}

/// What a resumed run remembers: every evaluation, which decide when to stop, and the last steps,
/// which the dashboard draws.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// With their place in the file.
    rare: Vec<(u64, Record)>,
    steps: VecDeque<(u64, Record)>,
    seen: u64,
    seen_steps: u64,
}

impl History {
    fn push(&mut self, record: Record) {
        self.seen += 1;
        match record.kind {
            RecordKind::Eval | RecordKind::Stalled => self.rare.push((self.seen, record)),
            RecordKind::Train => {
                self.seen_steps += 1;
                if self.steps.len() == REMEMBERED {
                    self.steps.pop_front();
                }
                self.steps.push_back((self.seen, record));
            }
        }
    }

    /// Steps in the file.
    pub(crate) fn steps(&self) -> u64 {
        self.seen_steps
    }

    /// Adds the evaluations, as step and values, that the file lost and a checkpoint remembers; gives
    /// their number.
    pub(crate) fn supply(
        &mut self,
        remembered: impl Iterator<Item = (u64, Vec<(String, f64)>)>,
    ) -> usize {
        let known = self.rare.iter().map(|(_, record)| record);
        let known = known.filter(|record| record.kind == RecordKind::Eval);
        let known: BTreeSet<u64> = known.map(|record| record.step).collect();
        let before = self.rare.len();
        let lost = remembered.filter(|(step, _)| !known.contains(step));
        self.rare.extend(lost.map(|(step, values)| {
            let kind = RecordKind::Eval;
            (0, Record { kind, step, values })
        }));
        self.rare.len() - before
    }

    /// The evaluations and the last [`REMEMBERED`] steps, in the file's order.
    pub(crate) fn into_records(self) -> Vec<Record> {
        let mut records = self.rare;
        records.extend(self.steps);
        // A step's evaluation follows it.
        records
            .sort_by_key(|(place, record)| (record.step, record.kind != RecordKind::Train, *place));
        records.into_iter().map(|(_, record)| record).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(step: u64, loss: f64) -> Record {
        Record {
            kind: RecordKind::Train,
            step,
            values: vec![("loss".into(), loss)],
        }
    }

    #[test]
    fn a_line_reads_back_to_the_last_bit() {
        let record = record(3, 0.1 + 0.2);
        assert_eq!(Record::parse(&record.to_json()), Some(record));
    }

    #[test]
    fn reopening_drops_later_steps_and_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let (mut file, kept) = MetricsFile::open_after(&path, 0).unwrap();
        assert!(kept.into_records().is_empty());
        for step in 1..=4 {
            file.append(&record(step, 0.5)).unwrap();
        }
        drop(file);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"kind\": \"train\", \"st");
        std::fs::write(&path, text).unwrap();

        let (mut file, kept) = MetricsFile::open_after(&path, 2).unwrap();
        assert_eq!(kept.into_records().len(), 2);
        file.append(&record(3, 0.25)).unwrap();
        let steps: Vec<_> = read_records(&path)
            .unwrap()
            .iter()
            .map(|r| r.step)
            .collect();
        assert_eq!(steps, [1, 2, 3]);
    }

    #[test]
    fn a_resumed_run_remembers_every_evaluation_and_the_last_steps_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let (mut file, _) = MetricsFile::open_after(&path, 0).unwrap();
        let last = REMEMBERED as u64 + 50;
        for step in 1..=last {
            file.append(&record(step, 0.5)).unwrap();
            if step.is_multiple_of(20) {
                let kind = RecordKind::Eval;
                file.append(&Record {
                    kind,
                    ..record(step, 0.5)
                })
                .unwrap();
            }
        }
        let before = std::fs::read(&path).unwrap();
        let (_, kept) = MetricsFile::open_after(&path, last).unwrap();
        assert_eq!(kept.steps(), last);
        let kept = kept.into_records();
        let (evaluations, steps): (Vec<_>, Vec<_>) = kept
            .iter()
            .partition(|record| record.kind == RecordKind::Eval);
        assert_eq!(evaluations.len() as u64, last / 20);
        assert_eq!(steps.len(), REMEMBERED);
        assert!(kept.is_sorted_by_key(|record| record.step));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn evaluations_that_the_file_lost_come_from_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let (mut file, _) = MetricsFile::open_after(&path, 0).unwrap();
        let eval = |step| Record {
            kind: RecordKind::Eval,
            ..record(step, 0.25)
        };
        for step in [3, 4] {
            file.append(&record(step, 0.5)).unwrap();
        }
        file.append(&eval(4)).unwrap();
        let (_, mut kept) = MetricsFile::open_after(&path, 4).unwrap();
        assert_eq!(kept.steps(), 2, "of four");
        let remembered = [(2, 0.5), (3, 0.75), (4, 1.0)]
            .map(|(step, loss)| (step, vec![("loss".to_owned(), loss)]));
        assert_eq!(kept.supply(remembered.into_iter()), 2);
        let expected = [
            Record {
                kind: RecordKind::Eval,
                ..record(2, 0.5)
            },
            record(3, 0.5),
            Record {
                kind: RecordKind::Eval,
                ..record(3, 0.75)
            },
            record(4, 0.5),
            eval(4),
        ];
        assert_eq!(kept.into_records(), expected);
    }

    #[test]
    fn bytes_that_are_no_text_cost_their_line_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut bytes = record(1, 0.5).to_json().into_bytes();
        bytes.extend(b"\n\xff\0\n");
        bytes.extend(record(2, 0.5).to_json().as_bytes());
        std::fs::write(&path, bytes).unwrap();
        let (mut file, kept) = MetricsFile::open_after(&path, 2).unwrap();
        assert_eq!(kept.into_records().len(), 2);
        // The last line lacked its end.
        file.append(&record(3, 0.5)).unwrap();
        assert_eq!(read_records(&path).unwrap().len(), 3);
    }
}
