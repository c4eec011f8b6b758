//! Parquet files as Hugging Face's `datasets` come.

use std::path::Path;

use kiln_text::reading::Rows as Stored;
use serde_json::Value;

use super::record::{Content, Record};
use crate::DataError;

/// Rows with their numbers.
pub(super) struct Rows {
    rows: Stored,
    row: u64,
}

impl Rows {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let rows = Stored::open(path)?;
        Ok(Self { rows, row: 0 })
    }

    /// What is said of the columns: names of labels among it.
    pub(super) fn features(&self) -> Option<&Value> {
        self.rows.features()
    }

    pub(super) fn next(&mut self) -> Result<Option<Record>, DataError> {
        let Some(row) = self.rows.next().transpose()? else {
            return Ok(None);
        };
        self.row += 1;
        Ok(Some(Record {
            line: self.row,
            content: Content::Json(row),
        }))
    }
}
