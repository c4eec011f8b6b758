//! One line of `metrics.jsonl`, and the file.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::LearnError;

/// What a line tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// A training step.
    Train,
    /// An evaluation.
    Eval,
}

impl RecordKind {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Eval => "eval",
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

/// Reads all whole lines of a metrics file. A missing file is empty; a last line that a kill cut
/// off is left out.
///
/// # Errors
/// If the file can't be read.
pub fn read_records(path: &Path) -> Result<Vec<Record>, LearnError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter_map(Record::parse).collect()),
        Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(reason) => Err(LearnError::Read {
            path: path.into(),
            reason,
        }),
    }
}

/// Appends to `metrics.jsonl`, a line a record.
#[derive(Debug)]
pub(crate) struct MetricsFile {
    path: PathBuf,
    file: std::fs::File,
}

impl MetricsFile {
    /// Opens the file for the steps after `step`: what a stopped run wrote after its last
    /// checkpoint is dropped, since those steps are made again. Returns the records kept.
    pub(crate) fn open_after(path: &Path, step: u64) -> Result<(Self, Vec<Record>), LearnError> {
        let failed = |reason| LearnError::WriteRun {
            path: path.into(),
            reason,
        };
        let kept: Vec<_> = read_records(path)?
            .into_iter()
            .filter(|record| record.step <= step)
            .collect();
        // Rewritten beside and renamed: a kill in between loses nothing.
        let beside = path.with_extension("jsonl.tmp");
        let mut text = String::new();
        for record in &kept {
            text.push_str(&record.to_json());
            text.push('\n');
        }
        std::fs::write(&beside, text).map_err(failed)?;
        std::fs::rename(&beside, path).map_err(failed)?;
        let file = std::fs::OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(failed)?;
        Ok((
            Self {
                path: path.into(),
                file,
            },
            kept,
        ))
    }

    /// Appends a record and hands it to the system at once.
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), LearnError> {
        let mut line = record.to_json();
        line.push('\n');
        self.file
            .write_all(line.as_bytes())
            .map_err(|reason| LearnError::WriteRun {
                path: self.path.clone(),
                reason,
            })
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
        assert!(kept.is_empty());
        for step in 1..=4 {
            file.append(&record(step, 0.5)).unwrap();
        }
        drop(file);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"kind\": \"train\", \"st");
        std::fs::write(&path, text).unwrap();

        let (mut file, kept) = MetricsFile::open_after(&path, 2).unwrap();
        assert_eq!(kept.len(), 2);
        file.append(&record(3, 0.25)).unwrap();
        let steps: Vec<_> = read_records(&path)
            .unwrap()
            .iter()
            .map(|r| r.step)
            .collect();
        assert_eq!(steps, [1, 2, 3]);
    }
}
