//! Predictions as a file: `predictions.jsonl`.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use kiln_metrics::RowWriter;
use kiln_metrics::rows::Row;
use serde::Serialize;

use crate::failure::Failure;

/// The name of a run's predictions.
pub(crate) const PREDICTIONS: &str = "predictions.jsonl";

/// Writes rows to a file that has its name once all are in it.
pub(crate) struct PredictionsFile {
    rows: RowWriter<BufWriter<File>>,
    partial: Partial,
    path: PathBuf,
}

/// The file until then: it goes away again if it does not get so far.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // It has got its name, or can't be removed: the error that led here says more.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl PredictionsFile {
    /// Begins the file.
    ///
    /// # Errors
    /// If it can't be made.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(".partial");
        let partial = path.with_file_name(name);
        let file = File::create(&partial).map_err(|error| failed(path, &error))?;
        Ok(Self {
            rows: RowWriter::new(BufWriter::new(file), path),
            partial: Partial(partial),
            path: path.to_path_buf(),
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If the disk is full.
    pub(crate) fn write(&mut self, row: &Row) -> Result<(), Failure> {
        Ok(self.rows.write(row)?)
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// If the disk is full.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let mut writer = self.rows.finish()?;
        let synced = writer.flush().and_then(|()| writer.get_ref().sync_all());
        let named = synced.and_then(|()| std::fs::rename(&self.partial.0, &self.path));
        named.map_err(|error| failed(&self.path, &error))
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::run(format_args!(
        "{}: cannot be written ({error}); check free space and permissions",
        path.display()
    ))
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
