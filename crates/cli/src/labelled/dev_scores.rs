//! Predictions as a file: `predictions.jsonl`.

use std::io::{BufWriter, Write};
use std::path::Path;

use kiln_files::WholeFile;
use kiln_metrics::RowWriter;
use kiln_metrics::rows::Row;
use serde::Serialize;

use crate::failure::Failure;

/// Writes rows to a file that has its name once all are in it.
pub(crate) struct PredictionsFile(RowWriter<BufWriter<Target>>);

/// The file, under a temporary name until it is whole.
struct Target(WholeFile);

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.file().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.file().flush()
    }
}

impl PredictionsFile {
    /// Begins the file.
    ///
    /// # Errors
    /// If it can't be made.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let file = Target(WholeFile::create(path).map_err(Failure::run)?);
        Ok(Self(RowWriter::new(BufWriter::new(file), path)))
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If the disk is full.
    pub(crate) fn write(&mut self, row: &Row) -> Result<(), Failure> {
        Ok(self.0.write(row)?)
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// If the disk is full; a file that had the name is then as it was.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        // The writer of rows has flushed.
        let (file, _) = self.0.finish()?.into_parts();
        file.0.commit().map_err(Failure::run)
    }
}

/// Writes scores as they are read again: whole or not at all.
///
/// # Errors
/// If the file can't be written.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| Failure::run(format_args!("{}: not JSON ({error})", path.display())))?;
    text.push(b'\n');
    kiln_files::write(path, &text).map_err(Failure::run)
}
