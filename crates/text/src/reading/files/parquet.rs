//! Parquet files, as JSON with a record a line: all that is done with records holds for rows then.

use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;
use serde_json::Value;

use crate::error::{TextError, read_failed};

mod values;

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 256;

/// Reads a record for each row, with the column alone that holds the text if there is one.
pub(super) struct TextRows {
    rows: RowIter<'static>,
    line: Vec<u8>,
    position: usize,
}

impl TextRows {
    /// Opens a file for its column `text_field`, or the one whose name that begins with.
    pub(super) fn open(file: File, text_field: &str) -> io::Result<Self> {
        let reader = opened(file)?;
        let root = reader.metadata().file_metadata().schema().clone();
        let column = root.get_fields().iter().find(|column| {
            let rest = text_field.strip_prefix(column.name());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        let alone = match column {
            Some(column) => Some(group(root.name(), column)?),
            None => None,
        };
        let rows = RowIter::from_file_into(Box::new(reader))
            .project(alone)
            .map_err(|error| failed(&error))?
            .with_batch_size(BATCH_ROWS);
        Ok(Self {
            rows,
            line: Vec::new(),
            position: 0,
        })
    }
}

/// A file whose row groups can be read.
fn opened(file: File) -> io::Result<SerializedFileReader<File>> {
    guarded(|| {
        let reader = SerializedFileReader::new(file)?;
        for group in 0..reader.num_row_groups() {
            reader.get_row_group(group)?;
        }
        Ok(reader)
    })
}

/// What `read` gives; the library panics on some damaged files. Whoever gets an error of it reads on no
/// more, so nothing half done is seen.
fn guarded<T>(read: impl FnOnce() -> parquet::errors::Result<T>) -> io::Result<T> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|error| failed(&error)),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "as Parquet: the file is damaged",
        )),
    }
}

/// All columns of a Parquet file, an object a row: decimals as numbers, dates and times as texts, maps as
/// objects.
pub struct Rows {
    path: PathBuf,
    rows: RowIter<'static>,
    features: Option<Value>,
}

impl Rows {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// If it can't be read or is damaged.
    pub fn open(path: &Path) -> Result<Self, TextError> {
        let reader = File::open(path)
            .and_then(opened)
            .map_err(read_failed(path))?;
        let pairs = reader.metadata().file_metadata().key_value_metadata();
        let features = pairs
            .into_iter()
            .flatten()
            .find(|pair| pair.key == "huggingface")
            .and_then(|pair| serde_json::from_str::<Value>(pair.value.as_deref()?).ok())
            .and_then(|value| value.pointer("/info/features").cloned());
        let rows = RowIter::from_file_into(Box::new(reader)).with_batch_size(BATCH_ROWS);
        Ok(Self {
            path: path.to_path_buf(),
            rows,
            features,
        })
    }

    /// What Hugging Face's `datasets` says of the columns, by name: `_type`, `names`, …
    pub fn features(&self) -> Option<&Value> {
        self.features.as_ref()
    }
}

impl Iterator for Rows {
    type Item = Result<Value, TextError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = guarded(|| self.rows.next().transpose());
        let row = row.map_err(read_failed(&self.path)).transpose()?;
        Some(row.map(|row| values::whole(&row)))
    }
}

/// The schema of a file with one column. A file's own has no repetition, so this one has none.
fn group(name: &str, column: &Arc<Type>) -> io::Result<Type> {
    Type::group_type_builder(name)
        .with_fields(vec![Arc::clone(column)])
        .build()
        .map_err(|error| failed(&error))
}

impl Read for TextRows {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.line.len() {
            let Some(row) = guarded(|| self.rows.next().transpose())? else {
                return Ok(0);
            };
            self.line = serde_json::to_vec(&values::with_text(&row))?;
            self.line.push(b'\n');
            self.position = 0;
        }
        let read = self
            .line
            .get(self.position..)
            .unwrap_or_default()
            .read(buffer)?;
        self.position += read;
        Ok(read)
    }
}

/// Shortened: the library shows whole values.
fn failed(error: &parquet::errors::ParquetError) -> io::Error {
    let message: String = error.to_string().chars().take(200).collect();
    io::Error::new(io::ErrorKind::InvalidData, format!("as Parquet: {message}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    /// Rows of a number, a text that may be missing, and a text in a group.
    fn file(rows: &[(i64, Option<&str>, &str)]) -> File {
        let schema = "message schema { required int64 id; optional binary text (UTF8); \
                      required group meta { required binary title (UTF8); } }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let file = tempfile::tempfile().unwrap();
        let written = file.try_clone().unwrap();
        let mut writer = SerializedFileWriter::new(written, schema, Arc::default()).unwrap();
        for rows in rows.chunks(2) {
            let mut group = writer.next_row_group().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            let ids: Vec<i64> = rows.iter().map(|it| it.0).collect();
            column
                .typed::<Int64Type>()
                .write_batch(&ids, None, None)
                .unwrap();
            column.close().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            let levels: Vec<i16> = rows.iter().map(|it| i16::from(it.1.is_some())).collect();
            let texts: Vec<ByteArray> = rows
                .iter()
                .filter_map(|it| it.1)
                .map(ByteArray::from)
                .collect();
            column
                .typed::<ByteArrayType>()
                .write_batch(&texts, Some(&levels), None)
                .unwrap();
            column.close().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            let titles: Vec<ByteArray> = rows.iter().map(|it| ByteArray::from(it.2)).collect();
            column
                .typed::<ByteArrayType>()
                .write_batch(&titles, None, None)
                .unwrap();
            column.close().unwrap();
            group.close().unwrap();
        }
        writer.close().unwrap();
        file
    }

    fn lines(field: &str) -> String {
        let file = file(&[
            (1, Some("a \"b\"\nc"), "x"),
            (2, None, "y"),
            (3, Some("d"), "z"),
        ]);
        let mut lines = String::new();
        let mut rows = TextRows::open(file, field).unwrap();
        rows.read_to_string(&mut lines).unwrap();
        lines
    }

    #[test]
    fn rows_become_records_with_the_column_of_the_text() {
        assert_eq!(
            lines("text"),
            "{\"text\":\"a \\\"b\\\"\\nc\"}\n{\"text\":null}\n{\"text\":\"d\"}\n"
        );
        assert_eq!(
            lines("meta.title"),
            "{\"meta\":{\"title\":\"x\"}}\n{\"meta\":{\"title\":\"y\"}}\n{\"meta\":{\"title\":\"z\"}}\n"
        );
        let all = lines("body");
        assert!(all.starts_with("{\"id\":1,\"text\":"), "{all}");
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let mut content = Vec::new();
        use std::io::{Seek, Write};
        let mut whole = file(&[(1, Some("a"), "x")]);
        whole.rewind().unwrap();
        whole.read_to_end(&mut content).unwrap();
        content.truncate(content.len() - 5);
        let mut torn = tempfile::tempfile().unwrap();
        torn.write_all(&content).unwrap();
        assert!(TextRows::open(torn, "text").is_err());
    }
}
